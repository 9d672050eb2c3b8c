//! Learning which members a repository's tags have at all, from tag lists.

use std::sync::Arc;
use std::time::Instant;

use onetag_oci::{Repository, Tag};

use crate::merge::{Candidate, Rule};

use super::resolver::Resolver;
use crate::cache::Change;

/// The most bytes of a list that only says whether there is a repository.
const MAX_PAGE_BYTES: usize = 1 << 20;

impl Resolver {
    /// Reads the tag lists in the background, once however many ask.
    pub(super) fn learn_members(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
        candidates: &[Candidate],
    ) {
        let key = (repository.clone(), self.rules.of(repository, tag).place);
        let foreign = |other: &Candidate| Some((other.address.repository.clone()?, other.place));
        let foreign: Vec<(Repository, usize)> = candidates.iter().filter_map(foreign).collect();
        // What this tag is too long for says nothing about the others.
        let expanded = candidates.iter().fold(0, |mask, other| mask | 1 << other.place);
        let (resolver, tag) = (Arc::clone(self), tag.clone());
        tokio::spawn(async move {
            let this = Arc::clone(&resolver);
            let learn = |key: (Repository, usize)| async move {
                let (asked, before) = (Instant::now(), this.changes.now());
                let rule = this.rules.of(&key.0, &tag);
                let local = if rule.has_local() { this.listed(&key.0, rule).await } else { Some(0) };
                let elsewhere = this.existing(&foreign).await;
                let mask = local.map(|mask| mask | elsewhere | rule.elsewhere() & !expanded);
                if mask.is_none() && this.caller.is_some() {
                    // What one caller may not list is known to others.
                    return;
                }
                tracing::debug!(repository = %key.0, rule = rule.name, listed = mask.is_some(), "learned");
                // A list that was asked for before a push says nothing about what was pushed.
                let repository = &key.0;
                let concerns = |change: &Change| change.repository() == repository || rule.elsewhere() != 0;
                let learn = |late: bool| !late && this.occurring.learn(&key, mask, asked);
                if this.changes.keep(before, concerns, learn) {
                    this.tags.expire(|(of, _), _| of == repository);
                }
            };
            resolver.learning.join(key.clone(), || learn(key)).await
        });
    }

    /// The members in other repositories, one bit each, but for those whose repository does not exist.
    async fn existing(&self, foreign: &[(Repository, usize)]) -> u32 {
        let mut mask = 0;
        if self.caller.is_some() {
            // What one caller may not see is there for another.
            return foreign.iter().fold(0, |mask, (_, place)| mask | 1 << place);
        }
        for (repository, place) in foreign {
            let path = format!("/v2/{repository}/tags/list?n=1");
            let page = self.upstream.small(repository, &path, MAX_PAGE_BYTES).await;
            let absent = page
                .is_ok_and(|page| page.status() == http::StatusCode::NOT_FOUND && is_unknown(page.body()));
            mask |= u32::from(!absent) << place;
        }
        mask
    }

    /// The members that occur in the tag list, one bit each; none when the list cannot be had whole.
    async fn listed(&self, repository: &Repository, rule: &Rule) -> Option<u32> {
        let tags = self.all_tags(repository).await.ok()??;
        Some(tags.iter().fold(0, |mask, tag| mask | rule.mask(tag)))
    }
}

/// Whether a refusal is a registry's word that there is no such repository (distribution-spec, section Error
/// codes); another server's 404 says nothing.
fn is_unknown(body: &[u8]) -> bool {
    let body = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    body["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["code"] == "NAME_UNKNOWN"))
}
