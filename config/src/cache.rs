use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::TagGlob;
use crate::value::{Age, NegativeTtl, Retention, Size, path};

/// The section `[cache]`: what is kept, where, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Where manifests, merged indexes, tags and blobs outlive a restart. Without it everything is held in
    /// memory only, and blobs are not held at all.
    #[serde(serialize_with = "path::serialize")]
    pub data_dir: Option<PathBuf>,
    /// How much memory manifests and merged indexes may take.
    pub memory: Size,
    /// How long a tag is answered without asking the upstream again.
    pub tag_ttl: Age,
    /// How long after `tag_ttl` a tag is still answered at once, while one check of the upstream runs in
    /// the background. Past it the caller waits. Has no use where `tag_ttl` is zero, which asks each time.
    pub stale_while_revalidate: Age,
    /// How long a tag that the upstream does not have is answered as absent; at most 10 s, since a tag
    /// that was just pushed by another way stays hidden for so long.
    pub negative_ttl: NegativeTtl,
    /// How long a tag may still be served while the upstream fails, counted from the moment when the
    /// upstream last confirmed it. Zero switches this off.
    pub stale_if_error: Age,
    /// Tags that are never asked for again once they are complete.
    pub immutable: Vec<TagGlob>,
    /// How long what nobody used is kept in the data directory: merged indexes, manifests and tags.
    pub retention: Retention,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            data_dir: None,
            memory: Size::mebibytes(256),
            tag_ttl: Age::secs(60),
            stale_while_revalidate: Age::secs(60 * 60),
            negative_ttl: NegativeTtl::secs(5),
            stale_if_error: Age::secs(7 * 24 * 60 * 60),
            immutable: Vec::new(),
            retention: Retention::secs(90 * 24 * 60 * 60),
        }
    }
}
