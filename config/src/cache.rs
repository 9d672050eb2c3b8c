use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::value::{Age, NegativeTtl, Size, path};

/// The section `[cache]`: what is kept, where, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Where merged indexes outlive a restart. Without it everything is held in memory only.
    #[serde(serialize_with = "path::serialize")]
    pub data_dir: Option<PathBuf>,
    /// How much memory manifests and merged indexes may take.
    pub memory: Size,
    /// How long a tag is answered without asking the upstream again.
    pub tag_ttl: Age,
    /// How long a tag that the upstream does not have is answered as absent; at most 10 s, since a tag
    /// that was just pushed by another way stays hidden for so long.
    pub negative_ttl: NegativeTtl,
    /// How long a tag may still be served while the upstream fails, counted from the moment when the
    /// upstream last confirmed it. Zero switches this off.
    pub stale_if_error: Age,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            data_dir: None,
            memory: Size::mebibytes(256),
            tag_ttl: Age::secs(60),
            negative_ttl: NegativeTtl::secs(5),
            stale_if_error: Age::secs(7 * 24 * 60 * 60),
        }
    }
}
