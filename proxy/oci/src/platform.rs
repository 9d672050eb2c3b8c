//! The platform of an image (image-spec `image-index.md`, `config.md`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json::{Json, or_empty};

/// What an image runs on: the five fields of the specification, in the order in which onetag writes
/// them (rule D1). Unknown fields of an upstream's descriptor (Docker's `features`) are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The CPU architecture, a GOARCH value.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_empty")]
    pub architecture: String,
    /// The operating system, a GOOS value.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_empty")]
    pub os: String,
    /// The version of the operating system; Windows images need it.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "String::is_empty",
        deserialize_with = "or_empty"
    )]
    pub os_version: String,
    /// Features that the operating system must have, such as `win32k`.
    #[serde(
        rename = "os.features",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_empty"
    )]
    pub os_features: Vec<String>,
    /// The variant of the CPU, such as `v7` of arm.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_empty")]
    pub variant: String,
    /// Fields that the specification does not know, kept as they came (rule I2).
    #[serde(flatten)]
    pub other: BTreeMap<String, Json>,
}

impl Platform {
    /// The platform `os/architecture[/variant]`.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self { os: os.into(), architecture: architecture.into(), variant: variant.into(), ..Self::default() }
    }

    /// Whether this is `unknown/unknown`, the mark of what is not meant to run (rule I3).
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_question = |text: &str| if text.is_empty() { "?".to_owned() } else { text.to_owned() };
        write!(f, "{}/{}", or_question(&self.os), or_question(&self.architecture))?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        if !self.os_version.is_empty() {
            write!(f, " ({})", self.os_version)?;
        }
        Ok(())
    }
}
