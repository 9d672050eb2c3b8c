//! How onetag reads JSON that a peer sent.

use serde::{Deserialize, Serialize};
use serde_json::error::Error;

/// A JSON value that is only carried, never looked into.
///
/// Equality, order and hash are those of its compact text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(pub serde_json::Value);

impl Json {
    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Json {}

impl std::hash::Hash for Json {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl PartialOrd for Json {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Json {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text().cmp(&other.text())
    }
}

/// `null` is the same as absent (rule P1).
pub(crate) fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a JSON object. serde would also take an array for a struct, field by field; no specification
/// of ours has such a form.
pub(crate) fn from_object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => Err(serde::de::Error::custom("an object was expected, not an array")),
        _ => serde_json::from_slice(bytes),
    }
}
