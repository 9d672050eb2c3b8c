use serde::{Deserialize, Serialize};

use crate::rule;
use crate::value::Age;
use crate::{Skew, Word};

pub(crate) const SUFFIXES: [&str; 9] =
    ["arm", "arm64", "arm64v8", "aarch64", "armv7", "arm32v7", "armhf", "amd64", "x86_64"];

/// The section `[merge]`: which tags are taken together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Merge {
    /// What may follow a tag and a hyphen: with `arm`, `latest-arm` is a member of `latest`. The order is
    /// the order of preference where two members hold one platform; an empty list merges nothing.
    #[serde(deserialize_with = "rule::distinct")]
    pub suffixes: Vec<Word>,
    /// How long what is known about a repository's suffixes is trusted.
    pub relearn: Age,
    /// Whether a tag that already is an index of several platforms is completed with those that only its
    /// suffixed tags have, instead of being passed through.
    pub complete_index: bool,
    /// Whether tag lists leave out tags that are members of one that is listed.
    pub hide_members: bool,
    /// What happens when the members of a tag are not of one build.
    pub skew: Skew,
    /// How long `hold` serves the last coherent set while the other members have not followed.
    pub skew_grace: Age,
    /// How far the build times of the members may lie apart before they count as different builds.
    pub skew_gap: Age,
}

impl Default for Merge {
    fn default() -> Self {
        Self {
            suffixes: Word::known(&SUFFIXES).collect(),
            relearn: Age::secs(60),
            complete_index: false,
            hide_members: false,
            skew: Skew::Warn,
            skew_grace: Age::secs(15 * 60),
            skew_gap: Age::secs(24 * 60 * 60),
        }
    }
}
