//! For how long what is believed; each rule may have times of its own.

use std::time::Duration;

use onetag_config::{Cache, Config, Rule, TagGlob};
use onetag_oci::Tag;

/// How long an answer is believed that cannot change.
const FOR_GOOD: Duration = Duration::from_hours(24 * 365);

/// The times of one rule.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// How long a tag is answered without asking.
    pub(super) fresh: Duration,
    /// How long after that it is answered at once while the upstream is asked.
    pub(super) while_revalidating: Duration,
    /// How long a tag is believed to be absent.
    pub(super) absent: Duration,
    /// How long after its confirmation a tag is answered while the upstream fails.
    pub(super) stale_if_error: Duration,
    immutable: Vec<TagGlob>,
}

impl Times {
    /// The times of every rule by its place, those of the section `[merge]` last.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let usual = std::iter::once(Rule::default());
        config.rule.iter().cloned().chain(usual).map(|rule| Self::of(&rule, &config.cache)).collect()
    }

    fn of(rule: &Rule, cache: &Cache) -> Self {
        let fresh = rule.ttl.unwrap_or(cache.tag_ttl).get();
        let while_revalidating = rule.stale_while_revalidate.unwrap_or(cache.stale_while_revalidate).get();
        Self {
            fresh,
            // Who wants the upstream to be asked each time does not want an old answer first.
            while_revalidating: if fresh.is_zero() { Duration::ZERO } else { while_revalidating },
            absent: rule.negative_ttl.unwrap_or(cache.negative_ttl).get(),
            stale_if_error: rule.stale_if_error.unwrap_or(cache.stale_if_error).get(),
            immutable: rule.immutable.clone().unwrap_or_else(|| cache.immutable.clone()),
        }
    }

    /// How long a complete answer for a tag is believed.
    pub(super) fn of_complete(&self, tag: &Tag) -> Duration {
        let immutable = self.immutable.iter().any(|glob| glob.matches(tag.as_str()));
        if immutable { FOR_GOOD } else { self.fresh }
    }

    /// The longest that a record may be of use.
    pub(super) fn longest(&self) -> Duration {
        (self.fresh + self.while_revalidating).max(self.stale_if_error).max(self.absent)
    }
}
