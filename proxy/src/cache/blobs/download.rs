//! The download of a blob into its file: one task, whatever the number of readers, and it waits for none.

use std::sync::{Arc, Mutex};

use onetag_oci::{Digest, Hasher};
use tracing::Instrument;

use super::arrival::{Abandoned, Arrival, Progress, State};
use super::cache::Blobs;
use super::feed::{Feed, FeedBody, Opened};
use super::keep::Received;
use super::rate::Rate;
use super::receive::Receiving;
use super::verified::judge;

pub(super) struct Download {
    pub(super) blobs: Arc<Blobs>,
    pub(super) digest: Digest,
    pub(super) arrival: Arc<Arrival>,
    pub(super) feed: Arc<dyn Feed>,
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

    pub(super) fn tell(&self, change: impl FnOnce(&mut Progress)) {
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
        match self.blobs.disk.run(move || blobs.directory.temporary()).await {
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
                    rate: Rate::over(self.blobs.pace.window),
                };
                Ok((receiving, opened.body))
            }
        }
    }

    pub(super) fn abandoned(&self, hasher: Hasher, opened: Option<Opened>) -> State {
        if let Some(total) = opened.as_ref().and_then(|opened| opened.total) {
            self.tell(|progress| progress.total = Some(total));
        }
        State::Abandoned(Arc::new(Abandoned { hasher, opened: Mutex::new(opened) }))
    }

    /// Moves the file to its place. The readers have it already: what fails here hurts none of them.
    async fn keep(&self, received: Received) {
        let (blobs, digest) = (Arc::clone(&self.blobs), self.digest.clone());
        let arrival = Arc::clone(&self.arrival);
        let kept = self.blobs.disk.run_keeping(move || blobs.keep(received, &digest, &arrival));
        match kept.await {
            Ok(()) => self.blobs.disk.works(),
            Err(error) => self.blobs.disk_failed("a blob cannot be kept", &error),
        }
        if let Err(error) = self.blobs.make_room().await {
            self.blobs.disk_failed("a blob cannot be removed", &error);
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
