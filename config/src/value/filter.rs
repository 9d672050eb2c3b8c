use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::text::{Text, text_setting};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const MAX_LENGTH: usize = 256;

/// Which events are logged: a level, or several `target=level` with commas between them, as in
/// `info,onetag::upstream=debug`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogFilter(Box<str>);

/// The text is not a [`LogFilter`]. A misspelt level is refused here because the subscriber would take
/// it for the name of a target, and log nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "is not a log level; write \"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\", or \"info,onetag=debug\""
)]
pub struct FilterError;

impl LogFilter {
    /// The text, in the grammar of `tracing_subscriber::EnvFilter`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".into())
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for LogFilter {
    const NOUN: &'static str = "log level";
}

impl FromStr for LogFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() <= MAX_LENGTH && text.split(',').all(is_directive) {
            Ok(Self(text.into()))
        } else {
            Err(FilterError)
        }
    }
}

fn is_directive(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    match text.split_once('=') {
        Some((target, level)) => !target.is_empty() && target.bytes().all(legal) && is_level(level),
        None => is_level(text),
    }
}

fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text))
}

text_setting!(LogFilter);
