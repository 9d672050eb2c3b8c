use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::keys::WARM;
use crate::rule::{self, Distinct};
use crate::value::table::Entry;
use crate::{Interval, RequiredPlatform, WarmReference};

/// How many references one `[[warm]]` may list.
const MAX_REFERENCES: usize = 256;

/// One `[[warm]]`: tags that are fetched before anybody asks for them.
///
/// Without `cache.data_dir`, or with `blobs.cache` off, only their manifests are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warm {
    /// What is kept warm; 1 to 256 references, each of them once.
    #[serde(deserialize_with = "references")]
    pub references: Vec<WarmReference>,
    /// The platforms whose images are fetched; all of them where there are none.
    #[serde(default, deserialize_with = "rule::distinct", skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<RequiredPlatform>,
    /// How much time lies between two looks at the upstream.
    #[serde(default = "quarter_of_an_hour")]
    pub every: Interval,
}

impl Entry for Warm {
    const SECTION: &'static str = WARM;
    const MAX: usize = 64;
    const ADVICE: &'static str = "list several references in one";

    fn check(&self, _: &[Self]) -> Result<(), String> {
        Ok(())
    }
}

impl Distinct for WarmReference {
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

fn references<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WarmReference>, D::Error> {
    let list: Vec<WarmReference> = Vec::deserialize(deserializer)?;
    match list.len() {
        0 => Err(D::Error::custom("the list is empty; name a tag, as in [\"team/app:latest\"]")),
        1..=MAX_REFERENCES => rule::once(list),
        count => Err(D::Error::custom(format_args!(
            "{count} references are listed; at most {MAX_REFERENCES} are allowed; begin another [[{WARM}]]"
        ))),
    }
}

fn quarter_of_an_hour() -> Interval {
    Interval::secs(15 * 60)
}
