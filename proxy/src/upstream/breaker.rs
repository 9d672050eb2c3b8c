//! An upstream that is down is asked by nobody but one probe, until it answers again.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::telemetry::Metrics;

use super::error::UpstreamError;
use super::kind::ErrorKind;
use super::probe::Probe;
use super::throttle::Throttle;

/// So many outages in a row open the breaker.
pub(super) const OUTAGES: u32 = 10;

/// The breaker is open, until the probe is answered.
const OPEN: u32 = OUTAGES;

/// The probe is answered; the next request may go out to see whether it is the registry that answers.
const HALF_OPEN: u32 = OUTAGES + 1;

/// That request is under way.
const TRIED: u32 = OUTAGES + 2;

/// How long a request waits for the outcome of the one that tries.
const PATIENCE: Duration = Duration::from_secs(1);

/// The least time between two warnings that the upstream is down.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Counts outages in a row. While it is open, nothing goes out but the probe; then one request may try, and
/// an answer to that closes the breaker. The probe alone is not believed: something that stands in front of
/// a registry may answer it while the registry is down.
pub(super) struct Breaker {
    /// Outages in a row below [`OUTAGES`], else one of the three states above.
    state: AtomicU32,
    /// The last outage, for those that want to know why.
    last: Mutex<Option<UpstreamError>>,
    /// Told whenever a trial is over.
    trials: watch::Sender<()>,
    /// The time between probes grows until something else is answered.
    probes: AtomicU32,
    probe: Probe,
    metrics: Arc<Metrics>,
    told: Throttle,
    /// Whether the log says that the upstream is down.
    is_told: AtomicBool,
}

/// The failure that an open breaker saw last.
#[derive(Debug)]
pub struct Last(Option<UpstreamError>);

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |error| write!(f, " ({})", error.kind()))
    }
}

/// The leave to be the one that tries. If it is dropped before the outcome is known, another one may.
pub(super) struct Trial<'b>(&'b Breaker);

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.0.turn(TRIED, HALF_OPEN) {
            self.0.trials.send_replace(());
        }
    }
}

impl Breaker {
    pub(super) fn new(probe: Probe, metrics: Arc<Metrics>) -> Self {
        Self {
            state: AtomicU32::new(0),
            last: Mutex::default(),
            trials: watch::Sender::new(()),
            probes: AtomicU32::new(0),
            probe,
            metrics,
            told: Throttle::new(TOLD_EVERY),
            is_told: AtomicBool::new(false),
        }
    }

    /// Fails while nothing may go out.
    pub(super) fn look(&self) -> Result<(), ErrorKind> {
        if self.state() == OPEN { Err(self.refusal()) } else { Ok(()) }
    }

    /// Waits until a request may go out, but not for long. The trial is for as long as the request lasts.
    pub(super) async fn admit(&self) -> Result<Option<Trial<'_>>, ErrorKind> {
        if self.state() < OUTAGES {
            return Ok(None);
        }
        timeout(PATIENCE, self.admit_after_trial()).await.unwrap_or_else(|_| Err(self.refusal()))
    }

    async fn admit_after_trial(&self) -> Result<Option<Trial<'_>>, ErrorKind> {
        let mut trials = self.trials.subscribe();
        loop {
            match self.state() {
                OPEN => return Err(self.refusal()),
                HALF_OPEN if self.turn(HALF_OPEN, TRIED) => return Ok(Some(Trial(self))),
                HALF_OPEN => {}
                // The sender is here: it is not gone.
                TRIED => trials.changed().await.unwrap_or_default(),
                _ => return Ok(None),
            }
        }
    }

    /// The upstream answered, whatever it said.
    pub(super) fn answered(&self) {
        // The usual case is a look and no write: the others would have to fetch the line again.
        if self.state() == 0 {
            return;
        }
        let close = |state| (state != OPEN).then_some(0);
        let before = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, close);
        if before.is_ok_and(|state| state > OPEN) {
            self.probes.store(0, Ordering::Relaxed);
            self.trials.send_replace(());
            if self.is_told.swap(false, Ordering::Relaxed) {
                info!("the upstream answers again");
            }
        }
    }

    /// The upstream did not answer. One caller sees the last outage that it takes, and opens.
    pub(super) fn failed(self: &Arc<Self>, error: &UpstreamError) {
        self.note(error);
        let count = |state| match state {
            OPEN => None,
            HALF_OPEN | TRIED => Some(OPEN),
            outages => Some(outages + 1),
        };
        let before = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
        if before.is_ok_and(|state| state + 1 >= OUTAGES) {
            self.open(error);
        }
    }

    fn open(self: &Arc<Self>, error: &UpstreamError) {
        self.metrics.upstream_open.inc();
        self.metrics.upstream_openings.inc();
        self.tell(error);
        self.trials.send_replace(());
        tokio::spawn(self.probe.clone().run(Arc::clone(&self.metrics), Arc::downgrade(self)));
    }

    /// Which probe is next; the first after an answer is 0.
    pub(super) fn next_probe(&self) -> u32 {
        self.probes.fetch_add(1, Ordering::Relaxed)
    }

    /// What came of a probe. After an answer there is no further one.
    pub(super) fn probed(&self, result: Result<(), &UpstreamError>) {
        match result {
            Ok(()) if self.turn(OPEN, HALF_OPEN) => self.metrics.upstream_open.dec(),
            Ok(()) => {}
            Err(error) => {
                self.note(error);
                if !self.is_told.load(Ordering::Relaxed) {
                    self.tell(error);
                }
            }
        }
    }

    /// An upstream that comes and goes must not fill the log.
    fn tell(&self, error: &UpstreamError) {
        if self.told.pass().is_some() {
            self.is_told.store(true, Ordering::Relaxed);
            let openings = self.metrics.upstream_openings.get();
            warn!(%error, openings, "the upstream is down: it is probed, and asked nothing else");
        }
    }

    fn refusal(&self) -> ErrorKind {
        ErrorKind::Open { outages: OUTAGES, last: Last(self.last().clone()) }
    }

    fn note(&self, error: &UpstreamError) {
        *self.last() = Some(error.clone());
    }

    fn last(&self) -> MutexGuard<'_, Option<UpstreamError>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> u32 {
        self.state.load(Ordering::Relaxed)
    }

    /// Turns one state into another, if it is that.
    fn turn(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if self.state() == OPEN {
            self.metrics.upstream_open.dec();
        }
    }
}
