//! A file is served once this process knows that its content is right (threat T31).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use onetag_oci::Digest;
use tokio::task::spawn_blocking;

use super::cache::{Blobs, Found};
use super::directory::{Stamp, touch};

/// How long a caller waits for a file of an earlier run to be verified.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How many files are verified at once.
pub(super) const MAX_HASHING: usize = 4;

/// How much of a file is hashed at once.
const BUFFER: usize = 1 << 20;

impl Blobs {
    /// Looks for a blob whose content is right. One that is found damaged is removed.
    pub async fn find(self: &Arc<Self>, digest: &Digest) -> Found {
        let Some(seen) = self.state().index.look_up(digest) else { return Found::Missing };
        let open = seen.open.filter(|(file, verified)| Stamp::of(file).ok() == *verified);
        let file = if let Some((file, _)) = open {
            file
        } else {
            let blobs = Arc::clone(self);
            let key = digest.clone();
            let check = self.checks.join(digest.clone(), || async move { blobs.check(&key).await });
            match tokio::time::timeout(PATIENCE, check).await {
                Ok(Ok(Some(file))) => file,
                Ok(Ok(None) | Err(_)) => return Found::Missing,
                Err(_) => return Found::Slow,
            }
        };
        if seen.touch {
            let file = Arc::clone(&file);
            drop(spawn_blocking(move || touch(&file)));
        }
        Stamp::of(&file).map_or(Found::Missing, |stamp| Found::Here { file, size: stamp.size })
    }

    /// Opens a file, and verifies it unless this process has done so and it has not been written to since.
    async fn check(self: &Arc<Self>, digest: &Digest) -> Option<Arc<File>> {
        let (file, stamp) = self
            .on_disk(digest, |blobs, digest| {
                let file = blobs.directory.file(digest)?;
                Ok((Stamp::of(&file)?, Arc::new(file)))
            })
            .await
            .map(|(stamp, file)| (file, stamp))?;
        let mut is_right = self.state().index.is_verified(digest, stamp);
        if !is_right {
            let _place = self.hashing.acquire().await.ok()?;
            let hashed = Arc::clone(&file);
            is_right = self.on_disk(digest, move |_, digest| has_digest(&hashed, digest)).await?;
        }
        if is_right {
            let mut state = self.state();
            state.index.add_verified(digest.clone(), stamp, &file);
            self.measure(&state.index);
            return Some(file);
        }
        tracing::warn!(%digest, "a blob on the disk is damaged: it is removed and fetched anew");
        self.metrics.blobs_damaged.inc();
        self.forget(digest);
        self.on_disk(digest, |blobs, digest| blobs.directory.remove(digest)).await;
        None
    }

    /// Runs `work` where it may block; a failure is noted. That a file is gone is none.
    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        digest: &Digest,
        work: impl FnOnce(&Self, &Digest) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let (blobs, key) = (Arc::clone(self), digest.clone());
        match spawn_blocking(move || work(&blobs, &key)).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => self.forget(digest),
            Ok(Err(error)) => self.disk_failed("a blob cannot be read", &error),
            // The runtime shuts down.
            Err(_) => {}
        }
        None
    }
}

/// Whether a file's content has this digest. Blocks.
fn has_digest(file: &File, digest: &Digest) -> io::Result<bool> {
    let (mut hasher, mut buffer, mut at) = (digest.hasher(), vec![0; BUFFER], 0);
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hasher.finish() == *digest),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                at += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
