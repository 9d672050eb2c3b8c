//! The tags of a repository: all of them, and those that are left where the rules hide members.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use http::header::LINK;
use onetag_oci::{Repository, Tag};
use serde::Deserialize;

use super::error::ResolveError;
use super::grants::is_callers_own;
use super::resolver::Resolver;
use crate::flight::FlightLost;
use crate::merge::{Candidate, Rules};
use crate::upstream::UpstreamError;

/// The most pages of a tag list that are read, of [`PAGE_TAGS`] tags each; a repository with more tags
/// is asked for every member, every time, and none is hidden.
const MAX_PAGES: usize = 20;
const PAGE_TAGS: usize = 1_000;
const MAX_PAGE_BYTES: usize = 1 << 20;

/// The part of a tag list that is asked for (distribution-spec, section Listing tags).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The most tags; none for all.
    pub n: Option<usize>,
    /// The tag after which it begins, which need not be there.
    pub last: Option<String>,
}

/// A part of a tag list, in lexical order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagPage {
    /// The tags.
    pub tags: Vec<String>,
    /// Whether there are more behind the last of them.
    pub more: bool,
}

/// The tags that are listed, in lexical order; none where the list cannot be had whole.
pub(super) type Listing = Result<Option<Arc<[String]>>, ResolveError>;

#[derive(Deserialize)]
struct Answer {
    tags: Option<Vec<String>>,
}

impl Resolver {
    /// One part of a repository's tags, without those that are members of a tag that is there, where the rule of that
    /// tag says so. None where nothing is hidden: the upstream's own list says it all.
    pub async fn visible_tags(
        self: &Arc<Self>,
        repository: &Repository,
        page: Page,
    ) -> Result<Option<TagPage>, ResolveError> {
        if !self.rules.hide_members() || !self.grants_reading(repository).await? {
            return Ok(None);
        }
        let (resolver, of) = (Arc::clone(self), repository.clone());
        let list = || async move { resolver.visible(of).await };
        let tags = match self.listing.join(repository.clone(), list).await? {
            // Another caller's credentials may have been at work.
            Err(error) if self.caller.is_some() && is_callers_own(&error) => {
                Arc::clone(self).visible(repository.clone()).await?
            }
            tags => tags?,
        };
        Ok(tags.map(|tags| part(&tags, &page)))
    }

    async fn visible(self: Arc<Self>, repository: Repository) -> Listing {
        let Some(tags) = self.all_tags(&repository).await? else {
            tracing::debug!(%repository, "no tag is hidden: the list is too long, or cannot be had");
            return Ok(None);
        };
        // Of many tags the candidates are costly to make.
        let visible = tokio::task::spawn_blocking(move || visible(&self.rules, &repository, tags)).await;
        Ok(Some(visible.map_err(|_| FlightLost)?.into()))
    }

    /// All tags of a repository, as the upstream lists them; none where it does not list them, or too many.
    pub(super) async fn all_tags(
        &self,
        repository: &Repository,
    ) -> Result<Option<Vec<String>>, UpstreamError> {
        let mut all = Vec::new();
        let mut query = format!("n={PAGE_TAGS}");
        for _ in 0..MAX_PAGES {
            let path = format!("/v2/{repository}/tags/list?{query}");
            let page = self.upstream.small(repository, &path, MAX_PAGE_BYTES).await?;
            if page.status() != http::StatusCode::OK {
                return Ok(None);
            }
            let next = page.headers().get(LINK).map(|link| link.to_str().ok().and_then(next_query));
            let answer = serde_json::from_slice::<Answer>(page.body()).ok();
            // A repository has tags, or else this is no list: it must not say that there are no members.
            let Some(tags) = answer.and_then(|answer| answer.tags).filter(|tags| !tags.is_empty()) else {
                return Ok(None);
            };
            all.extend(tags);
            match next {
                None => return Ok(Some(all)),
                Some(None) => return Ok(None),
                Some(Some(next)) => query = next,
            }
        }
        Ok(None)
    }
}

/// The tags that are not hidden, in lexical order. Hidden is a member of a tag that is listed, so that whoever looks
/// for it finds that one. A member has no members itself, so none is hidden by one that is.
fn visible(rules: &Rules, repository: &Repository, tags: Vec<String>) -> Vec<String> {
    let mut tags: BTreeSet<String> = tags.into_iter().collect();
    let members = |base: &String| {
        let tag = base.parse::<Tag>().ok()?;
        let rule = rules.of(repository, &tag);
        rule.hide_members.then(|| rule.candidates(repository, &tag))
    };
    let here = |other: Candidate| other.address.repository.is_none().then(|| other.address.tag.to_string());
    let hidden: HashSet<String> = tags.iter().filter_map(members).flatten().filter_map(here).collect();
    tags.retain(|tag| !hidden.contains(tag));
    tags.into_iter().collect()
}

fn part(tags: &[String], page: &Page) -> TagPage {
    let first = page.last.as_ref().map_or(0, |last| tags.partition_point(|tag| tag <= last));
    let rest = &tags[first..];
    let n = page.n.unwrap_or(rest.len()).min(rest.len());
    TagPage { tags: rest[..n].to_vec(), more: n > 0 && n < rest.len() }
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
    use std::path::Path;

    use onetag_config::Config;
    use proptest::prelude::*;

    use super::*;

    fn left(config: &str, tags: &[&str]) -> Vec<String> {
        let config = Config::parse(config, Path::new("test.toml")).unwrap();
        let rules = Rules::new(&config.rule, &config.merge);
        visible(&rules, &"team/app".parse().unwrap(), tags.iter().map(|tag| (*tag).to_owned()).collect())
    }

    #[test]
    fn a_member_is_hidden_where_its_tag_is_there_to_be_found() {
        let suffixes = "[merge]\nhide_members = true\n";
        assert_eq!(left(suffixes, &["latest-arm", "latest", "v1", "v2-arm64"]), ["latest", "v1", "v2-arm64"]);
        assert_eq!(left(suffixes, &["a", "a-arm", "a-arm-arm"]), ["a", "a-arm-arm"]);
        let signed = format!("sha256-{}", "0".repeat(64));
        assert_eq!(left(suffixes, &[&signed, "a", "a-arm"]), ["a", signed.as_str()].map(String::from));
        assert_eq!(left("", &["latest", "latest-arm"]), ["latest", "latest-arm"]);
        let one = "[[rule]]\ntags = [\"latest\"]\nhide_members = true\n";
        assert_eq!(left(one, &["latest", "latest-arm", "v1", "v1-arm"]), ["latest", "v1", "v1-arm"]);
    }

    #[test]
    fn tags_that_are_members_of_each_other_hide_neither() {
        let words = "[[rule]]\nhide_members = true\ntags = [\"latest\", \"a*\"]\nmembers = [\"{arch}\"]\narch = [\"amd64\", \"arm64\"]\n";
        assert_eq!(left(words, &["amd64", "arm64"]), ["amd64", "arm64"]);
        assert_eq!(left(words, &["amd64", "arm64", "latest"]), ["latest"]);
    }

    #[test]
    fn only_the_query_of_the_next_link_is_taken() {
        let next = |link| next_query(link).unwrap_or_default();
        assert_eq!(next(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#), "last=b&n=2");
        assert_eq!(next(r#"<https://elsewhere.example/x?last=b>; rel="next""#), "last=b");
        for bad in ["", "</v2/a>; rel=\"next\"", "</v2/a?x>; rel=\"prev\"", "/v2/a?x; rel=next"] {
            assert_eq!(next(bad), "", "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_pages_of_any_size_are_the_whole_list(
            tags in proptest::collection::btree_set("[a-c]{1,3}", 0..40),
            n in 1usize..10,
        ) {
            let tags: Vec<String> = tags.into_iter().collect();
            let (mut all, mut last) = (Vec::new(), None);
            loop {
                let page = part(&tags, &Page { n: Some(n), last });
                all.extend(page.tags.iter().cloned());
                last = page.tags.last().cloned();
                if !page.more {
                    break;
                }
            }
            prop_assert_eq!(&all, &tags);
            let none = part(&tags, &Page { n: Some(0), last: None });
            prop_assert_eq!(none, TagPage::default());
        }
    }
}
