//! What a push or a deletion takes with it: the tag, and every merge that depends on it (threat T13).

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use onetag_oci::{Digest, Repository, Tag};

use super::resolver::Resolver;

/// How many changes are remembered for the renewals that are under way.
const REMEMBERED: usize = 1_024;

/// What was pushed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// A tag was pushed or deleted.
    Tag(Repository, Tag),
    /// A manifest was deleted, and with it any tag that named it.
    Deleted(Repository, Digest),
    /// Anything in a repository.
    Repository(Repository),
}

impl Change {
    /// Where it was.
    pub fn repository(&self) -> &Repository {
        match self {
            Self::Tag(repository, _) | Self::Deleted(repository, _) | Self::Repository(repository) => {
                repository
            }
        }
    }

    /// Whether what this tag of its repository names may be another thing since.
    fn concerns(&self, tag: &Tag) -> bool {
        match self {
            Self::Tag(_, changed) => changed == tag,
            Self::Deleted(..) | Self::Repository(_) => true,
        }
    }
}

/// The latest changes, so that what was asked of the upstream before one does not outlive it.
#[derive(Default)]
pub(super) struct Changes(RwLock<Latest>);

#[derive(Default)]
struct Latest {
    count: u64,
    /// The latest first.
    changes: VecDeque<Change>,
}

impl Changes {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).count
    }

    fn note(&self, changes: &[Change]) {
        let mut latest = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            latest.changes.push_front(change.clone());
            latest.changes.truncate(REMEMBERED);
        }
        latest.count += changes.len() as u64;
    }

    /// Keeps what was learned since there were `count` changes: `keep` is told whether one of the later ones
    /// `concerns` it; of those that are forgotten, it is assumed. No change is noted meanwhile, so whoever
    /// looks through the caches after noting one finds what was kept before.
    pub(super) fn keep<T>(
        &self,
        count: u64,
        concerns: impl Fn(&Change) -> bool,
        keep: impl FnOnce(bool) -> T,
    ) -> T {
        let latest = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let new = usize::try_from(latest.count - count).unwrap_or(usize::MAX);
        keep(new > latest.changes.len() || latest.changes.iter().take(new).any(concerns))
    }
}

impl Resolver {
    /// Something was pushed or deleted. The tags that it concerns and whatever is merged from them are not
    /// answered again before the upstream was asked; how many tags those are.
    ///
    /// Their last answers stay for the case that the upstream fails; a manifest that was deleted does not.
    pub async fn invalidate(&self, changes: &[Change]) -> usize {
        let Some(first) = changes.first() else { return 0 };
        self.changes.note(changes);
        self.forget_members(changes);
        for change in changes {
            if let Change::Deleted(repository, digest) = change {
                self.manifests.remove(repository, digest);
            }
        }
        let one = changes.iter().all(|change| change.repository() == first.repository());
        let only = Some(first.repository()).filter(|_| one && !self.rules.reach_elsewhere());
        let expired = self.tags.expire(only, |key| self.depends(key, changes)).await;
        tracing::debug!(changes = changes.len(), repository = %first.repository(), expired, "invalidated");
        expired
    }

    /// There may be members now that there were not.
    fn forget_members(&self, changes: &[Change]) {
        self.occurring.forget(|(repository, place)| {
            self.rules.has_elsewhere(*place) || changes.iter().any(|change| change.repository() == repository)
        });
    }

    /// Whether the answer to a tag may depend on any of what changed.
    pub(super) fn depends(&self, (repository, tag): &(Repository, Tag), changes: &[Change]) -> bool {
        let concern = |repository: &Repository, tag: &Tag| {
            changes.iter().any(|change| change.repository() == repository && change.concerns(tag))
        };
        if concern(repository, tag) {
            return true;
        }
        // Most tags are of other repositories; names are costly to make.
        let here = changes.iter().any(|change| change.repository() == repository);
        if !here && !self.rules.reach_elsewhere() {
            return false;
        }
        let rule = self.rules.of(repository, tag);
        if !here && rule.elsewhere() == 0 {
            return false;
        }
        rule.candidates(repository, tag)
            .iter()
            .any(|other| concern(other.address.repository.as_ref().unwrap_or(repository), &other.address.tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(repository: &str, tag: &str) -> Change {
        Change::Tag(repository.parse().unwrap(), tag.parse().unwrap())
    }

    #[test]
    fn what_was_asked_before_a_change_is_kept_as_late() {
        let (changes, change) = (Changes::default(), tag("team/app", "latest"));
        let is_late = |count| changes.keep(count, |noted| *noted == change, |late| late);
        assert!(!is_late(0));
        changes.note(&[tag("team/app", "v1"), change.clone()]);
        assert!(is_late(0) && is_late(1) && !is_late(2));
        changes.note(&[tag("team/app", "v2")]);
        assert!(is_late(0) && is_late(1) && !is_late(2));
    }

    #[test]
    fn of_changes_that_are_forgotten_it_is_assumed_that_they_concern() {
        let changes = Changes::default();
        changes.note(&vec![tag("team/app", "v1"); REMEMBERED]);
        assert!(!changes.keep(0, |_| false, |late| late));
        changes.note(&[tag("team/app", "v1")]);
        assert!(changes.keep(0, |_| false, |late| late));
        assert!(!changes.keep(1, |_| false, |late| late));
        assert_eq!(changes.count(), REMEMBERED as u64 + 1);
    }
}
