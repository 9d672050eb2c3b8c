//! When something in memory was last told to be in use, so that its record on the disk is not pruned.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often the use of a record is noted; retention is counted in days.
pub(super) const NOTED_EVERY: Duration = Duration::from_hours(12);

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time of the last note, in seconds of this process.
#[derive(Debug)]
pub(super) struct Used(AtomicU32);

impl Used {
    /// Noted just now.
    pub(super) fn now() -> Self {
        Self(seconds().into())
    }

    /// Whether the use is to be noted now; then it counts as noted.
    pub(super) fn is_due(&self) -> bool {
        let (now, last) = (seconds(), self.0.load(Ordering::Relaxed));
        let due = u64::from(now.saturating_sub(last)) >= NOTED_EVERY.as_secs();
        due && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

fn seconds() -> u32 {
    u32::try_from(BEGAN.elapsed().as_secs()).unwrap_or(u32::MAX)
}
