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

/// How many threads may wait for the disk.
const THREADS: usize = 32;

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
    /// Apart from each other: a disk that is full can be read.
    reads: Rest,
    writes: Arc<Rest>,
    losses: Arc<AtomicU64>,
    /// One for each thread that may wait for the disk: one that hangs must not take all threads there are.
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// Why a record cannot be had; all callers of one piece of work share it.
pub type Failure = Arc<StoreError>;

struct Batch {
    writes: Vec<Write>,
    done: Option<oneshot::Sender<Result<(), Failure>>>,
    /// Its place in the queue, until it is written.
    room: OwnedSemaphorePermit,
}

impl Records {
    /// The records in `store`, with the stamp that goes with all that is kept; none are kept without one.
    pub fn new(store: Option<(Arc<dyn Store>, Vec<Write>)>, metrics: &Arc<Metrics>) -> Self {
        Self(store.map(|(store, stamp)| Disk::new(store, stamp, Arc::clone(metrics))))
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
        disk.run(&disk.reads, work).await
    }

    /// Removes some of what was not used since `before`, in seconds of the Unix epoch; how many records those were,
    /// none at the end. It takes its time: that is no failure of the disk.
    pub async fn prune(&self, before: u64) -> Result<usize, Failure> {
        let Some(disk) = &self.0 else { return Ok(0) };
        let store = Arc::clone(&disk.store);
        let pruned = tokio::task::spawn_blocking(move || store.prune(before)).await;
        pruned.unwrap_or(Err(StoreError::Lost)).map_err(Arc::new)
    }

    /// Does all of this or nothing; when it returns, it is on the disk. One transaction does the work of
    /// all that wait.
    pub async fn write(&self, writes: Vec<Write>) -> Result<(), Failure> {
        let Some(disk) = &self.0 else { return Ok(()) };
        disk.writes.check()?;
        let (done, written) = oneshot::channel();
        let write = async {
            let room = Arc::clone(&disk.room).acquire_many_owned(kibibytes(&writes)).await;
            // The semaphore is never closed, and the thread lives as long as its queue.
            let room = room.map_err(|_| Arc::new(StoreError::Lost))?;
            let batch = Batch { writes, done: Some(done), room };
            disk.queue.send(batch).map_err(|_| Arc::new(StoreError::Lost))?;
            written.await.unwrap_or_else(|_| Err(Arc::new(StoreError::Lost)))
        };
        match tokio::time::timeout(PATIENCE, write).await {
            Ok(written) => written,
            Err(_) => Err(disk.failed(StoreError::Slow(PATIENCE), &disk.writes)),
        }
    }

    /// Does this soon, if the disk can take it: for what can be had from the upstream again.
    pub fn note(&self, writes: Vec<Write>) {
        let Some(disk) = &self.0 else { return };
        let room = Arc::clone(&disk.room).try_acquire_many_owned(kibibytes(&writes));
        let resting = disk.writes.check().is_err();
        match room {
            Ok(room) if !resting => drop(disk.queue.send(Batch { writes, done: None, room })),
            _ => {
                disk.losses.fetch_add(1, Ordering::Relaxed);
                disk.metrics.records_dropped.inc_by(writes.len() as u64);
            }
        }
    }

    /// How often something that was noted was lost, because the disk failed or could not keep up: what was noted
    /// before is to be noted again.
    pub fn losses(&self) -> u64 {
        self.0.as_ref().map_or(0, |disk| disk.losses.load(Ordering::Relaxed) + disk.store.lost())
    }

    /// How many bytes wait to be written, about.
    pub fn queued(&self) -> u64 {
        let free = |disk: &Disk| disk.room.available_permits();
        self.0.as_ref().map_or(0, |disk| QUEUE_KIB.saturating_sub(free(disk)) as u64 * 1024)
    }

    /// Waits until all that was noted is on the disk, or the disk has failed.
    pub async fn flush(&self) {
        let _told_by_the_thread = self.write(Vec::new()).await;
    }
}

impl Disk {
    fn new(store: Arc<dyn Store>, stamp: Vec<Write>, metrics: Arc<Metrics>) -> Self {
        let (queue, batches) = mpsc::channel();
        let (writes, losses) = (Arc::new(Rest::default()), Arc::<AtomicU64>::default());
        let work = Writer {
            store: Arc::clone(&store),
            rest: Arc::clone(&writes),
            losses: Arc::clone(&losses),
            metrics: Arc::clone(&metrics),
        };
        let thread = std::thread::Builder::new().name("onetag-store".into());
        if let Err(error) = thread.spawn(move || work.run(&batches, &stamp)) {
            tracing::error!(%error, "nothing will be kept: there is no thread to write");
        }
        Self {
            store,
            queue,
            room: Arc::new(Semaphore::new(QUEUE_KIB)),
            reads: Rest::default(),
            writes,
            losses,
            places: Arc::new(Semaphore::new(THREADS)),
            metrics,
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        rest: &Rest,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        rest.check()?;
        let (store, places) = (Arc::clone(&self.store), Arc::clone(&self.places));
        let task = async move {
            let place = places.acquire_owned().await;
            let task = tokio::task::spawn_blocking(move || {
                let _place = place;
                work(&*store)
            });
            task.await
        };
        let done = match tokio::time::timeout(PATIENCE, task).await {
            Ok(done) => done.unwrap_or(Err(StoreError::Lost)),
            Err(_) => Err(StoreError::Slow(PATIENCE)),
        };
        done.map_err(|error| self.failed(error, rest))
    }

    fn failed(&self, error: StoreError, rest: &Rest) -> Failure {
        match error {
            StoreError::Damaged(_) => {}
            // What hangs does so for all.
            StoreError::Slow(_) => {
                self.reads.begin();
                self.writes.begin();
            }
            _ => rest.begin(),
        }
        self.metrics.store_errors.inc();
        Arc::new(error)
    }
}

/// The thread that writes.
struct Writer {
    store: Arc<dyn Store>,
    rest: Arc<Rest>,
    losses: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Writes until nobody is left who could send anything; each time with the stamp, since the store may be begun
    /// anew at any time.
    fn run(&self, batches: &mpsc::Receiver<Batch>, stamp: &[Write]) {
        while let Ok(first) = batches.recv() {
            let mut bytes: usize = first.writes.iter().map(Write::weight).sum();
            let mut all = vec![first];
            while bytes < BATCH_BYTES
                && let Ok(next) = batches.try_recv()
            {
                bytes += next.writes.iter().map(Write::weight).sum::<usize>();
                all.push(next);
            }
            self.write(all, stamp);
        }
    }

    fn write(&self, batches: Vec<Batch>, stamp: &[Write]) {
        let (mut writes, mut waiting) = (stamp.to_vec(), Vec::new());
        let mut rooms = Vec::with_capacity(batches.len());
        for batch in batches {
            writes.extend(batch.writes);
            waiting.extend(batch.done);
            rooms.push(batch.room);
        }
        let is_empty = writes.len() == stamp.len();
        let work = || if is_empty { Ok(()) } else { self.store.write(&writes) };
        // A database that panics over a damaged file must not end the thread.
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let written = written.unwrap_or(Err(StoreError::Lost)).map_err(Arc::new);
        if let Err(error) = &written {
            self.rest.begin();
            self.losses.fetch_add(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use bytes::Bytes;

    use super::*;

    /// A store in memory that counts its transactions and fails or hangs on demand.
    #[derive(Default)]
    struct Scripted {
        written: Mutex<Vec<Write>>,
        transactions: AtomicUsize,
        looked: AtomicUsize,
        fails: Mutex<Option<fn() -> StoreError>>,
        takes: Mutex<Duration>,
    }

    impl Scripted {
        fn done<T>(&self, value: T) -> Result<T, StoreError> {
            std::thread::sleep(*self.takes.lock().unwrap());
            self.fails.lock().unwrap().map_or(Ok(value), |fail| Err(fail()))
        }
    }

    impl Store for Scripted {
        fn get(&self, _: Table, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.looked.fetch_add(1, Ordering::SeqCst);
            self.done(Some(Vec::new()))
        }

        fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
            self.transactions.fetch_add(1, Ordering::SeqCst);
            self.done(())?;
            self.written.lock().unwrap().extend_from_slice(writes);
            Ok(())
        }

        fn keys(&self, _: Table, _: &str, _: usize) -> Result<Vec<String>, StoreError> {
            self.done(Vec::new())
        }

        fn lost(&self) -> u64 {
            0
        }

        fn is_crowded(&self) -> Result<bool, StoreError> {
            self.done(false)
        }

        fn prune(&self, _: u64) -> Result<usize, StoreError> {
            self.done(0)
        }
    }

    fn records(store: &Arc<Scripted>) -> (Arc<Records>, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new().unwrap());
        let store: Arc<dyn Store> = Arc::clone(store) as _;
        (Arc::new(Records::new(Some((store, Vec::new())), &metrics)), metrics)
    }

    fn put(key: &str) -> Vec<Write> {
        vec![Write::Put(Table::Tags, key.into(), Bytes::from_static(b"value"))]
    }

    #[tokio::test]
    async fn many_writes_that_wait_are_one_transaction() {
        let store = Arc::new(Scripted::default());
        *store.takes.lock().unwrap() = Duration::from_millis(50);
        let (records, _) = records(&store);
        let writes: Vec<_> = (0..100)
            .map(|n| {
                let records = Arc::clone(&records);
                tokio::spawn(async move { records.write(put(&n.to_string())).await })
            })
            .collect();
        for write in writes {
            write.await.unwrap().unwrap();
        }
        assert_eq!(store.written.lock().unwrap().len(), 100);
        let transactions = store.transactions.load(Ordering::SeqCst);
        assert!(transactions < 10, "{transactions}");
    }

    #[tokio::test]
    async fn what_was_noted_is_there_after_a_flush() {
        let store = Arc::new(Scripted::default());
        let (records, metrics) = records(&store);
        for n in 0..50 {
            records.note(put(&n.to_string()));
        }
        records.flush().await;
        assert_eq!(store.written.lock().unwrap().len(), 50);
        assert_eq!(metrics.records_dropped.get(), 0);
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_told_once_and_then_left_alone_for_a_while() {
        let store = Arc::new(Scripted::default());
        *store.fails.lock().unwrap() = Some(|| StoreError::Lost);
        let (records, metrics) = records(&store);
        assert!(matches!(*records.get(Table::Tags, "a".into()).await.unwrap_err(), StoreError::Lost));
        assert!(matches!(*records.write(put("a")).await.unwrap_err(), StoreError::Lost));
        assert!(matches!(*records.write(put("a")).await.unwrap_err(), StoreError::Resting));
        assert!(matches!(*records.get(Table::Tags, "a".into()).await.unwrap_err(), StoreError::Resting));
        records.note(put("b"));
        assert_eq!((store.looked.load(Ordering::SeqCst), metrics.records_dropped.get()), (1, 1));
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_can_be_read() {
        let store = Arc::new(Scripted::default());
        *store.fails.lock().unwrap() = Some(|| StoreError::Lost);
        let (records, _) = records(&store);
        assert!(records.write(put("a")).await.is_err() && records.prune(0).await.is_err());
        *store.fails.lock().unwrap() = None;
        assert!(matches!(*records.write(put("a")).await.unwrap_err(), StoreError::Resting));
        assert_eq!(records.get(Table::Tags, "a".into()).await.unwrap(), Some(Vec::new()));
    }

    #[tokio::test]
    async fn damage_of_one_record_is_no_failure_of_the_disk() {
        let store = Arc::new(Scripted::default());
        *store.fails.lock().unwrap() = Some(|| StoreError::Damaged("it".into()));
        let (records, _) = records(&store);
        assert!(records.get(Table::Tags, "a".into()).await.is_err());
        *store.fails.lock().unwrap() = None;
        assert_eq!(records.get(Table::Tags, "a".into()).await.unwrap(), Some(Vec::new()));
    }

    #[tokio::test]
    async fn a_disk_that_hangs_costs_its_patience_once() {
        let store = Arc::new(Scripted::default());
        *store.takes.lock().unwrap() = PATIENCE + Duration::from_secs(1);
        let (records, _) = records(&store);
        let begin = Instant::now();
        assert!(matches!(*records.get(Table::Tags, "a".into()).await.unwrap_err(), StoreError::Slow(_)));
        for _ in 0..100 {
            assert!(records.get(Table::Tags, "a".into()).await.is_err());
            assert!(records.write(put("a")).await.is_err());
        }
        assert!(begin.elapsed() < PATIENCE * 2, "{:?}", begin.elapsed());
    }

    #[tokio::test]
    async fn without_a_data_directory_nothing_is_kept_and_nothing_fails() {
        let records = Records::new(None, &Arc::new(Metrics::new().unwrap()));
        records.note(put("a"));
        records.write(put("a")).await.unwrap();
        assert_eq!(records.get(Table::Tags, "a".into()).await.unwrap(), None);
    }
}
