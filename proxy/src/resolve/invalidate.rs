//! What a push or a deletion takes with it: the tag, and every merge that depends on it (threat T13).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use onetag_oci::{Digest, Repository, Tag};

use super::resolver::Resolver;

/// How many pushes are remembered for the renewals that are under way.
const REMEMBERED: usize = 1_024;

/// What was pushed or deleted: a tag, or anything in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Push {
    repository: Repository,
    tag: Option<Tag>,
}

/// The latest pushes, so that a renewal that began before one does not outlive it.
#[derive(Default)]
pub(super) struct Pushes {
    count: AtomicU64,
    latest: Mutex<VecDeque<Push>>,
}

impl Pushes {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn note(&self, push: Push) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.push_front(push);
        latest.truncate(REMEMBERED);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether there was one of this kind after the first `count`; of what is forgotten, it is assumed.
    pub(super) fn since(&self, count: u64, concerns: impl Fn(&Push) -> bool) -> bool {
        if self.count() == count {
            return false;
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let new = usize::try_from(self.count() - count).unwrap_or(usize::MAX);
        new > latest.len() || latest.iter().take(new).any(concerns)
    }
}

impl Resolver {
    /// Something was pushed or deleted: a tag, or anything in a repository. The tag and whatever is merged from
    /// it are not answered again before the upstream was asked; how many tags that concerns.
    ///
    /// Their last answers stay for the case that the upstream fails.
    pub async fn invalidate(&self, repository: &Repository, tag: Option<&Tag>) -> usize {
        let push = Push { repository: repository.clone(), tag: tag.cloned() };
        self.pushes.note(push.clone());
        self.occurring.forget(repository);
        let only = Some(repository).filter(|_| !self.rules.reach_elsewhere());
        let expired = self.tags.expire(only, |key| self.depends(key, &push)).await;
        tracing::debug!(%repository, tag = tag.map(Tag::as_str), expired, "invalidated");
        expired
    }

    /// A manifest was deleted: it is not answered from the cache any more, and no tag of its repository is.
    pub async fn invalidate_digest(&self, repository: &Repository, digest: &Digest) -> usize {
        self.manifests.remove(repository, digest);
        self.invalidate(repository, None).await
    }

    /// Whether the answer to a tag may depend on what was pushed.
    pub(super) fn depends(&self, (repository, tag): &(Repository, Tag), push: &Push) -> bool {
        if *repository == push.repository && push.tag.as_ref().is_none_or(|pushed| pushed == tag) {
            return true;
        }
        let rule = self.rules.of(repository, tag);
        if *repository != push.repository && rule.elsewhere() == 0 {
            return false;
        }
        rule.candidates(repository, tag).iter().any(|other| {
            *other.address.repository.as_ref().unwrap_or(repository) == push.repository
                && push.tag.as_ref().is_none_or(|pushed| *pushed == other.address.tag)
        })
    }
}
