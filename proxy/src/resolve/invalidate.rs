//! What a push or a deletion takes with it: the tag, and every merge that depends on it (threat T13).

use std::sync::Arc;

use onetag_oci::{Repository, Tag};

use super::error::ResolveError;
use super::resolver::Resolver;
use crate::cache::{Change, TagRecord};

impl Resolver {
    /// Something was pushed or deleted. The tags that it concerns and whatever is merged from them are not
    /// answered again before the upstream was asked, also after a restart; how many tags in memory those are.
    ///
    /// Their last answers stay for the case that the upstream fails; a manifest that was deleted does not.
    ///
    /// Fails when a restart would not know of it; until then, it counts all the same.
    pub async fn invalidate(self: &Arc<Self>, changes: Vec<Change>) -> Result<usize, ResolveError> {
        let Some(first) = changes.first() else { return Ok(0) };
        let mut writes = self.changes.note(&changes);
        let repository = first.repository().clone();
        self.forget_members(&changes);
        for change in &changes {
            if let Change::Deleted(repository, digest) = change {
                writes.push(self.manifests.remove(repository, digest));
                writes.push(self.links.remove(repository, digest));
            }
        }
        let (resolver, count) = (Arc::clone(self), changes.len());
        // It looks at every tag in memory.
        let expired = tokio::task::spawn_blocking(move || {
            let concerns =
                |key: &_, record: &_| changes.iter().any(|change| resolver.touches(key, record, change));
            resolver.tags.expire(concerns)
        });
        let (expired, kept) = tokio::join!(expired, self.changes.keep_noted(writes));
        let expired = expired.map_err(|_| crate::flight::FlightLost)?;
        tracing::debug!(changes = count, %repository, expired, "invalidated");
        kept.map_err(ResolveError::Store)?;
        Ok(expired)
    }

    /// There may be members now that there were not.
    fn forget_members(&self, changes: &[Change]) {
        let is_whole = |change: &Change| !matches!(change, Change::Tag(..));
        self.occurring.forget(|(repository, place)| {
            let whole = changes.iter().any(|change| is_whole(change) && change.repository() == repository);
            whole || self.rules.has_elsewhere(*place)
        });
        // A tag shows which member it is; what was known besides stays.
        for change in changes {
            if let Change::Tag(repository, tag) = change {
                self.occurring
                    .add(|(of, place)| if of == repository { self.rules.mask(*place, tag) } else { 0 });
            }
        }
    }

    /// Whether a change may make an answer wrong that was given for a tag.
    pub(super) fn touches(&self, key: &(Repository, Tag), record: &TagRecord, change: &Change) -> bool {
        let Change::Deleted(repository, digest) = change else { return self.depends(key, change) };
        // Only a tag that named the manifest is gone with it.
        let tags = record.tagged.iter().flat_map(|tagged| &tagged.basis.tags);
        tags.into_iter().any(|(address, named)| {
            named == digest && address.repository.as_ref().unwrap_or(&key.0) == repository
        })
    }

    /// Whether the answer to a tag may depend on what changed, whatever it was made of.
    pub(super) fn depends(&self, (repository, tag): &(Repository, Tag), change: &Change) -> bool {
        let concerns = |repository: &Repository, tag: &Tag| match change {
            Change::Tag(changed, named) => changed == repository && named == tag,
            Change::Deleted(changed, _) | Change::Repository(changed) => changed == repository,
        };
        if concerns(repository, tag) {
            return true;
        }
        // Most tags are of other repositories; names are costly to make.
        let here = change.repository() == repository;
        if !here && !self.rules.reach_elsewhere() {
            return false;
        }
        let rule = self.rules.of(repository, tag);
        if !here && rule.elsewhere() == 0 {
            return false;
        }
        rule.candidates(repository, tag).iter().any(|other| {
            concerns(other.address.repository.as_ref().unwrap_or(repository), &other.address.tag)
        })
    }
}
