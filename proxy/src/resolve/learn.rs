//! Learning which suffixes a repository's tags have, from its tag list.

use std::sync::Arc;
use std::time::Instant;

use http::header::LINK;
use onetag_oci::Repository;
use serde::Deserialize;

use super::resolver::Resolver;

/// The most pages of a tag list that are read, of [`PAGE_TAGS`] tags each; a repository with more tags
/// is asked for every suffix, every time.
const MAX_PAGES: usize = 20;
const PAGE_TAGS: usize = 1_000;
const MAX_PAGE_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Resolver {
    /// Reads the tag list in the background, once however many ask.
    pub(super) fn learn_suffixes(self: &Arc<Self>, repository: &Repository) {
        let (resolver, repository) = (Arc::clone(self), repository.clone());
        tokio::spawn(async move {
            let this = Arc::clone(&resolver);
            let learn = |repository: Repository| async move {
                let asked = Instant::now();
                let mask = this.listed_suffixes(&repository).await;
                tracing::debug!(%repository, listed = mask.is_some(), "learned the repository's suffixes");
                this.suffixes.learn(&repository, mask, asked);
            };
            resolver.learning.join(repository.clone(), || learn(repository)).await
        });
    }

    /// The suffixes that occur in the tag list, one bit each; none when the list cannot be had whole.
    async fn listed_suffixes(&self, repository: &Repository) -> Option<u32> {
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
            mask |= tags.iter().fold(0, |mask, tag| mask | self.scheme.mask(tag));
            match next {
                None => return Some(mask),
                Some(next) => query = next.ok()??,
            }
        }
        None
    }
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
