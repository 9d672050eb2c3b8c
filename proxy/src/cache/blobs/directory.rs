//! The files: `<algorithm>/<first two hex digits>/<hex>`, and in `arriving/` what is not whole yet.
//!
//! The file system is the truth; nothing else remembers which blobs there are. Everything here may block.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use onetag_oci::Digest;
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::disk::{Call, Disk};
use crate::cache::store::takes_nothing;

const ARRIVING: &str = "arriving";
const ALGORITHMS: [&str; 2] = ["sha256", "sha512"];

/// The directory of the blobs; one process has it.
pub(super) struct Directory {
    root: PathBuf,
    /// How many arrivals there have been: their names.
    arrivals: AtomicU64,
    disk: Arc<Disk>,
}

/// A file of an earlier run, not looked into.
pub(super) struct Stored {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) accessed: SystemTime,
}

/// What tells that a file has been written to: its length and modification time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// A file that arrives; removed when dropped, unless it was kept.
pub(super) struct Temporary {
    path: PathBuf,
    pub(super) file: Arc<File>,
    is_kept: bool,
    disk: Arc<Disk>,
}

impl Directory {
    /// Opens or makes the directory; what was arriving when the last process ended is removed.
    pub(super) fn open(root: &Path, disk: Arc<Disk>) -> io::Result<Self> {
        let arriving = root.join(ARRIVING);
        let cleared = match fs::remove_dir_all(&arriving) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&arriving),
        };
        match cleared {
            // What is there can be read all the same.
            Err(error) if takes_nothing(&error) => tracing::error!(%error, "no blob is kept"),
            cleared => cleared?,
        }
        Ok(Self { root: root.to_owned(), arrivals: AtomicU64::new(0), disk })
    }

    /// All files, by their names and metadata alone. Whatever has no blob's name is left alone.
    pub(super) fn scan(&self) -> io::Result<Vec<Stored>> {
        let mut found = Vec::new();
        for algorithm in ALGORITHMS {
            for folder in entries(&self.root.join(algorithm))? {
                for file in entries(&folder)? {
                    found.extend(self.stored(algorithm, &file));
                }
            }
        }
        Ok(found)
    }

    fn stored(&self, algorithm: &str, file: &Path) -> Option<Stored> {
        let digest = format!("{algorithm}:{}", file.file_name()?.to_str()?).parse().ok()?;
        let metadata = fs::symlink_metadata(file).ok()?;
        if !metadata.is_file() || self.path(&digest) != file {
            return None;
        }
        let accessed = metadata.accessed().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Stored { digest, size: metadata.len(), accessed })
    }

    /// Where a blob is: by hexadecimal digits alone (threat T11).
    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        let text = digest.to_string();
        let (algorithm, hex) = text.split_once(':').unwrap_or_default();
        self.root.join(algorithm).join(&hex[..2]).join(hex)
    }

    /// An empty file for a blob that arrives.
    pub(super) fn temporary(&self) -> io::Result<Temporary> {
        self.disk.before(Call::Make)?;
        let name = self.arrivals.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.root.join(ARRIVING).join(name);
        let create = || OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = create().or_else(|error| match error.kind() {
            // Somebody has cleared the directory away.
            ErrorKind::NotFound => fs::create_dir_all(self.root.join(ARRIVING)).and_then(|()| create()),
            _ => Err(error),
        })?;
        Ok(Temporary { file: Arc::new(file), path, is_kept: false, disk: Arc::clone(&self.disk) })
    }

    /// Writes a whole, verified file to the disk in earnest, and makes the folder that it will be in.
    pub(super) fn settle(&self, temporary: &Temporary, digest: &Digest) -> io::Result<Stamp> {
        self.disk.before(Call::Keep)?;
        fs::create_dir_all(self.folder(digest))?;
        temporary.file.sync_all()?;
        Stamp::of(&temporary.file)
    }

    /// Makes a settled file the blob of this digest.
    pub(super) fn keep(&self, temporary: &mut Temporary, digest: &Digest) -> io::Result<()> {
        fs::rename(&temporary.path, self.path(digest))?;
        temporary.is_kept = true;
        Ok(())
    }

    /// When this has returned, a blob that was kept outlives a power loss (threat T32).
    pub(super) fn sync_folder(&self, digest: &Digest) -> io::Result<()> {
        self.disk.before(Call::SyncFolder)?;
        File::open(self.folder(digest))?.sync_all()
    }

    fn folder(&self, digest: &Digest) -> PathBuf {
        self.path(digest).parent().unwrap_or(&self.root).to_owned()
    }

    pub(super) fn file(&self, digest: &Digest) -> io::Result<File> {
        self.disk.before(Call::Open)?;
        File::open(self.path(digest))
    }

    /// Removes a blob; those who read it keep it.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<()> {
        self.disk.before(Call::Remove)?;
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { size: metadata.len(), modified: metadata.modified()? })
    }

    /// By what the kernel has in memory, so that this never waits; none where it cannot tell.
    pub(super) fn at_hand(file: &File) -> Option<Self> {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let found = statx(file, c"", flags, StatxFlags::SIZE | StatxFlags::MTIME).ok()?;
        let seconds = u64::try_from(found.stx_mtime.tv_sec).ok()?;
        let since = Duration::new(seconds, found.stx_mtime.tv_nsec);
        Some(Self { size: found.stx_size, modified: SystemTime::UNIX_EPOCH + since })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept {
            let path = std::mem::take(&mut self.path);
            // Where it cannot be removed, the next start does it.
            self.disk.clean_up(move || drop(fs::remove_file(path)));
        }
    }
}

/// Notes on the disk that a blob was used now. That only decides what goes first after a restart, so a
/// failure is no matter.
pub(super) fn touch(file: &File) {
    let _ = file.set_times(FileTimes::new().set_accessed(SystemTime::now()));
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}
