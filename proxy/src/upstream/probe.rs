//! The probe of an upstream that is down.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use tokio::time::sleep;

use crate::telemetry::Metrics;

use super::ask::Ask;
use super::breaker::Breaker;
use super::error::UpstreamError;
use super::kind::ErrorKind;
use super::retry::jittered;
use super::transport::Transport;
use super::verdict;
use super::watch::Watch;

/// The wait after the first probe, before its jitter; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait between two probes, before its jitter: 15 s with it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A question that every registry answers, whoever asks.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) transport: Transport,
    pub(super) ask: Ask,
}

impl Probe {
    /// Asks until there is an answer, or the breaker is gone.
    pub(super) async fn run(self, metrics: Arc<Metrics>, breaker: Weak<Breaker>) {
        let next = || breaker.upgrade().map(|breaker| breaker.next_probe());
        while let Some(number) = next() {
            sleep(jittered(wait(number))).await;
            if breaker.strong_count() == 0 {
                return;
            }
            let result = self.once(&metrics).await;
            if let Some(breaker) = breaker.upgrade() {
                breaker.probed(result.as_ref().copied());
            }
            if result.is_ok() {
                return;
            }
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
            return Err(verdict::failure(&self.transport, response, Some(Box::default())).await);
        }
        self.transport.discard(response.into_body()).await;
        Ok(())
    }
}

/// The wait before a probe; the first is sent at once.
fn wait(number: u32) -> Duration {
    let Some(doublings) = number.checked_sub(1) else { return Duration::ZERO };
    FIRST_WAIT.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST_WAIT)
}

/// Whether an answer is the registry's own, be it a refusal or a fault of its code: 502 and above are what
/// stands in front of a registry that is not there.
fn is_life(response: &Response<Incoming>) -> bool {
    response.status().as_u16() < 502
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        let waits = [0, 1, 2, 6, 7, 32, 33, u32::MAX].map(|number| wait(number).as_millis());
        assert_eq!(waits, [0, 250, 500, 8_000, 10_000, 10_000, 10_000, 10_000]);
    }
}
