use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::excerpt::Excerpt;
use crate::load::MAX_BYTES;

/// Why there is no valid configuration. The text is complete: it is meant to be shown as it is, may span
/// several lines, and holds no secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The path does not name a regular file.
    #[error("{}: is a directory; name the file in it", .0.display())]
    Directory(PathBuf),
    /// The file is too large to be a configuration.
    #[error("{}: is larger than {MAX_BYTES} bytes; is this the right file?", .0.display())]
    TooLarge(PathBuf),
    /// The file is not UTF-8.
    #[error("{0}: is not UTF-8 text; save it as UTF-8")]
    NotUtf8(Location),
    /// The text of the file is wrong at one place.
    #[error("{location}: {message}\n{excerpt}")]
    Text {
        /// Where.
        location: Location,
        /// The setting, what is wrong with it, and what to write.
        message: String,
        /// The line, with a caret below.
        excerpt: Excerpt,
    },
    /// Settings that are fine each by itself do not go together.
    #[error("{setting}{}: {advice}", in_brackets(*.flag))]
    Setting {
        /// The name in the file.
        setting: &'static str,
        /// The flag or the environment variable that sets it, too, where there is one.
        flag: Option<&'static str>,
        /// What is wrong and what to do.
        advice: &'static str,
    },
}

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

fn in_brackets(flag: Option<&str>) -> String {
    flag.map(|flag| format!(" ({flag})")).unwrap_or_default()
}
