//! A blob that has arrived moves to its place; one that is no good leaves it.
//!
//! Names in the directory and entries of the index change together, one at a time, so that what is fetched
//! anew is not removed in the place of what was there before. The lock blocks on the disk: only what runs
//! there takes it.

use std::io::{self, ErrorKind};
use std::sync::{Arc, MutexGuard, PoisonError};

use onetag_oci::Digest;

use super::arrival::Arrival;
use super::cache::Blobs;
use super::directory::Temporary;
use super::evict::Reservation;

/// A file with the right content that is not in the cache yet.
pub(super) struct Received {
    pub(super) temporary: Temporary,
    pub(super) reservation: Reservation,
}

impl Blobs {
    /// Moves a file to its place. Blocks on the disk.
    pub(super) fn keep(&self, received: Received, digest: &Digest, arrival: &Arc<Arrival>) -> io::Result<()> {
        let Received { mut temporary, reservation } = received;
        let stamp = self.directory.settle(&temporary, digest)?;
        let moving = self.moving();
        self.directory.keep(&mut temporary, digest)?;
        drop(reservation);
        self.moved_in(digest, arrival, stamp, &temporary.file);
        drop(moving);
        // What may not outlive a power loss does not stay: half of it might.
        self.directory.sync_folder(digest).inspect_err(|_| drop(self.discard(digest)))
    }

    /// Forgets a file and removes it. Blocks on the disk.
    pub(super) fn discard(&self, digest: &Digest) -> io::Result<()> {
        let _moving = self.moving();
        self.forget(digest);
        self.directory.remove(digest)
    }

    /// Forgets a file if it is gone. Blocks on the disk.
    pub(super) fn forget_if_gone(&self, digest: &Digest) {
        let _moving = self.moving();
        if self.directory.file(digest).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            self.forget(digest);
        }
    }

    /// Locks the names in the directory. Blocks on the disk.
    pub(super) fn moving(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
