//! What happens a thousand times a second is told now and then, with a count of what was not told.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one through in a while.
pub(super) struct Throttle {
    every: Duration,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    at: Option<Instant>,
    /// How many were held back since.
    held: u64,
}

impl Throttle {
    /// Lets the first one through, and from then on one in `every`.
    pub(super) fn new(every: Duration) -> Self {
        Self { every, last: Mutex::default() }
    }

    /// Whether this one may be told; if so, how many before it were not.
    pub(super) fn pass(&self) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| at.elapsed() < self.every) {
            last.held += 1;
            return None;
        }
        let Last { held, .. } = std::mem::replace(&mut *last, Last { at: Some(Instant::now()), held: 0 });
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_while_passes_and_tells_how_many_did_not() {
        let throttle = Throttle::new(Duration::from_millis(500));
        let passed = [(); 4].map(|()| throttle.pass());
        assert_eq!(passed, [Some(0), None, None, None]);
        std::thread::sleep(Duration::from_millis(510));
        assert_eq!([throttle.pass(), throttle.pass()], [Some(3), None]);
    }
}
