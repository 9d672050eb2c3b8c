//! Which members a repository's tags have at all: what keeps a cold tag from costing a request for each
//! that a rule names.

use std::time::{Duration, Instant};

use moka::Entry;
use moka::sync::Cache;
use onetag_oci::Repository;

/// The most repositories that are remembered; one takes about as much as its name.
const MAX_REPOSITORIES: u64 = 100_000;

/// For each repository and the place of a rule, the set of the rule's members that occur at all.
///
/// The knowledge comes from the repository's whole tag list, never from single tags: that one tag has
/// no member says nothing about the next. It is trusted for a limited time.
pub struct Occurring {
    known: Cache<(Repository, usize), Known>,
    trusted_for: Duration,
}

#[derive(Clone, Copy)]
struct Known {
    /// One bit for each member of the rule; none when the tag list could not be had.
    mask: Option<u32>,
    /// The members that were found themselves, whatever a list says.
    found: u32,
    /// When the tag list was asked for; none where it never was.
    learned: Option<Instant>,
}

/// What is known of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// Nothing, or it is too old: all members are to be asked for, and the tag list is to be read.
    Unknown,
    /// The tag list could not be had lately: all members are to be asked for.
    Unlistable,
    /// Only members with their bit set occur.
    Known(u32),
}

impl Knowledge {
    /// Whether a member, by its place in the rule, may occur.
    pub fn allows(self, place: usize) -> bool {
        match self {
            Self::Unknown | Self::Unlistable => true,
            Self::Known(mask) => mask & (1 << place) != 0,
        }
    }
}

impl Occurring {
    /// Knowledge that is trusted for this long.
    pub fn new(trusted_for: Duration) -> Self {
        Self { known: Cache::new(MAX_REPOSITORIES), trusted_for }
    }

    /// What is known of a repository now, under the rule at this place.
    pub fn get(&self, key: &(Repository, usize)) -> Knowledge {
        match self.known.get(key) {
            Some(known) if known.learned.is_some_and(|learned| learned.elapsed() < self.trusted_for) => {
                known.mask.map_or(Knowledge::Unlistable, Knowledge::Known)
            }
            _ => Knowledge::Unknown,
        }
    }

    /// What was known of a repository last, however long ago; nothing, if nothing ever was.
    pub fn last(&self, key: &(Repository, usize)) -> Knowledge {
        let mask = self.known.get(key).and_then(|known| known.mask);
        mask.map_or(Knowledge::Unknown, Knowledge::Known)
    }

    /// Adds to what is known of repositories what a push shows: the members in the mask that `shown` gives for each.
    pub fn add(&self, shown: impl Fn(&(Repository, usize)) -> u32) {
        let known: Vec<_> =
            self.known.iter().filter(|(key, known)| known.mask.is_some() && shown(key) != 0).collect();
        for (key, known) in known {
            let mask = known.mask.map(|mask| mask | shown(&key));
            self.known.insert((*key).clone(), Known { mask, ..known });
        }
    }

    /// Notes members that a merge found: a list that was read while one of them was being pushed anew, and
    /// lacks it, must not make the repository's tags lose it.
    pub fn found(&self, key: &(Repository, usize), found: u32) {
        if self.known.get(key).is_some_and(|known| known.found & found == found) {
            return;
        }
        self.known.entry_by_ref(key).and_upsert_with(|known| {
            let known = known.map_or(Known { mask: None, found: 0, learned: None }, Entry::into_value);
            Known { mask: known.mask.map(|mask| mask | found), found: known.found | found, ..known }
        });
    }

    /// Forgets what is known of some repositories under some rules: something was pushed there.
    pub fn forget(&self, concerns: impl Fn(&(Repository, usize)) -> bool) {
        let keys: Vec<_> = self.known.iter().map(|(key, _)| key).filter(|key| concerns(key)).collect();
        for key in keys {
            self.known.invalidate(&*key);
        }
    }

    /// Remembers what the tag list that was asked for at `learned` showed; none when it could not be had.
    ///
    /// What a repository has ever shown stays known: a list that lags behind must not un-merge a tag. Whether
    /// there is a member now that was known not to occur.
    pub fn learn(&self, key: &(Repository, usize), mask: Option<u32>, learned: Instant) -> bool {
        let mut before = None;
        let known = self.known.entry_by_ref(key).and_upsert_with(|known| {
            let known = known.map(Entry::into_value);
            before = known.and_then(|known| known.mask);
            let found = known.map_or(0, |known| known.found);
            let mask = mask.map(|mask| mask | found | before.unwrap_or(0));
            Known { mask, found, learned: Some(learned) }
        });
        before.zip(known.value().mask).is_some_and(|(before, now)| now & !before != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knowledge_is_trusted_for_its_time_only() {
        let repository: (Repository, usize) = ("team/app".parse().unwrap(), 0);
        let suffixes = Occurring::new(Duration::from_mins(1));
        assert_eq!(suffixes.get(&repository), Knowledge::Unknown);
        suffixes.learn(&repository, Some(0b10), Instant::now());
        let known = suffixes.get(&repository);
        assert!(known.allows(1) && !known.allows(0));
        suffixes.learn(&repository, Some(0b100), Instant::now());
        assert_eq!(suffixes.get(&repository), Knowledge::Known(0b110));
        suffixes.learn(&repository, None, Instant::now());
        assert!(suffixes.get(&repository).allows(0));
        suffixes.found(&repository, 0b1);
        suffixes.learn(&repository, Some(0), Instant::now());
        assert_eq!(suffixes.get(&repository), Knowledge::Known(0b1), "a list lags behind what was found");
        let never = Occurring::new(Duration::ZERO);
        never.learn(&repository, Some(0), Instant::now());
        assert_eq!(never.get(&repository), Knowledge::Unknown);
    }
}
