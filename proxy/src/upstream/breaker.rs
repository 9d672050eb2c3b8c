//! An upstream that is down is asked by nobody but one probe, until it answers again.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::telemetry::Metrics;

use super::ask::Ask;
use super::error::UpstreamError;
use super::kind::ErrorKind;
use super::retry::jittered;
use super::transport::Transport;
use super::verdict;
use super::watch::Watch;

/// So many outages in a row open the breaker.
pub(super) const OUTAGES: u32 = 10;

/// The wait after the first probe, before its jitter; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait between two probes, before its jitter: 15 s with it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Counts outages in a row. While it is open, nothing goes out but the probe.
pub(super) struct Breaker {
    /// Outages in a row; the breaker is open from [`OUTAGES`] on, and stays there until it closes.
    outages: AtomicU32,
    /// The last of them, for those that want to know why.
    last: Mutex<Option<UpstreamError>>,
    probe: Probe,
    metrics: Arc<Metrics>,
    /// The probing ends when this is dropped.
    alive: watch::Sender<()>,
}

/// The failure that an open breaker saw last.
#[derive(Debug)]
pub struct Last(Option<UpstreamError>);

impl fmt::Display for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |error| write!(f, " ({})", error.kind()))
    }
}

/// A question that every registry answers, whoever asks.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) transport: Transport,
    pub(super) ask: Ask,
}

impl Breaker {
    pub(super) fn new(probe: Probe, metrics: Arc<Metrics>) -> Self {
        Self {
            outages: AtomicU32::new(0),
            last: Mutex::default(),
            probe,
            metrics,
            alive: watch::Sender::new(()),
        }
    }

    /// Whether anything may go out now.
    pub(super) fn admit(&self) -> Result<(), ErrorKind> {
        match self.outages.load(Ordering::Relaxed) {
            OUTAGES.. => Err(ErrorKind::Open { outages: OUTAGES, last: Last(self.last().clone()) }),
            _ => Ok(()),
        }
    }

    /// The upstream answered, whatever it said.
    pub(super) fn answered(&self) {
        // The usual case is a look and no write: the others would have to fetch the line again.
        if self.outages.load(Ordering::Relaxed) != 0 {
            let reset = |outages| (outages < OUTAGES).then_some(0);
            let _open = self.outages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reset);
        }
    }

    /// The upstream did not answer. One caller sees the last outage that it takes, and opens.
    pub(super) fn failed(self: &Arc<Self>, error: &UpstreamError) {
        self.note(error);
        let count = |outages| (outages < OUTAGES).then_some(outages + 1);
        let before = self.outages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
        if before == Ok(OUTAGES - 1) {
            self.open(error);
        }
    }

    fn open(self: &Arc<Self>, error: &UpstreamError) {
        warn!(%error, outages = OUTAGES, "the upstream is down: it is probed, and asked nothing else");
        self.metrics.upstream_open.inc();
        self.metrics.upstream_openings.inc();
        let (probe, metrics) = (self.probe.clone(), Arc::clone(&self.metrics));
        let (breaker, mut gone) = (Arc::downgrade(self), self.alive.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = probe.run(&metrics, &breaker) => {}
                _ = gone.changed() => {}
            }
            if let Some(breaker) = breaker.upgrade() {
                breaker.close();
                info!("the upstream answers again");
            }
        });
    }

    fn note(&self, error: &UpstreamError) {
        *self.last() = Some(error.clone());
    }

    fn last(&self) -> MutexGuard<'_, Option<UpstreamError>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        if self.outages.swap(0, Ordering::Relaxed) >= OUTAGES {
            self.metrics.upstream_open.dec();
        }
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        self.close();
    }
}

impl Probe {
    /// Asks until there is an answer, the first time at once.
    async fn run(&self, metrics: &Metrics, breaker: &Weak<Breaker>) {
        let mut wait = FIRST_WAIT;
        while let Err(error) = self.once(metrics).await {
            if let Some(breaker) = breaker.upgrade() {
                breaker.note(&error);
            }
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn once(&self, metrics: &Metrics) -> Result<(), UpstreamError> {
        let mut watch = Watch::start(metrics, self.ask.kind);
        let result = self.send(&mut watch).await.map_err(|kind| self.ask.failed(&self.ask.uri, kind));
        watch.stop(result.as_ref().err());
        result
    }

    async fn send(&self, watch: &mut Watch<'_>) -> Result<(), ErrorKind> {
        let response = self.transport.send(self.ask.request(&self.ask.uri, None)).await?;
        watch.headers();
        if !is_life(&response) {
            return Err(verdict::failure(&self.transport, response, true).await);
        }
        self.transport.discard(response.into_body()).await;
        Ok(())
    }
}

/// Whether an answer is the registry's own, be it a refusal or a fault of its code: 502 and above are what
/// stands in front of a registry that is not there.
fn is_life(response: &Response<Incoming>) -> bool {
    response.status().as_u16() < 502
}
