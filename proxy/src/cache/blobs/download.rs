//! The download of a blob into its file: one task, whatever the number of readers, and it waits for none.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use onetag_oci::{Digest, Hasher};
use tokio::task::spawn_blocking;
use tracing::Instrument;

use super::arrival::{Abandoned, Arrival, Progress, State};
use super::blobs::Blobs;
use super::directory::Temporary;
use super::evict::Reservation;
use super::feed::{BlobError, Feed, FeedBody, FeedError, Opened};
use super::verified::judge;

/// How many bytes are written at once, if as many are there.
const WRITE: u64 = 256 << 10;

/// The longest wait between two attempts to resume is this many times doubled.
const DOUBLINGS: u32 = 4;

pub(super) struct Download {
    pub(super) blobs: Arc<Blobs>,
    pub(super) digest: Digest,
    pub(super) arrival: Arc<Arrival>,
    pub(super) feed: Arc<dyn Feed>,
}

/// The state of a download whose file is open.
struct Receiving<'d> {
    download: &'d Download,
    temporary: Temporary,
    reservation: Reservation,
    total: Option<u64>,
    written: u64,
    /// Has seen what is written.
    hasher: Hasher,
    /// When bytes came last.
    last_byte: Option<Instant>,
    /// Failures in a row.
    failures: u32,
}

/// A file with the right content that is not in the cache yet.
struct Received {
    temporary: Temporary,
    reservation: Reservation,
}

impl Download {
    /// Begins, in a task of its own.
    pub(super) fn start(self) {
        let under_way = UnderWay::new(&self);
        let task = async move {
            self.run().await;
            drop(under_way);
        };
        tokio::spawn(task.in_current_span());
    }

    /// Downloads to the end, and keeps what is right.
    async fn run(&self) {
        let received = if self.blobs.settings.finish {
            self.receive().await
        } else {
            tokio::select! {
                received = self.receive() => received,
                () = self.deserted() => return,
            }
        };
        match received {
            Ok(received) => {
                self.tell(|progress| progress.state = State::Whole);
                self.keep(received).await;
            }
            Err(state) => {
                self.note(&state);
                // Whoever comes from now on starts anew.
                self.blobs.land(&self.digest, &self.arrival);
                self.tell(|progress| progress.state = state);
            }
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.arrival.progress.send_modify(change);
    }

    fn note(&self, state: &State) {
        if let State::Failed(error) = state {
            if error.is_wrong() {
                self.blobs.metrics.blobs_wrong.inc();
            }
            tracing::warn!(%error, digest = %self.digest, "a blob is not kept");
        }
    }

    /// Ends when the last reader has left, and then nobody finds the arrival any more.
    async fn deserted(&self) {
        loop {
            self.arrival.progress.closed().await;
            if self.blobs.land_deserted(&self.digest, &self.arrival) {
                return;
            }
        }
    }

    async fn receive(&self) -> Result<Received, State> {
        let opened = match self.feed.open(0).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Err(State::Absent),
            Err(error) => return Err(State::Failed(error.into())),
        };
        let (mut receiving, body) = self.prepare(opened).await?;
        receiving.receive(body).await?;
        let Receiving { temporary, reservation, hasher, .. } = receiving;
        judge(&self.digest, hasher).map_err(State::Failed)?;
        Ok(Received { temporary, reservation })
    }

    /// Makes room and a file; where that is not possible, readers get the open stream.
    async fn prepare(&self, opened: Opened) -> Result<(Receiving<'_>, FeedBody), State> {
        let total = opened.total;
        let Some(reservation) = self.blobs.reserve(total.unwrap_or(0)) else {
            return Err(self.abandoned(self.digest.hasher(), Some(opened)));
        };
        let blobs = Arc::clone(&self.blobs);
        let made = spawn_blocking(move || {
            blobs.make_room();
            blobs.directory.temporary()
        });
        match made.await.unwrap_or_else(|lost| Err(io::Error::other(lost))) {
            Err(error) => {
                self.blobs.disk_failed("no file for a blob can be made", &error);
                Err(self.abandoned(self.digest.hasher(), Some(opened)))
            }
            Ok(temporary) => {
                let file = Some(Arc::clone(&temporary.file));
                self.tell(|progress| *progress = Progress { total, written: 0, file, state: State::Flowing });
                let receiving = Receiving {
                    download: self,
                    temporary,
                    reservation,
                    total,
                    written: 0,
                    hasher: self.digest.hasher(),
                    last_byte: None,
                    failures: 0,
                };
                Ok((receiving, opened.body))
            }
        }
    }

    fn abandoned(&self, hasher: Hasher, opened: Option<Opened>) -> State {
        if let Some(total) = opened.as_ref().and_then(|opened| opened.total) {
            self.tell(|progress| progress.total = Some(total));
        }
        State::Abandoned(Arc::new(Abandoned { hasher, opened: Mutex::new(opened) }))
    }

    /// Moves the file to its place. The readers have it already: what fails here hurts none of them.
    async fn keep(&self, Received { temporary, reservation }: Received) {
        let (blobs, digest) = (Arc::clone(&self.blobs), self.digest.clone());
        let arrival = Arc::clone(&self.arrival);
        let kept = spawn_blocking(move || {
            match blobs.directory.keep(&temporary, &digest) {
                Ok(stamp) => {
                    drop(reservation);
                    blobs.moved_in(&digest, &arrival, stamp, &temporary.file);
                }
                Err(error) => blobs.disk_failed("a blob cannot be kept", &error),
            }
            blobs.make_room();
        });
        // A runtime that shuts down needs no cache any more.
        let _ = kept.await;
    }
}

impl Receiving<'_> {
    /// Receives to the end of the blob, over as many streams as it takes.
    async fn receive(&mut self, mut body: FeedBody) -> Result<(), State> {
        loop {
            let (pieces, end) = gather(&mut body).await;
            self.write(pieces).await?;
            if self.total == Some(self.written) {
                return Ok(());
            }
            match end {
                None => {}
                Some(Ok(())) => return self.ended().map_err(State::Failed),
                Some(Err(cut)) => body = self.resume(cut).await.map_err(State::Failed)?,
            }
        }
    }

    fn ended(&self) -> Result<(), BlobError> {
        match self.total {
            Some(said) => Err(BlobError::Length { said, found: self.written }),
            None => Ok(()),
        }
    }

    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<(), State> {
        let count: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if count == 0 {
            return Ok(());
        }
        let end = self.written + count;
        if let Some(said) = self.total.filter(|total| end > *total) {
            return Err(State::Failed(BlobError::Length { said, found: end }));
        }
        if !self.reservation.cover(end) {
            return Err(self.download.abandoned(self.hasher.clone(), None));
        }
        let (blobs, file) = (Arc::clone(&self.download.blobs), Arc::clone(&self.temporary.file));
        let (hasher, written) = (self.hasher.clone(), self.written);
        let work = move || write(&blobs, &file, &pieces, written, hasher);
        let (hasher, written, failed) =
            spawn_blocking(work).await.map_err(|_| State::Failed(BlobError::Lost))?;
        (self.hasher, self.written) = (hasher, written);
        (self.last_byte, self.failures) = (Some(Instant::now()), 0);
        self.download.tell(|progress| progress.written = written);
        match failed {
            None => Ok(()),
            Some(error) => {
                self.download.blobs.disk_failed("a blob cannot be written", &error);
                Err(self.download.abandoned(self.hasher.clone(), None))
            }
        }
    }

    /// Opens the rest after a cut, for as long as there is hope: bytes have come not long ago.
    async fn resume(&mut self, mut cut: FeedError) -> Result<FeedBody, BlobError> {
        let pace = &self.download.blobs.pace;
        loop {
            let hope = self.last_byte.is_some_and(|last| last.elapsed() < pace.patience);
            if !cut.transient || !hope {
                return Err(cut.into());
            }
            tracing::warn!(error = %cut, from = self.written, digest = %self.download.digest, "to be resumed");
            tokio::time::sleep(pace.first_wait * 2_u32.pow(self.failures.min(DOUBLINGS))).await;
            self.failures += 1;
            match self.download.feed.open(self.written).await {
                Ok(Some(opened)) => return self.same(opened),
                Ok(None) => return Err(BlobError::Gone),
                Err(error) => cut = error,
            }
        }
    }

    /// The rest must be of a blob of the same size.
    fn same(&self, opened: Opened) -> Result<FeedBody, BlobError> {
        match (self.total, opened.total) {
            (Some(said), Some(found)) if said != found => Err(BlobError::Length { said, found }),
            _ => Ok(opened.body),
        }
    }
}

/// Writes pieces one after another; what is written, by a hasher and in bytes, and what stopped it.
fn write(
    blobs: &Blobs,
    file: &File,
    pieces: &[Bytes],
    mut written: u64,
    mut hasher: Hasher,
) -> (Hasher, u64, Option<io::Error>) {
    for piece in pieces {
        if let Err(error) = (blobs.write)(file, piece, written) {
            return (hasher, written, Some(error));
        }
        hasher.update(piece);
        written += piece.len() as u64;
    }
    (hasher, written, None)
}

/// Waits for bytes and takes what else is there already; and how the stream ended, if it did.
async fn gather(body: &mut FeedBody) -> (Vec<Bytes>, Option<Result<(), FeedError>>) {
    let (mut pieces, mut count) = (Vec::new(), 0);
    let mut next = Some(body.frame().await);
    while let Some(frame) = next {
        match frame {
            None => return (pieces, Some(Ok(()))),
            Some(Err(error)) => return (pieces, Some(Err(error))),
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                count += data.len() as u64;
                pieces.push(data);
            }
        }
        next = if count < WRITE { body.frame().now_or_never() } else { None };
    }
    (pieces, None)
}

/// How patient the cache is.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The wait before the first attempt to resume; each further one waits twice as long.
    pub(super) first_wait: Duration,
    /// How long after the last byte there are attempts.
    pub(super) patience: Duration,
    /// For how long a disk that failed is left alone (threat T30).
    pub(super) after_failure: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(500),
            patience: Duration::from_mins(1),
            after_failure: Duration::from_secs(10),
        }
    }
}

/// Takes the arrival off the list however the download ends, also by a panic.
struct UnderWay {
    blobs: Arc<Blobs>,
    digest: Digest,
    arrival: Arc<Arrival>,
}

impl UnderWay {
    fn new(Download { blobs, digest, arrival, .. }: &Download) -> Self {
        blobs.metrics.blob_arrivals.inc();
        Self { blobs: Arc::clone(blobs), digest: digest.clone(), arrival: Arc::clone(arrival) }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.blobs.land(&self.digest, &self.arrival);
        self.blobs.metrics.blob_arrivals.dec();
    }
}
