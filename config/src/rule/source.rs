use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::value::text::{Text, text_setting};

/// Which is believed where a member's config and the rule name different platforms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PlatformSource {
    /// The config of the image; a member that it puts elsewhere is left out.
    #[default]
    Config,
    /// The rule, for images whose config is known to be wrong.
    Rule,
}

/// The text names no [`PlatformSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a source of platforms; write \"config\" or \"rule\"")]
pub struct SourceError;

impl fmt::Display for PlatformSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "config",
            Self::Rule => "rule",
        })
    }
}

impl Text for PlatformSource {
    const NOUN: &'static str = "source of platforms";
}

impl FromStr for PlatformSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        [Self::Config, Self::Rule].into_iter().find(|source| source.to_string() == text).ok_or(SourceError)
    }
}

text_setting!(PlatformSource);
