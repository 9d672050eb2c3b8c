//! `Retry-After`: an upstream that wants to be left alone is (wire rule 7).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use tokio::time::Instant;

/// The longest that one answer keeps all requests back.
const LONGEST: Duration = Duration::from_mins(10);

/// How long the upstream wants to be left alone: seconds, or a date by our own clock.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO))
}

/// Shut after a 429, for as long as that asked for.
pub(super) struct Gate {
    base: Instant,
    /// Nanoseconds after `base` at which it is open again; 0 as long as it was never shut.
    opens_at: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { base: Instant::now(), opens_at: AtomicU64::new(0) }
    }
}

impl Gate {
    /// Shuts for this long; it never shortens what was asked for before.
    pub(super) fn shut(&self, wait: Duration) {
        self.opens_at.fetch_max(nanos(self.base.elapsed() + wait.min(LONGEST)), Ordering::Relaxed);
    }

    /// How much longer it is shut; `None` when it is open.
    pub(super) fn left(&self) -> Option<Duration> {
        match self.opens_at.load(Ordering::Relaxed) {
            0 => None,
            opens_at => {
                let left = opens_at.saturating_sub(nanos(self.base.elapsed()));
                (left > 0).then(|| Duration::from_nanos(left))
            }
        }
    }
}

/// Enough for five centuries.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read_text(text: &str) -> Option<Duration> {
        read(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]))
    }

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        assert_eq!(read_text(" 30 "), Some(Duration::from_secs(30)));
        assert_eq!(read_text("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = read_text(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(1))).unwrap();
        assert!(soon > Duration::from_secs(55) && soon <= Duration::from_mins(1), "{soon:?}");
        for text in ["", "-1", "1.5", "soon", "99999999999999999999999"] {
            assert_eq!(read_text(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_gate_is_shut_for_as_long_as_was_asked_and_ten_minutes_at_most() {
        let gate = Gate::default();
        assert_eq!(gate.left(), None);
        gate.shut(Duration::from_millis(40));
        gate.shut(Duration::from_millis(10));
        assert!(gate.left().unwrap() > Duration::from_millis(10));
        // A wait of exactly that long ends after the gate's.
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert_eq!(gate.left(), None);
        gate.shut(Duration::MAX);
        let left = gate.left().unwrap();
        assert!(left > Duration::from_mins(9) && left <= Duration::from_mins(10), "{left:?}");
    }
}
