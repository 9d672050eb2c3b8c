//! The disk under the blobs: it may fail, be slow, or hang, and no pull may (threat T30).
//!
//! All that may block goes through here, bounded in time and in number: a thread that hangs in the kernel
//! cannot be ended, only left behind.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The most calls at once but for those that keep a blob. What finds no place in time has a slow disk.
const PLACES: usize = 24;

/// The most blobs that are moved to their places at once: that takes long, and must not keep others waiting.
const KEEPING: usize = 8;

/// How patient the cache is with its disk.
#[derive(Clone, Copy)]
pub(super) struct DiskPace {
    /// For how long a call is waited for, its turn included.
    pub(super) patience: Duration,
    /// For how long keeping a blob is waited for: a large one is written to the disk in earnest then.
    pub(super) keeping: Duration,
    /// For how long a disk that failed is left alone.
    pub(super) after_failure: Duration,
}

impl Default for DiskPace {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            keeping: Duration::from_mins(2),
            after_failure: Duration::from_secs(10),
        }
    }
}

/// A call that blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Makes the file of an arrival.
    Make,
    /// Writes to it at this offset.
    Write(u64),
    /// Moves it to its place.
    Keep,
    /// Makes its move outlive a power loss.
    SyncFolder,
    Open,
    /// Reads what is in memory; where that fails, it is read as from a disk.
    Peek,
    Read,
    /// Sends it straight from the file.
    Send,
    Remove,
}

/// Comes before each call, and may fail or hang in its place; there is one in tests alone.
pub(super) type Before = Box<dyn Fn(Call) -> io::Result<()> + Send + Sync>;

pub(super) struct Disk {
    pace: DiskPace,
    before: Option<Before>,
    places: Arc<Semaphore>,
    keeping: Arc<Semaphore>,
    health: Mutex<Health>,
    /// Whether the latest failure was that nothing came back. Else what is there can be read: a disk may be full.
    hangs: AtomicBool,
}

#[derive(Clone, Copy)]
enum Health {
    Well,
    Failed(Instant),
    /// After a failure somebody tries it again, for all others.
    Tried(Instant),
}

impl Disk {
    pub(super) fn new(pace: DiskPace, before: Option<Before>) -> Self {
        let (places, keeping) = (Arc::new(Semaphore::new(PLACES)), Arc::new(Semaphore::new(KEEPING)));
        Self {
            pace,
            before,
            places,
            keeping,
            health: Mutex::new(Health::Well),
            hangs: AtomicBool::new(false),
        }
    }

    /// Is to be called before each call.
    pub(super) fn before(&self, call: Call) -> io::Result<()> {
        self.before.as_ref().map_or(Ok(()), |before| before(call))
    }

    /// Runs what may block. Fails when it takes too long; it is not ended then, but its result is lost.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        within(self.pace.patience, &self.places, work).await
    }

    /// Runs what keeps a blob, likewise but with more patience.
    pub(super) async fn run_keeping<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        within(self.pace.keeping, &self.keeping, work).await
    }

    /// Runs what nobody waits for, now or later.
    pub(super) fn clean_up(&self, work: impl FnOnce() + Send + 'static) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work() };
        let places = Arc::clone(&self.places);
        runtime.spawn(async move {
            let place = places.acquire_owned().await;
            drop(spawn_blocking(move || (work(), place).0));
        });
    }

    /// Runs what may as well be left out: when there is no place at once, it is.
    pub(super) fn perhaps(&self, work: impl FnOnce() + Send + 'static) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            drop(spawn_blocking(move || (work(), place).0));
        }
    }

    /// Whether the disk is to be used for something new. After a failure it is left alone for a while; then
    /// this says yes to one caller, and to all others once that one has [succeeded](Self::works).
    pub(super) fn admits(&self) -> bool {
        let mut health = self.health();
        match *health {
            Health::Well => true,
            Health::Failed(since) | Health::Tried(since) => {
                let admits = since.elapsed() >= self.pace.after_failure;
                if admits {
                    *health = Health::Tried(Instant::now());
                }
                admits
            }
        }
    }

    /// Whether it did not fail lately.
    pub(super) fn is_well(&self) -> bool {
        matches!(*self.health(), Health::Well)
    }

    /// Whether the disk is to be read: not while it hangs.
    pub(super) fn admits_reading(&self) -> bool {
        !self.hangs.load(Ordering::Relaxed) || self.admits()
    }

    /// Notes that something failed, and how.
    pub(super) fn failed(&self, error: &io::Error) {
        self.hangs.store(error.kind() == ErrorKind::TimedOut, Ordering::Relaxed);
        *self.health() = Health::Failed(Instant::now());
    }

    /// Notes that something worked. Before the disk is tried again this says nothing: a file may work where
    /// another one does not.
    pub(super) fn works(&self) {
        let mut health = self.health();
        if matches!(*health, Health::Tried(_)) {
            *health = Health::Well;
            self.hangs.store(false, Ordering::Relaxed);
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn within<T: Send + 'static>(
    limit: Duration,
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let run = async {
        let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
        // The place is held for as long as the thread is, also when nobody waits for it any more.
        let run = spawn_blocking(move || (work(), place).0);
        run.await.unwrap_or_else(|lost| Err(io::Error::other(lost)))
    };
    let slow = || io::Error::new(ErrorKind::TimedOut, format!("the disk did not answer within {limit:?}"));
    timeout(limit, run).await.unwrap_or_else(|_| Err(slow()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    fn disk(after_failure: Duration) -> Disk {
        let patience = Duration::from_millis(100);
        Disk::new(DiskPace { patience, keeping: patience, after_failure }, None)
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_few_threads_and_nobody_for_long() {
        let disk = disk(Duration::ZERO);
        let (release, hang) = mpsc::channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        let started = Arc::new(AtomicUsize::new(0));
        let calls = (0..100).map(|_| {
            let (hang, started) = (Arc::clone(&hang), Arc::clone(&started));
            disk.run(move || {
                started.fetch_add(1, Ordering::SeqCst);
                // It hangs until the sender is gone.
                let _ = hang.lock().map(|hang| hang.recv());
                Ok(())
            })
        });
        let ended = join_all(calls).await;
        assert!(ended.iter().all(|end| matches!(end, Err(error) if error.kind() == ErrorKind::TimedOut)));
        assert_eq!(started.load(Ordering::SeqCst), PLACES);
        drop(release);
        while disk.run(|| Ok(())).await.is_err() {}
        assert_eq!(started.load(Ordering::SeqCst), PLACES, "what was given up is not begun later");
    }

    #[test]
    fn after_a_failure_one_caller_tries_for_all() {
        let disk = disk(Duration::from_millis(50));
        disk.works();
        assert!(disk.admits() && disk.admits());
        disk.failed(&ErrorKind::TimedOut.into());
        disk.works();
        assert!(!disk.admits());
        std::thread::sleep(Duration::from_millis(60));
        assert!(disk.admits() && !disk.admits());
        disk.failed(&ErrorKind::TimedOut.into());
        assert!(!disk.admits());
        std::thread::sleep(Duration::from_millis(60));
        assert!(disk.admits() && !disk.admits());
        disk.works();
        assert!(disk.admits() && disk.admits());
    }
}
