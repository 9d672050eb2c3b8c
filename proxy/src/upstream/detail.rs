//! What an upstream says about its error (distribution-spec, section Error codes).

use std::fmt;

use serde::Deserialize;

/// The most bytes that are read of an error body.
pub(super) const MAX_ERROR_BYTES: usize = 64 << 10;

/// The most characters of a message that are passed on.
const MAX_CHARACTERS: usize = 200;

/// The first error in an OCI error body, escaped and cut; empty for any other body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail(Box<str>);

#[derive(Deserialize)]
struct Body {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Detail {
    /// Reads an error body.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(Body { errors }) = serde_json::from_slice(body) else { return Self::default() };
        let Some(Entry { code, message }) = errors.into_iter().next() else { return Self::default() };
        let separator = if code.is_empty() || message.is_empty() { "" } else { ": " };
        let text = code.chars().chain(separator.chars()).chain(message.chars());
        Self(text.filter(|c| !c.is_control()).take(MAX_CHARACTERS).flat_map(char::escape_debug).collect())
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}
