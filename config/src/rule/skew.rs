use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::value::text::{Text, text_setting};

/// What happens when the members of a tag are not of one build: one was pushed, the other not yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Skew {
    /// They are merged, and nothing is said.
    Ignore,
    /// They are merged, and a warning is logged.
    #[default]
    Warn,
    /// The last coherent set is served until the others follow or the grace time ends.
    Hold,
}

/// The text names no [`Skew`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a way to treat skew; write \"ignore\", \"warn\" or \"hold\"")]
pub struct SkewError;

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "ignore",
            Self::Warn => "warn",
            Self::Hold => "hold",
        })
    }
}

impl Text for Skew {
    const NOUN: &'static str = "way to treat skew";
}

impl FromStr for Skew {
    type Err = SkewError;

    fn from_str(text: &str) -> Result<Self, SkewError> {
        [Self::Ignore, Self::Warn, Self::Hold]
            .into_iter()
            .find(|skew| skew.to_string() == text)
            .ok_or(SkewError)
    }
}

text_setting!(Skew);
