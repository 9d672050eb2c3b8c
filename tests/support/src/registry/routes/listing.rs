//! Lists: tags, repositories, referrers.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, LINK};
use serde_json::json;

use super::super::answer::Answer;
use super::super::endpoint::parameter;
use super::super::store::Store;
use crate::image::media_type::OCI_INDEX;

pub(super) fn tags(store: &Store, repository: &str, query: &str) -> Answer {
    let Some(found) = store.repositories.get(repository) else {
        return Answer::error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let limit: Option<usize> = parameter(query, "n").and_then(|n| n.parse().ok());
    let last = parameter(query, "last").unwrap_or_default();
    let mut rest = found.tags.keys().filter(|tag| last.is_empty() || **tag > last);
    let page: Vec<&String> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
    let answer = Answer::json(StatusCode::OK, &json!({ "name": repository, "tags": page }));
    match (page.last(), limit) {
        (Some(last), Some(limit)) if rest.next().is_some() => {
            let link = format!("</v2/{repository}/tags/list?last={last}&n={limit}>; rel=\"next\"");
            answer.header(LINK, &link)
        }
        _ => answer,
    }
}

pub(super) fn catalog(store: &Store) -> Answer {
    let names: Vec<&String> = store.repositories.keys().collect();
    Answer::json(StatusCode::OK, &json!({ "repositories": names }))
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
