//! Learning which members a repository's tags have at all, from tag lists.

use std::sync::Arc;
use std::time::Instant;

use http::header::LINK;
use onetag_oci::{Repository, Tag};
use serde::Deserialize;

use crate::merge::{Candidate, Rule};

use super::resolver::Resolver;
use crate::cache::Change;

/// The most pages of a tag list that are read, of [`PAGE_TAGS`] tags each; a repository with more tags
/// is asked for every member, every time.
const MAX_PAGES: usize = 20;
const PAGE_TAGS: usize = 1_000;
const MAX_PAGE_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

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
        let mut mask = 0;
        let mut query = format!("n={PAGE_TAGS}");
        for _ in 0..MAX_PAGES {
            let path = format!("/v2/{repository}/tags/list?{query}");
            let page = self.upstream.small(repository, &path, MAX_PAGE_BYTES).await.ok()?;
            if page.status() != http::StatusCode::OK {
                return None;
            }
            let next = page.headers().get(LINK).map(|link| link.to_str().map(next_query));
            let body: Page = serde_json::from_slice(page.body()).ok()?;
            // A repository has tags, or else this is no list: it must not say that there are no members.
            let tags = body.tags.filter(|tags| !tags.is_empty())?;
            mask |= tags.iter().fold(0, |mask, tag| mask | rule.mask(tag));
            match next {
                None => return Some(mask),
                Some(next) => query = next.ok()??,
            }
        }
        None
    }
}

/// Whether a refusal is a registry's word that there is no such repository (distribution-spec, section Error
/// codes); another server's 404 says nothing.
fn is_unknown(body: &[u8]) -> bool {
    let body = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    body["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["code"] == "NAME_UNKNOWN"))
}

/// The query of `<path?query>; rel="next"`. Only the query is used: the path is known, and a Link must
/// not lead elsewhere.
fn next_query(link: &str) -> Option<String> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|part| matches!(part.trim(), "rel=\"next\"" | "rel=next"));
    let (_, query) = target.split_once('?')?;
    is_next.then(|| query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_query_of_the_next_link_is_taken() {
        let next = |link| next_query(link).unwrap_or_default();
        assert_eq!(next(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#), "last=b&n=2");
        assert_eq!(next(r#"<https://elsewhere.example/x?last=b>; rel="next""#), "last=b");
        for bad in ["", "</v2/a>; rel=\"next\"", "</v2/a?x>; rel=\"prev\"", "/v2/a?x; rel=next"] {
            assert_eq!(next(bad), "", "{bad}");
        }
    }
}
