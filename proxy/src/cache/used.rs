//! When something in memory was last told to be in use, so that its record on the disk is not pruned.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::records::Records;

/// How often the use of a record is noted; retention is counted in days.
pub(super) const NOTED_EVERY: Duration = Duration::from_hours(12);

const NEVER: u32 = u32::MAX;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time of the last note, in seconds of this process, and how many notes had been lost by then.
#[derive(Debug)]
pub(super) struct Used {
    noted: AtomicU32,
    losses: AtomicU64,
}

/// What is to be noted about something in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// That it is in use.
    Touch,
    /// All of it: what was noted before may be lost.
    Put,
}

impl Used {
    /// Noted just now.
    pub(super) fn now(records: &Records) -> Self {
        Self { noted: seconds().into(), losses: records.losses().into() }
    }

    /// On the disk, and used for the first time in this process.
    pub(super) fn found(records: &Records) -> Self {
        Self { noted: NEVER.into(), losses: records.losses().into() }
    }

    /// Not on the disk, which failed: it is to be put there with the next use.
    pub(super) fn unwritten() -> Self {
        Self { noted: NEVER.into(), losses: u64::MAX.into() }
    }

    /// What is to be noted now; then it counts as noted.
    pub(super) fn due(&self, records: &Records) -> Due {
        let losses = records.losses();
        if self.losses.load(Ordering::Relaxed) != losses {
            self.losses.store(losses, Ordering::Relaxed);
            return Due::Put;
        }
        let (now, last) = (seconds(), self.noted.load(Ordering::Relaxed));
        let due = last == NEVER || u64::from(now.saturating_sub(last)) >= NOTED_EVERY.as_secs();
        let is_first =
            || self.noted.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if due && is_first() { Due::Touch } else { Due::Nothing }
    }
}

fn seconds() -> u32 {
    u32::try_from(BEGAN.elapsed().as_secs()).unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn what_could_not_be_written_is_put_with_its_next_use() {
        let records = Records::new(None, &Arc::new(Metrics::new().unwrap()));
        let uses = |used: Used| [used.due(&records), used.due(&records), used.due(&records)];
        assert_eq!(uses(Used::unwritten()), [Due::Put, Due::Touch, Due::Nothing]);
        assert_eq!(uses(Used::found(&records)), [Due::Touch, Due::Nothing, Due::Nothing]);
        assert_eq!(uses(Used::now(&records)), [Due::Nothing; 3]);
    }
}
