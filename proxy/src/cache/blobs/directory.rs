//! The files: `<algorithm>/<first two hex digits>/<hex>`, and in `arriving/` what is not whole yet.
//!
//! The file system is the truth; nothing else remembers which blobs there are. Everything here may block.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use onetag_oci::Digest;

const ARRIVING: &str = "arriving";
const ALGORITHMS: [&str; 2] = ["sha256", "sha512"];

/// The directory of the blobs; one process has it.
pub(super) struct Directory {
    root: PathBuf,
    /// How many arrivals there have been: their names.
    arrivals: AtomicU64,
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

/// A file that arrives; removed when dropped.
pub(super) struct Temporary {
    path: PathBuf,
    pub(super) file: Arc<File>,
}

impl Directory {
    /// Opens or makes the directory; what was arriving when the last process ended is removed.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let arriving = root.join(ARRIVING);
        match fs::remove_dir_all(&arriving) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&arriving)?,
        }
        Ok(Self { root: root.to_owned(), arrivals: AtomicU64::new(0) })
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
        let name = self.arrivals.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.root.join(ARRIVING).join(name);
        let create = || OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = create().or_else(|error| match error.kind() {
            // Somebody has cleared the directory away.
            ErrorKind::NotFound => fs::create_dir_all(self.root.join(ARRIVING)).and_then(|()| create()),
            _ => Err(error),
        })?;
        Ok(Temporary { file: Arc::new(file), path })
    }

    /// Makes a whole, verified file the blob of this digest; when this returns, it outlives a power loss
    /// (threat T32).
    pub(super) fn keep(&self, temporary: &Temporary, digest: &Digest) -> io::Result<Stamp> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        temporary.file.sync_all()?;
        fs::rename(&temporary.path, &path)?;
        File::open(folder)?.sync_all()?;
        Stamp::of(&temporary.file)
    }

    pub(super) fn file(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.path(digest))
    }

    /// Removes a blob; those who read it keep it.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<()> {
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
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Of one that was kept there is nothing left under this name.
        let _ = fs::remove_file(&self.path);
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
