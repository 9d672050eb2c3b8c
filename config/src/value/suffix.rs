use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

use super::text::{Text, text_setting};

/// More suffixes than this would make each unknown tag cost too many upstream requests.
const MAX_COUNT: usize = 32;
const MAX_LENGTH: usize = 32;

/// What names a platform at the end of a tag, without the hyphen before it: `arm` in `latest-arm`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suffix(Box<str>);

/// Why a text is not a [`Suffix`], or a list of them is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SuffixError {
    /// The hyphen belongs to the tag.
    #[error("starts with a hyphen; write it without")]
    Hyphen,
    /// Outside the grammar.
    #[error("is not a suffix; write 1 to {MAX_LENGTH} letters, digits, dots or underscores")]
    Malformed,
    /// The same suffix twice.
    #[error("the suffix \"{0}\" is listed twice")]
    Duplicate(Suffix),
    /// More than the list may hold.
    #[error("{0} suffixes are listed; at most {MAX_COUNT} are allowed")]
    TooMany(usize),
}

impl Suffix {
    /// For defaults, which a test holds to the grammar.
    pub(crate) fn known(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, without a hyphen before it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for Suffix {
    const NOUN: &'static str = "suffix";
}

impl FromStr for Suffix {
    type Err = SuffixError;

    fn from_str(text: &str) -> Result<Self, SuffixError> {
        if text.starts_with('-') {
            return Err(SuffixError::Hyphen);
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        if (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(SuffixError::Malformed)
        }
    }
}

text_setting!(Suffix);

/// What holds for the list as a whole.
pub(crate) fn check(suffixes: &[Suffix]) -> Result<(), SuffixError> {
    if suffixes.len() > MAX_COUNT {
        return Err(SuffixError::TooMany(suffixes.len()));
    }
    match suffixes.iter().enumerate().find(|(at, suffix)| suffixes[..*at].contains(suffix)) {
        Some((_, suffix)) => Err(SuffixError::Duplicate(suffix.clone())),
        None => Ok(()),
    }
}

/// Reads a list and checks it, so that the error has a place in the file.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Suffix>, D::Error> {
    let suffixes = Vec::deserialize(deserializer)?;
    check(&suffixes).map_err(D::Error::custom)?;
    Ok(suffixes)
}
