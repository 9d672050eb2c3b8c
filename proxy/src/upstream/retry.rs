//! Which failures are ridden out (wire rule 7).

use std::time::Duration;

use tracing::warn;

use super::error::UpstreamError;
use super::health::is_gateways;
use super::kind::ErrorKind;
use super::throttle::Throttle;

/// The most attempts at a request.
const MAX_ATTEMPTS: usize = 3;

/// The waits after one, two, three failures in a row; after more, nothing helps. A stream that was cut
/// has all three, since its own failure is the first.
const WAITS: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// The longest that an upstream may ask to be left alone for the request to wait.
const LONGEST: Duration = Duration::from_secs(2);

/// The least time between two warnings that something is tried again.
pub(super) const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Counts the attempts at one request.
pub(super) struct Retry<'a> {
    failed: usize,
    told: &'a Throttle,
}

impl<'a> Retry<'a> {
    /// No attempt yet. Not more is told of them than this lets through.
    pub(super) fn new(told: &'a Throttle) -> Self {
        Self { failed: 0, told }
    }

    /// Waits until another attempt makes sense, or gives the error back when none does.
    pub(super) async fn pause(&mut self, error: UpstreamError) -> Result<(), UpstreamError> {
        let Some(wait) = wait(&error, self.failed).filter(|_| self.failed + 1 < MAX_ATTEMPTS) else {
            return Err(error);
        };
        self.failed += 1;
        // An outage fails hundreds of requests in a second, and says the same of each.
        if let Some(untold) = self.told.pass() {
            warn!(%error, attempt = self.failed, wait_ms = wait.as_millis(), untold, "asking the upstream again");
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// How long to wait after a failure that `earlier` ones in a row came before; `None` when asking again
/// is no use. A timeout is not repeated: it has already taken long.
pub(super) fn wait(error: &UpstreamError, earlier: usize) -> Option<Duration> {
    let usual = jittered(*WAITS.get(earlier)?);
    match error.kind() {
        ErrorKind::Connect(_) | ErrorKind::Broken(_) => Some(usual),
        ErrorKind::Status { status, .. } if is_gateways(*status) => match error.retry_after() {
            Some(wanted) => Some(wanted.max(usual)).filter(|_| wanted <= LONGEST),
            None => Some(usual),
        },
        // Without a word on when, the limit may last for hours.
        ErrorKind::Limited { retry_after: Some(wanted), .. } if *wanted <= LONGEST => {
            Some(usual.max(*wanted))
        }
        _ => None,
    }
}

/// Up to half as long again, so that callers that failed together do not come back together.
pub(super) fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness there is no jitter, and nothing worse.
    let _unchanged = aws_lc_rs::rand::fill(&mut byte);
    wait + wait * u32::from(byte[0]) / 512
}
