use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::excerpt::Excerpt;
use crate::explain::explain;
use crate::{Config, ConfigError, Location};

/// Far more than every setting with a comment; a wrong path must not fill the memory.
pub(crate) const MAX_BYTES: usize = 1 << 20;

impl Config {
    /// Reads a file and parses it. Settings that it leaves out have their defaults. What the file cannot
    /// know, because flags and environment come later, is left to [`Config::validate`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read(path).map_err(|cause| match cause.kind() {
            ErrorKind::IsADirectory => ConfigError::Directory(path.into()),
            _ => ConfigError::Unreadable { path: path.into(), cause },
        })?;
        // Before the text is looked at, because the limit may have cut a character in two.
        if bytes.len() > MAX_BYTES {
            return Err(ConfigError::TooLarge(path.into()));
        }
        let text = str::from_utf8(&bytes).map_err(|error| {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            ConfigError::NotUtf8(locate(path, &valid, valid.len()))
        })?;
        Self::parse(text, path)
    }

    /// Parses a text; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        if text.len() > MAX_BYTES {
            return Err(ConfigError::TooLarge(path.into()));
        }
        let document = toml::Deserializer::parse(text)
            .map_err(|error| text_error(text, path, &error, error.message().into()))?;
        serde_path_to_error::deserialize(document).map_err(|error| {
            let message = explain(&error.path().to_string(), error.inner().message());
            text_error(text, path, error.inner(), message)
        })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

// The error itself is not kept: it carries the whole text, secrets and all.
fn text_error(text: &str, path: &Path, error: &toml::de::Error, message: String) -> ConfigError {
    let offset = text.floor_char_boundary(error.span().map_or(0, |span| span.start));
    let location = locate(path, text, offset);
    let excerpt = Excerpt::new(text, offset, location.column);
    ConfigError::Text { location, message, excerpt }
}

/// Turns a byte offset that is a character boundary into a line and a column.
fn locate(path: &Path, text: &str, offset: usize) -> Location {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Location {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
