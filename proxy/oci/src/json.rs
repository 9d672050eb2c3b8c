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
        // Two zeros that differ in their sign are equal as numbers.
        self.cmp(other).is_eq()
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

/// How deeply arrays and objects may be nested (threat T18).
const MAX_DEPTH: usize = 32;

/// Reads a JSON object. serde would also take an array for a struct, field by field; no specification
/// of ours has such a form. Fields that nobody reads are held to the same: serde skips them unseen.
pub(crate) fn from_object<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    let text = str::from_utf8(bytes).map_err(serde::de::Error::custom)?;
    if text.trim_ascii_start().starts_with('[') {
        return Err(serde::de::Error::custom("an object was expected, not an array"));
    }
    if is_deep(bytes) {
        return Err(serde::de::Error::custom(format_args!("it is nested more than {MAX_DEPTH} levels deep")));
    }
    serde_json::from_str(text)
}

/// Whether anything is nested too deeply; what is no JSON is left to the parser.
fn is_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody reads its fields.
    #[derive(Deserialize)]
    struct Unread {}

    #[test]
    fn depth_is_bounded_also_where_nobody_looks() {
        let nested = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let read = |text: &str| from_object::<Unread>(text.as_bytes()).is_ok();
        assert!(read(&nested(MAX_DEPTH - 1)));
        assert!(!read(&nested(MAX_DEPTH)));
        assert!(read(&format!(r#"{{"a":"\"{}","b":"\\"}}"#, "[".repeat(100))), "brackets in a string");
        assert!(from_object::<Unread>(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn values_are_equal_where_their_texts_are() {
        let value = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        assert_eq!(value(r#"{"b":1,"a":0.0}"#), value(r#"{ "a": 0.0, "b": 1 }"#));
        assert_ne!(value("0.0"), value("-0.0"));
        assert_ne!(value("1"), value("1.0"));
    }
}
