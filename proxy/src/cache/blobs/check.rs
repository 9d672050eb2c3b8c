//! A file is served once this process knows that its content is right (threat T31).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use onetag_oci::{Digest, Hasher};

use super::cache::{Blobs, Found};
use super::directory::{Stamp, touch};
use super::disk::{Call, Disk};

/// How long a caller waits for a file of an earlier run to be verified.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How many files are verified at once.
pub(super) const MAX_HASHING: usize = 4;

/// How much of a file is hashed at once.
const BUFFER: usize = 1 << 20;

impl Blobs {
    /// Looks for a blob whose content is right. One that is found damaged is removed. While the disk hangs,
    /// only files that are open already are found.
    pub async fn find(self: &Arc<Self>, digest: &Digest) -> Found {
        let Some(seen) = self.state().index.look_up(digest) else { return Found::Missing };
        let open = seen.open.and_then(|(file, verified)| {
            let stamp = Stamp::at_hand(&file).filter(|stamp| Some(*stamp) == verified)?;
            Some((file, stamp.size))
        });
        let (file, size) = if let Some(open) = open {
            open
        } else if !self.disk.admits_reading() {
            return Found::Missing;
        } else {
            let blobs = Arc::clone(self);
            let key = digest.clone();
            let check = self.checks.join(digest.clone(), || async move { blobs.check(&key).await });
            match tokio::time::timeout(PATIENCE, check).await {
                Ok(Ok(Some(checked))) => checked,
                Ok(Ok(None) | Err(_)) => return Found::Missing,
                Err(_) => return Found::Slow,
            }
        };
        if seen.touch {
            let file = Arc::clone(&file);
            self.disk.perhaps(move || touch(&file));
        }
        Found::Here { file, size }
    }

    /// Opens a file, and verifies it unless this process has done so and it has not been written to since.
    async fn check(self: &Arc<Self>, digest: &Digest) -> Option<(Arc<File>, u64)> {
        let opened = self.on_disk(digest, |blobs, digest| {
            let file = blobs.directory.file(digest)?;
            Ok((Stamp::of(&file)?, Arc::new(file)))
        });
        let (stamp, file) = opened.await?;
        let mut is_right = self.state().index.is_verified(digest, stamp);
        if !is_right {
            let _place = self.hashing.acquire().await.ok()?;
            is_right = self.answered(has_digest(&self.disk, &file, digest).await)?;
        }
        if is_right {
            let mut state = self.state();
            // It may have been evicted meanwhile.
            if state.index.size(digest).is_some() {
                state.index.add_verified(digest.clone(), stamp, &file);
                self.measure(&state.index);
            }
            return Some((file, stamp.size));
        }
        tracing::warn!(%digest, "a blob on the disk is damaged: it is removed and fetched anew");
        self.metrics.blobs_damaged.inc();
        // Also where it cannot be removed.
        self.forget(digest);
        self.on_disk(digest, Self::discard).await;
        None
    }

    /// Runs `work` where it may block; a failure is noted. That a file is gone is none.
    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        digest: &Digest,
        work: impl FnOnce(&Self, &Digest) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let (blobs, digest) = (Arc::clone(self), digest.clone());
        let work = move || match work(&blobs, &digest) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                blobs.forget_if_gone(&digest);
                Ok(None)
            }
            done => done.map(Some),
        };
        self.answered(self.disk.run(work).await)?
    }

    /// Notes what an answer of the disk says of it.
    fn answered<T>(&self, answer: io::Result<T>) -> Option<T> {
        match &answer {
            Ok(_) => self.disk.works(),
            Err(error) => self.disk_failed("a blob cannot be read", error),
        }
        answer.ok()
    }
}

/// Whether a file's content has this digest.
async fn has_digest(disk: &Arc<Disk>, file: &Arc<File>, digest: &Digest) -> io::Result<bool> {
    let (mut hasher, mut buffer, mut at) = (digest.hasher(), vec![0; BUFFER], 0);
    loop {
        let (source, before) = (Arc::clone(file), Arc::clone(disk));
        let step = move || {
            before.before(Call::Read)?;
            hash_some(&source, hasher, buffer, at)
        };
        let count;
        // In steps: a large file takes long, and is not to be taken for a disk that hangs.
        (hasher, buffer, count) = disk.run(step).await?;
        if count == 0 {
            return Ok(hasher.finish() == *digest);
        }
        at += count as u64;
    }
}

/// Hashes up to a buffer of bytes; how many these were. Blocks.
fn hash_some(
    file: &File,
    mut hasher: Hasher,
    mut buffer: Vec<u8>,
    at: u64,
) -> io::Result<(Hasher, Vec<u8>, usize)> {
    loop {
        match file.read_at(&mut buffer, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => {
                let count = read?;
                hasher.update(&buffer[..count]);
                return Ok((hasher, buffer, count));
            }
        }
    }
}
