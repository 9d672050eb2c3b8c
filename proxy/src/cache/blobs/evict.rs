//! Room: what arrives takes it beforehand, and what was used longest ago makes it.

use std::sync::Arc;

use super::cache::Blobs;
use super::index::on_disk;

/// Room that an arrival has taken; given back when dropped.
pub(super) struct Reservation {
    blobs: Arc<Blobs>,
    bytes: u64,
}

impl Blobs {
    /// Takes room for a blob of `size` bytes; none when all that arrives would be more than there may be.
    pub(super) fn reserve(self: &Arc<Self>, size: u64) -> Option<Reservation> {
        let bytes = on_disk(size);
        let fits = self.state().index.reserve(bytes);
        fits.then(|| Reservation { blobs: Arc::clone(self), bytes })
    }

    /// Removes what was used longest ago, if there is more than there may be. Blocks on the disk.
    pub(super) fn make_room(&self) {
        let mut uses = {
            let state = self.state();
            if !state.index.is_over_full() {
                return;
            }
            state.index.uses()
        };
        uses.sort_unstable();
        for (used, digest) in uses {
            {
                let mut state = self.state();
                if !state.index.is_full() {
                    break;
                }
                if !state.index.remove_unused(&digest, used) {
                    continue;
                }
                self.measure(&state.index);
            }
            self.metrics.blobs_evicted.inc();
            if let Err(error) = self.directory.remove(&digest) {
                self.disk_failed("a blob cannot be removed", &error);
            }
        }
    }
}

impl Reservation {
    /// Takes more room, if a blob turns out to have at least `size` bytes.
    pub(super) fn cover(&mut self, size: u64) -> bool {
        let more = on_disk(size).saturating_sub(self.bytes);
        let fits = more == 0 || self.blobs.state().index.reserve(more);
        if fits {
            self.bytes += more;
        }
        fits
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.blobs.state().index.release(self.bytes);
    }
}
