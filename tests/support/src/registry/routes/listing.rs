//! Lists: tags, repositories, referrers.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, LINK};
use serde_json::json;

use super::super::answer::Answer;
use super::super::endpoint::parameter;
use super::super::store::Store;
use crate::image::media_type::OCI_INDEX;

/// One page of a list, and the `Link` to the next if there is one.
struct Page<'a> {
    names: Vec<&'a String>,
    link: Option<String>,
}

impl<'a> Page<'a> {
    /// The page of `names`, which are in order, that `n` and `last` of the query ask for.
    fn of(names: impl Iterator<Item = &'a String>, query: &str, path: &str) -> Self {
        let limit: Option<usize> = parameter(query, "n").and_then(|n| n.parse().ok());
        let last = parameter(query, "last").unwrap_or_default();
        let mut rest = names.filter(|name| last.is_empty() || **name > last);
        let names: Vec<_> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
        let link = match (names.last(), limit) {
            (Some(last), Some(limit)) if rest.next().is_some() => {
                Some(format!("<{path}?last={last}&n={limit}>; rel=\"next\""))
            }
            _ => None,
        };
        Self { names, link }
    }

    fn linked(link: Option<String>, answer: Answer) -> Answer {
        match link {
            Some(link) => answer.header(LINK, &link),
            None => answer,
        }
    }
}

pub(super) fn tags(store: &Store, repository: &str, query: &str) -> Answer {
    let Some(found) = store.repositories.get(repository) else {
        return Answer::error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let Page { names, link } = Page::of(found.tags.keys(), query, &format!("/v2/{repository}/tags/list"));
    Page::linked(link, Answer::json(StatusCode::OK, &json!({ "name": repository, "tags": names })))
}

pub(super) fn catalog(store: &Store, query: &str) -> Answer {
    let Page { names, link } = Page::of(store.repositories.keys(), query, "/v2/_catalog");
    Page::linked(link, Answer::json(StatusCode::OK, &json!({ "repositories": names })))
}

pub(super) fn referrers(store: &Store, repository: &str, digest: &str, query: &str) -> Answer {
    let mut found =
        store.repositories.get(repository).map(|found| found.referrers(digest)).unwrap_or_default();
    let wanted = parameter(query, "artifactType");
    if let Some(wanted) = &wanted {
        found.retain(|descriptor| descriptor["artifactType"] == wanted.as_str());
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found });
    let answer = Answer::json(StatusCode::OK, &index).header(CONTENT_TYPE, OCI_INDEX);
    match wanted {
        Some(_) => answer.header(HeaderName::from_static("oci-filters-applied"), "artifactType"),
        None => answer,
    }
}
