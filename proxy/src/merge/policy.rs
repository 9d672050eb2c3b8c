//! What the rules leave to the configuration.

use std::time::Duration;

use onetag_config::{Merge, PlatformSource, Skew};
use onetag_oci::Platform;

/// How the members that a rule finds are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Complete a base that already is an index with several platforms, instead of passing it on (rule I4).
    pub complete_index: bool,
    /// Which is believed about a member's platform: its image or the rule (rule P8).
    pub platform_source: PlatformSource,
    /// No answer without the tag itself.
    pub require_base: bool,
    /// A repository of members that denies access counts as one that does not exist.
    pub skip_denied: bool,
    /// No answer without an image for each of these, in normal form.
    pub platforms: Vec<Platform>,
    /// What to do about members of different builds (rule I7).
    pub skew: Skew,
    /// How far apart members may have been made that say no revision.
    pub skew_gap: Duration,
    /// For how long a skewed tag keeps its last coherent answer.
    pub skew_grace: Duration,
}

impl Policy {
    /// The policy of the section `[merge]`.
    pub fn usual(merge: &Merge) -> Self {
        Self {
            complete_index: merge.complete_index,
            platform_source: PlatformSource::Config,
            require_base: false,
            skip_denied: false,
            platforms: Vec::new(),
            skew: merge.skew,
            skew_gap: merge.skew_gap.get(),
            skew_grace: merge.skew_grace.get(),
        }
    }
}
