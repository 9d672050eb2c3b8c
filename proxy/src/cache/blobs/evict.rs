//! Room: what arrives is promised it beforehand and takes it as it comes, and what was used longest ago makes it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onetag_oci::Digest;

use super::cache::Blobs;
use super::index::on_disk;

/// For how long one go of making room lasts, so that it is not taken for a disk that hangs.
const GO: Duration = Duration::from_secs(1);

/// Room for an arrival; given back when dropped.
pub(super) struct Reservation {
    blobs: Arc<Blobs>,
    promised: u64,
    arrived: u64,
}

impl Blobs {
    /// Promises room to a blob of `size` bytes; none when all that arrives would be more than there may be.
    pub(super) fn reserve(self: &Arc<Self>, size: u64) -> Option<Reservation> {
        let promised = on_disk(size);
        let fits = self.state().index.promise(promised);
        fits.then(|| Reservation { blobs: Arc::clone(self), promised, arrived: 0 })
    }

    /// Removes what was used longest ago, if there is more than there may be.
    pub(super) async fn make_room(self: &Arc<Self>) -> io::Result<()> {
        while self.state().index.is_over_full() {
            let blobs = Arc::clone(self);
            self.disk.run(move || blobs.make_some_room()).await?;
        }
        Ok(())
    }

    /// Removes files until there is some room left, or for a second. Blocks on the disk.
    pub(super) fn make_some_room(&self) -> io::Result<()> {
        let began = Instant::now();
        let mut uses = self.state().index.uses();
        uses.sort_unstable();
        for (used, digest) in uses {
            if !self.state().index.is_full() || began.elapsed() >= GO {
                break;
            }
            self.evict(&digest, used)?;
        }
        Ok(())
    }

    /// Removes a file unless it was used after this use.
    fn evict(&self, digest: &Digest, used: u64) -> io::Result<()> {
        let _moving = self.moving();
        let size = {
            let mut state = self.state();
            let Some(size) = state.index.remove_unused(digest, used) else { return Ok(()) };
            self.measure(&state.index);
            size
        };
        let removed = self.directory.remove(digest);
        if removed.is_err() {
            let mut state = self.state();
            state.index.add_unverified(digest.clone(), size);
            self.measure(&state.index);
        } else {
            self.metrics.blobs_evicted.inc();
        }
        removed
    }
}

impl Reservation {
    /// Takes room for the first `size` bytes of the blob; more than was promised, if it turns out to have them.
    pub(super) fn cover(&mut self, size: u64) -> bool {
        let size = on_disk(size);
        let (promise, arrive) = (size.saturating_sub(self.promised), size.saturating_sub(self.arrived));
        if arrive == 0 {
            return true;
        }
        let mut state = self.blobs.state();
        let fits = promise == 0 || state.index.promise(promise);
        if fits {
            state.index.arrive(arrive);
            self.promised += promise;
            self.arrived += arrive;
        }
        fits
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.blobs.state().index.release(self.promised, self.arrived);
    }
}
