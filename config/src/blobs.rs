use serde::{Deserialize, Serialize};

use crate::value::Size;

/// The section `[blobs]`: whether layers and configs are kept on disk, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blobs {
    /// Whether blobs are kept on disk. They are in `cache.data_dir`; without one nothing is kept.
    pub cache: bool,
    /// How much of the disk blobs may take; those that were not used for the longest time leave first.
    pub max_bytes: Size,
    /// Whether a download goes on when all its callers have left.
    pub finish: bool,
}

impl Default for Blobs {
    fn default() -> Self {
        Self { cache: true, max_bytes: Size::mebibytes(10 * 1024), finish: true }
    }
}
