//! Descriptors (image-spec `descriptor.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::{Json, or_empty};
use crate::{Digest, MediaType, Platform};

/// A pointer to content: type, digest and size, and what is said about it.
///
/// The fields stand in the order in which onetag writes them (rule D1), empty ones are left out, and
/// fields that the specification does not know are kept behind them (rule I2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of the content.
    pub media_type: MediaType,
    /// The digest of the content.
    pub digest: Digest,
    /// The length of the content in bytes.
    pub size: u64,
    /// Other places of the content; never fetched by onetag.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_empty")]
    pub urls: Vec<String>,
    /// Annotations, sorted by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The content itself, base64.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_empty")]
    pub data: String,
    /// What the content runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_empty")]
    pub artifact_type: String,
    /// Fields that the specification does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Json>,
}

impl Descriptor {
    /// A descriptor that says nothing beyond type, digest and size.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: String::new(),
            platform: None,
            artifact_type: String::new(),
            other: BTreeMap::new(),
        }
    }

    /// The value of an annotation, if it is there.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }
}
