use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// What stands for a secret wherever one would be printed.
pub(crate) const MASK: &str = "***";

/// A text that cannot be printed: it has no `Display`, and its `Debug` and its TOML are a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

// Not `FromStr`: a command line repeats the value that a fallible parser refused.
impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The original error is dropped because it repeats the value.
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| D::Error::custom("must be a string in quotes"))
    }
}
