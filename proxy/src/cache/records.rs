//! The store as asynchronous code uses it: reads with patience, writes gathered into few transactions, and
//! a rest for a disk that fails (threat T30).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::store::{Store, StoreError, Table, Write};
use crate::telemetry::Metrics;

/// How long a disk may take before a pull goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a disk that failed is left alone.
const REST: Duration = Duration::from_secs(5);

/// How much may wait to be written, in KiB.
const QUEUE_KIB: usize = 64 << 10;

/// How much one transaction takes, in bytes.
const BATCH_BYTES: usize = 8 << 20;

/// Records that outlive the process, where there is a data directory; else nothing is found.
pub struct Records(Option<Disk>);

struct Disk {
    store: Arc<dyn Store>,
    queue: mpsc::Sender<Batch>,
    room: Arc<Semaphore>,
    rest: Arc<Rest>,
    metrics: Arc<Metrics>,
}

/// Why a record cannot be had; all callers of one piece of work share it.
pub type Failure = Arc<StoreError>;

struct Batch {
    writes: Vec<Write>,
    done: Option<oneshot::Sender<Result<(), Failure>>>,
    _room: OwnedSemaphorePermit,
}

impl Records {
    /// The records in `store`; none are kept without one.
    pub fn new(store: Option<Arc<dyn Store>>, metrics: &Arc<Metrics>) -> Self {
        Self(store.map(|store| Disk::new(store, Arc::clone(metrics))))
    }

    /// Whether anything is kept at all.
    pub fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// The value of a key. Where the disk fails, nobody knows whether there is one.
    pub async fn get(&self, table: Table, key: String) -> Result<Option<Vec<u8>>, Failure> {
        self.read(move |store| store.get(table, &key)).await
    }

    /// Runs `work` where it may block; the default where nothing is kept.
    pub async fn read<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let Some(disk) = &self.0 else { return Ok(T::default()) };
        disk.rest.check()?;
        let store = Arc::clone(&disk.store);
        let task = tokio::task::spawn_blocking(move || work(&*store));
        let done = match tokio::time::timeout(PATIENCE, task).await {
            Ok(done) => done.unwrap_or(Err(StoreError::Lost)),
            Err(_) => Err(StoreError::Slow(PATIENCE)),
        };
        done.map_err(|error| disk.failed(error))
    }

    /// Does all of this or nothing; when it returns, it is on the disk. One transaction does the work of
    /// all that wait.
    pub async fn write(&self, writes: Vec<Write>) -> Result<(), Failure> {
        let Some(disk) = &self.0 else { return Ok(()) };
        disk.rest.check()?;
        let (done, written) = oneshot::channel();
        let write = async {
            let room = Arc::clone(&disk.room).acquire_many_owned(kibibytes(&writes)).await;
            // The semaphore is never closed, and the thread lives as long as its queue.
            let room = room.map_err(|_| Arc::new(StoreError::Lost))?;
            let batch = Batch { writes, done: Some(done), _room: room };
            disk.queue.send(batch).map_err(|_| Arc::new(StoreError::Lost))?;
            written.await.unwrap_or_else(|_| Err(Arc::new(StoreError::Lost)))
        };
        match tokio::time::timeout(PATIENCE, write).await {
            Ok(written) => written,
            Err(_) => Err(disk.failed(StoreError::Slow(PATIENCE))),
        }
    }

    /// Does this soon, if the disk can take it: for what can be had from the upstream again.
    pub fn note(&self, writes: Vec<Write>) {
        let Some(disk) = &self.0 else { return };
        let room = Arc::clone(&disk.room).try_acquire_many_owned(kibibytes(&writes));
        let resting = disk.rest.check().is_err();
        match room {
            Ok(room) if !resting => drop(disk.queue.send(Batch { writes, done: None, _room: room })),
            _ => disk.metrics.records_dropped.inc_by(writes.len() as u64),
        }
    }

    /// Waits until all that was noted is on the disk, or the disk has failed.
    pub async fn flush(&self) {
        let _told_by_the_thread = self.write(Vec::new()).await;
    }
}

impl Disk {
    fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        let (queue, batches) = mpsc::channel();
        let rest = Arc::new(Rest::default());
        let writer = Writer { store: Arc::clone(&store), rest: Arc::clone(&rest), metrics: metrics.clone() };
        let thread = std::thread::Builder::new().name("onetag-store".into());
        if let Err(error) = thread.spawn(move || writer.run(&batches)) {
            tracing::error!(%error, "nothing will be kept: there is no thread to write");
        }
        Self { store, queue, room: Arc::new(Semaphore::new(QUEUE_KIB)), rest, metrics }
    }

    fn failed(&self, error: StoreError) -> Failure {
        if !matches!(error, StoreError::Damaged(_)) {
            self.rest.begin();
        }
        self.metrics.store_errors.inc();
        Arc::new(error)
    }
}

/// The thread that writes.
struct Writer {
    store: Arc<dyn Store>,
    rest: Arc<Rest>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Writes until nobody is left who could send anything.
    fn run(&self, batches: &mpsc::Receiver<Batch>) {
        while let Ok(first) = batches.recv() {
            let mut bytes: usize = first.writes.iter().map(Write::weight).sum();
            let mut all = vec![first];
            while bytes < BATCH_BYTES
                && let Ok(next) = batches.try_recv()
            {
                bytes += next.writes.iter().map(Write::weight).sum::<usize>();
                all.push(next);
            }
            self.write(all);
        }
    }

    fn write(&self, batches: Vec<Batch>) {
        let (mut writes, mut waiting) = (Vec::new(), Vec::new());
        let mut rooms = Vec::with_capacity(batches.len());
        for batch in batches {
            writes.extend(batch.writes);
            waiting.extend(batch.done);
            rooms.push(batch._room);
        }
        let work = || if writes.is_empty() { Ok(()) } else { self.store.write(&writes) };
        // A database that panics over a damaged file must not end the thread.
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let written = written.unwrap_or(Err(StoreError::Lost)).map_err(Arc::new);
        if let Err(error) = &written {
            self.rest.begin();
            self.metrics.store_errors.inc();
            tracing::warn!(%error, records = writes.len(), "kept in memory only");
        }
        for done in waiting {
            // Who does not wait any more does not need to know.
            let _ = done.send(written.clone());
        }
    }
}

fn kibibytes(writes: &[Write]) -> u32 {
    let bytes: usize = writes.iter().map(Write::weight).sum();
    // What is larger than the queue has to fit as well.
    u32::try_from((bytes >> 10).clamp(1, QUEUE_KIB)).unwrap_or(u32::MAX)
}

/// Since when, and how long, a failing disk is left alone.
struct Rest {
    began: Instant,
    /// Milliseconds after `began`.
    until: AtomicU64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(0) }
    }
}

impl Rest {
    fn begin(&self) {
        self.until.store(self.millis() + millis(REST), Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), Failure> {
        let until = self.until.load(Ordering::Relaxed);
        if until > 0 && self.millis() < until { Err(Arc::new(StoreError::Resting)) } else { Ok(()) }
    }

    fn millis(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
