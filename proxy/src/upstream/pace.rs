//! How fast a client must take what it asked for, or give what it sends (threat T24).

use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// The least that is taken in a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Bytes that must be taken in each window.
    pub(super) least: u64,
    /// How often it is looked at.
    pub(super) window: Duration,
    /// The longest wait for the upstream. Its own timers end it sooner, as long as somebody polls them.
    pub(super) longest_wait: Duration,
}

impl Pace {
    /// 64 KiB a minute, of a body that may stand still for this long.
    pub(super) fn new(idle_timeout: Duration) -> Self {
        let window = Duration::from_mins(1);
        Self { least: 64 << 10, window, longest_wait: idle_timeout + 10 * window }
    }
}

/// What is taken of a stream. The time in which the upstream owes bytes is not the client's.
pub(super) struct Meter {
    /// When this window began.
    began: Instant,
    /// Bytes in this window.
    taken: u64,
    /// Bytes that were taken before they had to be, of one window at most: small ones come in lumps.
    ahead: u64,
    /// How much of this window the upstream took, up to its last bytes.
    waited: Duration,
    /// Since when it is waited for.
    waiting: Option<Instant>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), taken: 0, ahead: 0, waited: Duration::ZERO, waiting: None }
    }

    /// Notes what a poll gave.
    pub(super) fn note<E>(&mut self, next: &Poll<Option<Result<Bytes, E>>>) {
        match next {
            Poll::Pending => {
                self.waiting.get_or_insert_with(Instant::now);
            }
            Poll::Ready(next) => {
                self.waited += self.open_wait();
                self.waiting = None;
                let bytes = next.as_ref().and_then(|next| next.as_ref().ok());
                self.taken += bytes.map_or(0, |bytes| bytes.len() as u64);
            }
        }
    }

    /// Whether too little was taken in the window that ends now; then the next one begins.
    pub(super) fn is_too_slow(&mut self, pace: &Pace) -> bool {
        let own = self.began.elapsed().saturating_sub(self.waited + self.open_wait());
        let due = due(pace, own);
        let had = self.ahead + self.taken;
        let stands_still = self.taken == 0 && due > pace.least / 2;
        let forsaken = self.waiting.is_some_and(|since| since.elapsed() > pace.longest_wait);
        let ahead = had.saturating_sub(due).min(pace.least);
        *self = Self { ahead, waiting: self.waiting, ..Self::new() };
        had < due || stands_still || forsaken
    }

    /// How long it is waited for now, as far as it is in this window.
    fn open_wait(&self) -> Duration {
        self.waiting.map_or(Duration::ZERO, |since| since.max(self.began).elapsed())
    }
}

/// What must be taken in so much time.
fn due(pace: &Pace, time: Duration) -> u64 {
    let due = u128::from(pace.least) * time.min(pace.window).as_micros() / pace.window.as_micros();
    u64::try_from(due).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const PACE: Pace =
        Pace { least: 1_000, window: Duration::from_millis(60), longest_wait: Duration::from_millis(200) };

    type Next = Poll<Option<Result<Bytes, ()>>>;

    fn bytes(count: usize) -> Next {
        Poll::Ready(Some(Ok(Bytes::from(vec![7; count]))))
    }

    /// Whether a client that takes these bytes, each count in a window, is too slow in that window.
    async fn verdicts<const N: usize>(counts: [usize; N]) -> [bool; N] {
        let mut meter = Meter::new();
        let mut verdicts = [false; N];
        for (count, verdict) in counts.into_iter().zip(&mut verdicts) {
            if count > 0 {
                meter.note(&bytes(count));
            }
            sleep(PACE.window).await;
            *verdict = meter.is_too_slow(&PACE);
        }
        verdicts
    }

    #[tokio::test]
    async fn who_takes_the_least_on_average_is_not_too_slow() {
        assert_eq!(verdicts([1_000, 1_000, 1_000]).await, [false; 3]);
        assert_eq!(verdicts([1_900, 100, 1_900, 100]).await, [false; 4]);
    }

    #[tokio::test]
    async fn who_takes_less_is_too_slow_however_much_it_took_before() {
        assert_eq!(verdicts([900]).await, [true]);
        assert_eq!(verdicts([1_000_000, 0]).await, [false, true]);
        assert_eq!(verdicts([1_000_000, 1, 1]).await, [false, false, true]);
    }

    #[tokio::test]
    async fn a_wait_for_the_upstream_is_not_the_clients_but_ends_too() {
        let mut meter = Meter::new();
        meter.note(&Next::Pending);
        for _ in 0..2 {
            sleep(PACE.window).await;
            assert!(!meter.is_too_slow(&PACE));
        }
        meter.note(&bytes(500));
        meter.note(&Next::Pending);
        sleep(PACE.window).await;
        assert!(!meter.is_too_slow(&PACE));
        sleep(PACE.longest_wait).await;
        assert!(meter.is_too_slow(&PACE));
    }
}
