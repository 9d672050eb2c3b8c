use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const MAX: usize = 1_000_000;

/// How many of something may exist at once: from 1 to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Limit(usize);

/// Why a number or text is not a [`Limit`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LimitError {
    /// Zero would admit nothing; more than a million is more than any machine holds.
    #[error("{0} is out of bounds; it must be from 1 to {MAX}")]
    OutOfBounds(i64),
    /// Not a whole number.
    #[error("is not a whole number")]
    Malformed(#[from] ParseIntError),
}

impl Limit {
    /// For defaults.
    pub(crate) const fn new(count: usize) -> Self {
        assert!(0 < count && count <= MAX, "a default is within its bounds");
        Self(count)
    }

    /// The number itself.
    pub const fn get(self) -> usize {
        self.0
    }
}

impl TryFrom<i64> for Limit {
    type Error = LimitError;

    fn try_from(number: i64) -> Result<Self, LimitError> {
        match usize::try_from(number) {
            Ok(count @ 1..=MAX) => Ok(Self(count)),
            _ => Err(LimitError::OutOfBounds(number)),
        }
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        text.parse::<i64>()?.try_into()
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
