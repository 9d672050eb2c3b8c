//! The cache of blobs: what is there, what arrives, and who may join.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onetag_oci::{Digest, Repository};
use prometheus::IntGauge;
use tokio::sync::{Semaphore, watch};

use crate::flight::Flights;
use crate::telemetry::Metrics;

use super::arrival::{Arrival, Follower, Progress};
use super::check::MAX_HASHING;
use super::directory::{Directory, Stamp};
use super::disk::{Before, Disk, DiskPace};
use super::download::Download;
use super::feed::Feed;
use super::index::{Index, MAX_FILES, on_disk};
use super::rate::WINDOW;

/// The most downloads under way: they may go on without callers, so callers do not bound them.
const MAX_ARRIVALS: usize = 256;

/// What an operator decides about the cache of blobs.
#[derive(Debug, Clone, Copy)]
pub struct BlobSettings {
    /// The most bytes on the disk, what arrives included.
    pub max_bytes: u64,
    /// Whether a download goes on when all its callers have left.
    pub finish: bool,
}

/// How patient the cache is.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The wait before the first attempt to resume; each further one waits twice as long.
    pub(super) first_wait: Duration,
    /// How long after the last byte there are attempts.
    pub(super) patience: Duration,
    /// Over how much waiting for the upstream its rate is averaged.
    pub(super) window: Duration,
    pub(super) disk: DiskPace,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(500),
            patience: Duration::from_mins(1),
            window: WINDOW,
            disk: DiskPace::default(),
        }
    }
}

/// Blobs in a directory. One for each directory; shared by all connections.
pub struct Blobs {
    pub(super) directory: Directory,
    pub(super) settings: BlobSettings,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pace: Pace,
    pub(super) disk: Arc<Disk>,
    /// Files that are being opened, and verified where need be.
    pub(super) checks: Flights<Digest, Option<(Arc<File>, u64)>>,
    pub(super) hashing: Semaphore,
    pub(super) moving: Mutex<()>,
    state: Mutex<State>,
    /// What of the metrics' bytes and files is this cache's: there may be several.
    shown: [AtomicI64; 2],
}

pub(super) struct State {
    pub(super) index: Index,
    arrivals: HashMap<Digest, Arc<Arrival>>,
}

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("directory of blobs {}: {source}", path.display())]
pub struct OpenBlobsError {
    /// The directory.
    pub path: PathBuf,
    /// What failed.
    pub source: io::Error,
}

/// What there is of a blob.
pub enum Found {
    /// Its file; the content is right.
    Here {
        /// To be read from.
        file: Arc<File>,
        /// In bytes.
        size: u64,
    },
    /// A file that is still being verified.
    Slow,
    /// Nothing.
    Missing,
}

/// What came of joining the arrival of a blob.
pub enum Joined {
    /// The arrival begins.
    Started(Follower),
    /// The arrival was under way.
    Joined(Follower),
    /// It arrives for another repository than one that the caller may read.
    Foreign,
    /// It is here by now.
    Here,
    /// The cache takes nothing at the moment, or nothing arrives that could be followed.
    Closed,
}

impl Blobs {
    /// Opens or makes a directory of blobs. Files are looked at by their names and metadata alone.
    ///
    /// # Errors
    /// When the directory cannot be read or written. No two processes may have the same one open; the caller
    /// sees to that.
    pub fn open(
        directory: &Path,
        settings: BlobSettings,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenBlobsError> {
        Self::open_with(directory, settings, metrics, Pace::default(), None)
            .map_err(|source| OpenBlobsError { path: directory.to_owned(), source })
    }

    pub(super) fn open_with(
        directory: &Path,
        settings: BlobSettings,
        metrics: Arc<Metrics>,
        pace: Pace,
        before: Option<Before>,
    ) -> io::Result<Self> {
        let disk = Arc::new(Disk::new(pace.disk, before));
        let directory = Directory::open(directory, Arc::clone(&disk))?;
        let mut stored = directory.scan()?;
        stored.sort_unstable_by_key(|stored| stored.accessed);
        let mut index = Index::new(settings.max_bytes, MAX_FILES);
        for stored in stored {
            index.add_unverified(stored.digest, stored.size);
        }
        let blobs = Self {
            directory,
            settings,
            metrics,
            pace,
            disk,
            checks: Flights::default(),
            hashing: Semaphore::new(MAX_HASHING),
            state: Mutex::new(State { index, arrivals: HashMap::new() }),
            moving: Mutex::new(()),
            shown: Default::default(),
        };
        blobs.measure(&blobs.state().index);
        while blobs.state().index.is_over_full() {
            if let Err(error) = blobs.make_some_room() {
                blobs.disk_failed("a blob cannot be removed", &error);
                break;
            }
        }
        Ok(blobs)
    }

    /// Whether a blob is here, by the index alone: its file may be gone or damaged.
    pub fn has(&self, digest: &Digest) -> bool {
        self.state().index.size(digest).is_some()
    }

    /// The most bytes that there may be, each file rounded up [as on the disk](Self::size_on_disk).
    pub fn max_bytes(&self) -> u64 {
        self.settings.max_bytes
    }

    /// What a blob of this size in bytes takes of them.
    pub fn size_on_disk(size: u64) -> u64 {
        on_disk(size)
    }

    /// The size in bytes of a blob that is here, by the index alone.
    #[cfg(test)]
    pub(super) fn size(&self, digest: &Digest) -> Option<u64> {
        self.state().index.size(digest)
    }

    /// Joins the arrival of a blob, if it arrives now. Only who is `allowed` may join one for another repository.
    pub fn follow(&self, digest: &Digest, repository: &Repository, allowed: bool) -> Joined {
        self.state().follow(digest, repository, allowed).unwrap_or(Joined::Closed)
    }

    /// Joins the arrival of a blob, or starts it, out of `feed`. Only who is `allowed` may join one for another
    /// repository. Must be called within a runtime.
    pub fn join(
        self: &Arc<Self>,
        digest: &Digest,
        repository: &Repository,
        allowed: bool,
        feed: &Arc<dyn Feed>,
    ) -> Joined {
        let mut state = self.state();
        if let Some(joined) = state.follow(digest, repository, allowed) {
            return joined;
        }
        if state.index.size(digest).is_some() {
            return Joined::Here;
        }
        if state.arrivals.len() >= MAX_ARRIVALS || !self.disk.admits() {
            return Joined::Closed;
        }
        let (progress, receiver) = watch::channel(Progress::new());
        let arrival = Arc::new(Arrival { repository: repository.clone(), progress });
        let follower = Follower::of(&arrival);
        drop(receiver);
        state.arrivals.insert(digest.clone(), Arc::clone(&arrival));
        drop(state);
        let (blobs, digest, feed) = (Arc::clone(self), digest.clone(), Arc::clone(feed));
        Download { blobs, digest, arrival, feed }.start();
        Joined::Started(follower)
    }

    /// The state, locked for a moment; never across anything that waits.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an arrival off the list; not another one of the same blob.
    pub(super) fn land(&self, digest: &Digest, arrival: &Arc<Arrival>) {
        self.state().land(digest, arrival);
    }

    /// Takes an arrival off the list if nobody reads it; nobody can have joined in between.
    pub(super) fn land_deserted(&self, digest: &Digest, arrival: &Arc<Arrival>) -> bool {
        let mut state = self.state();
        let deserted = arrival.progress.receiver_count() == 0;
        if deserted {
            state.land(digest, arrival);
        }
        deserted
    }

    /// An arrival has become a file of the cache.
    pub(super) fn moved_in(&self, digest: &Digest, arrival: &Arc<Arrival>, stamp: Stamp, file: &Arc<File>) {
        let mut state = self.state();
        state.land(digest, arrival);
        state.index.add_verified(digest.clone(), stamp, file);
        self.measure(&state.index);
    }

    /// Forgets a file that is gone or damaged.
    pub(super) fn forget(&self, digest: &Digest) {
        let mut state = self.state();
        state.index.remove(digest);
        self.measure(&state.index);
    }

    pub(super) fn measure(&self, index: &Index) {
        let [bytes, files] = &self.shown;
        let show = |gauge: &IntGauge, shown: &AtomicI64, now: u64| {
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            gauge.add(now - shown.swap(now, Ordering::Relaxed));
        };
        show(&self.metrics.blob_cache_bytes, bytes, index.bytes());
        show(&self.metrics.blob_cache_files, files, index.files() as u64);
    }

    /// Notes that the disk failed: for a while nothing new is kept.
    pub(super) fn disk_failed(&self, what: &'static str, error: &io::Error) {
        tracing::warn!(%error, "{what}; pulls go on without the cache of blobs");
        self.metrics.blob_disk_errors.inc();
        self.disk.failed(error);
    }
}

impl State {
    fn follow(&self, digest: &Digest, repository: &Repository, allowed: bool) -> Option<Joined> {
        let arrival = self.arrivals.get(digest)?;
        let may = allowed || arrival.repository == *repository;
        Some(if may { Joined::Joined(Follower::of(arrival)) } else { Joined::Foreign })
    }

    fn land(&mut self, digest: &Digest, arrival: &Arc<Arrival>) {
        if self.arrivals.get(digest).is_some_and(|listed| Arc::ptr_eq(listed, arrival)) {
            self.arrivals.remove(digest);
        }
    }
}
