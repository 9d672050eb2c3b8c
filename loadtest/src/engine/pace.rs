//! When requests are due.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Timers of the runtime are up to two milliseconds late; what is due sooner is waited for on the core itself.
const TIMER: Duration = Duration::from_micros(2_200);

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// A closed loop: the next one as soon as one is answered.
    Maximum,
    /// An open loop: so many a second, whatever the answers do. What has to wait for a place under way counts
    /// from when it was due.
    Rate(f64),
}

/// The requests of one thread: every `threads`-th number.
pub(super) struct Arrivals {
    pace: Pace,
    begin: Instant,
    next: Cell<u64>,
    step: u64,
}

impl Arrivals {
    pub(super) fn new(pace: Pace, begin: Instant, thread: usize, threads: usize) -> Self {
        Self { pace, begin, next: Cell::new(thread as u64), step: threads as u64 }
    }

    /// The numbers that were due before `end` and that nobody has taken, without waiting; none in a closed loop.
    pub(super) fn left(&self, end: Instant) -> impl Iterator<Item = (u64, Instant)> {
        std::iter::from_fn(move || {
            let Pace::Rate(rate) = self.pace else { return None };
            let number = self.next.get();
            let due = self.due(number, rate);
            (due < end).then(|| self.next.set(number + self.step)).map(|()| (number, due))
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 requests are out of reach")]
    fn due(&self, number: u64, rate: f64) -> Instant {
        self.begin + Duration::from_secs_f64(number as f64 / rate)
    }

    /// Waits for the next request: its number and when it was due; none from `end` on.
    pub(super) async fn next(&self, end: Instant) -> Option<(u64, Instant)> {
        let number = self.next.get();
        self.next.set(number + self.step);
        let Pace::Rate(rate) = self.pace else {
            if self.begin > Instant::now() {
                tokio::time::sleep_until(self.begin.into()).await;
            }
            let now = Instant::now();
            return (now < end).then_some((number, now));
        };
        let due = self.due(number, rate);
        if due >= end {
            return None;
        }
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some((number, due));
            }
            if left > TIMER {
                tokio::time::sleep(left.saturating_sub(TIMER)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rate_is_kept_whenever_it_is_asked_for() {
        let begin = Instant::now();
        let arrivals = Arrivals::new(Pace::Rate(1_000.0), begin, 1, 2);
        let end = begin + Duration::from_millis(40);
        let (number, due) = arrivals.next(end).await.unwrap();
        assert_eq!((number, due), (1, begin + Duration::from_millis(1)));
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(
            arrivals.next(end).await.unwrap(),
            (3, begin + Duration::from_millis(3)),
            "late, but due then"
        );
        let mut last = 0;
        while let Some((number, due)) = arrivals.next(end).await {
            assert!(due <= Instant::now());
            last = number;
        }
        assert_eq!(last, 39);
        let left = Arrivals::new(Pace::Rate(1_000.0), begin, 1, 2);
        assert_eq!(
            left.left(end).map(|(number, _)| number).collect::<Vec<_>>(),
            (1..40).step_by(2).collect::<Vec<_>>()
        );
    }

    #[tokio::test]
    async fn a_closed_loop_ends_with_its_time() {
        let begin = Instant::now();
        let arrivals = Arrivals::new(Pace::Maximum, begin, 0, 1);
        assert_eq!(arrivals.next(begin + Duration::from_secs(9)).await.map(|(number, _)| number), Some(0));
        assert_eq!(arrivals.next(begin).await, None);
    }
}
