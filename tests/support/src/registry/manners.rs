//! In what registries differ from one another within the specification.

use http::StatusCode;

/// How a registry writes the `Location` of what it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locations {
    /// With scheme and host, as most do.
    Absolute,
    /// From the root of the host.
    Relative,
    /// With scheme and host; an upload goes on at a path that is none of the distribution API's, as with some
    /// cloud registries.
    Foreign,
}

pub(super) struct Manners {
    pub(super) locations: Locations,
    /// Whether a mount that names no source is looked for in every repository.
    pub(super) anonymous_mount: bool,
    /// The status for a manifest whose content is missing.
    pub(super) missing_content: StatusCode,
    /// The status for a repository that does not exist, where it is not the usual 404.
    pub(super) absent: Option<StatusCode>,
    pub(super) referrers: bool,
    pub(super) deletion: bool,
    /// The least length of a chunk that is not the last, announced and enforced.
    pub(super) chunk_min_length: Option<usize>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            locations: Locations::Absolute,
            anonymous_mount: false,
            missing_content: StatusCode::BAD_REQUEST,
            absent: None,
            referrers: true,
            deletion: true,
            chunk_min_length: None,
        }
    }
}
