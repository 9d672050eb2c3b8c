use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use humantime::{format_duration, parse_duration};
use thiserror::Error;

use super::text::{Text, text_setting};

const YEAR: u64 = 365 * 24 * 60 * 60 * 1000;

/// A duration between `MIN` and `MAX` milliseconds, written like "60s", "7d" or "1h 30m".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span<const MIN: u64, const MAX: u64>(Duration);

/// How long to wait for something: more than zero, at most 365 days.
pub type Timeout = Span<1, YEAR>;
/// How old something may become: zero is allowed, at most 365 days.
pub type Age = Span<0, YEAR>;
/// How often something is done: every 10 seconds to every 365 days.
pub type Interval = Span<10_000, YEAR>;
/// How long something is kept that nobody uses: at least a day, since uses are noted twice a day.
pub type Retention = Span<86_400_000, YEAR>;
/// How long a yes to a caller is believed: from a second to a minute.
pub type GrantTtl = Span<1_000, 60_000>;
/// How much longer it is believed while nobody can be asked: at most a day.
pub type StaleGrant = Span<0, 86_400_000>;
/// How long an absence is remembered: at most 10 seconds.
pub type NegativeTtl = Span<0, 10_000>;

/// Prints a duration in one unit where that is exact: "90d", where humantime has months and a remainder.
struct Plain(Duration);

const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text or a [`Duration`] is not a [`Span`].
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SpanError {
    /// A number alone: seconds and milliseconds are too easily taken for each other.
    #[error("has no unit; write \"{0}s\" or \"5m\"")]
    NoUnit(u64),
    /// Not in the form of a duration.
    #[error("is not a duration ({0}); write it like \"60s\", \"7d\" or \"1h 30m\"")]
    Malformed(humantime::DurationError),
    /// Below the minimum.
    #[error("is too short; it must be at least {}", Plain(*.0))]
    TooShort(Duration),
    /// Above the maximum.
    #[error("is too long; it must be at most {}", Plain(*.0))]
    TooLong(Duration),
}

impl<const MIN: u64, const MAX: u64> Span<MIN, MAX> {
    /// For defaults.
    pub(crate) const fn secs(secs: u64) -> Self {
        assert!(secs * 1000 >= MIN && secs * 1000 <= MAX, "a default is within its bounds");
        Self(Duration::from_secs(secs))
    }

    /// The duration itself.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> Deref for Span<MIN, MAX> {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<Duration> for Span<MIN, MAX> {
    type Error = SpanError;

    fn try_from(duration: Duration) -> Result<Self, SpanError> {
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        if duration < min {
            Err(SpanError::TooShort(min))
        } else if duration > max {
            Err(SpanError::TooLong(max))
        } else {
            Ok(Self(duration))
        }
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Span<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(self.0).fmt(f)
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let whole =
            |unit: u128| millis.is_multiple_of(unit) && self.0.subsec_nanos().is_multiple_of(1_000_000);
        match UNITS.iter().find(|(_, unit)| whole(*unit)) {
            _ if self.0.is_zero() => f.write_str("0s"),
            Some((name, unit)) => write!(f, "{}{name}", millis / unit),
            None => format_duration(self.0).fmt(f),
        }
    }
}

impl<const MIN: u64, const MAX: u64> Text for Span<MIN, MAX> {
    const NOUN: &'static str = "duration";
}

impl<const MIN: u64, const MAX: u64> FromStr for Span<MIN, MAX> {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        match text.trim().parse::<u64>() {
            Ok(0) | Err(_) => {}
            Ok(number) => return Err(SpanError::NoUnit(number)),
        }
        parse_duration(text).map_err(SpanError::Malformed)?.try_into()
    }
}

text_setting!([const MIN: u64, const MAX: u64] Span<MIN, MAX>);
