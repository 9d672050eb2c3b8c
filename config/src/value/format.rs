use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::text::{Text, text_setting};

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Text, in colour where the output is a terminal.
    #[default]
    Auto,
    /// Text without colour.
    Text,
    /// One JSON object per line.
    Json,
}

/// The text names no [`LogFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a log format; write \"auto\", \"text\" or \"json\"")]
pub struct FormatError;

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl Text for LogFormat {
    const NOUN: &'static str = "log format";
}

impl FromStr for LogFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        [Self::Auto, Self::Text, Self::Json]
            .into_iter()
            .find(|format| format.to_string() == text)
            .ok_or(FormatError)
    }
}

text_setting!(LogFormat);
