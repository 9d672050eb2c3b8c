//! `POST /invalidate?ref=REPOSITORY[:TAG|@DIGEST]` of the admin listener: this was pushed or deleted, so the
//! upstream is to be asked before it is answered again. For pipelines, and registries that cannot notify.

use http::StatusCode;
use onetag_oci::Reference;
use serde_json::json;

use super::admin::Answer;
use super::query;
use crate::registry::Routes;
use crate::resolve::Change;

const USAGE: &str =
    "write /invalidate?ref=REPOSITORY, /invalidate?ref=REPOSITORY:TAG or /invalidate?ref=REPOSITORY@DIGEST";

/// Does what the query says. Without a tag and a digest it is the whole repository.
pub(super) async fn answer(routes: &Routes, query: &str) -> Answer {
    let (outer, reference) = match query::reference(query, USAGE) {
        Ok(read) => read,
        Err(message) => return Answer::failure(StatusCode::BAD_REQUEST, &message),
    };
    let Some((site, repository)) = routes.of_repository(&outer) else { return query::unknown() };
    let change = match reference {
        Some(Reference::Tag(tag)) => Change::Tag(repository.clone(), tag),
        Some(Reference::Digest(digest)) => Change::Deleted(repository.clone(), digest),
        None => Change::Repository(repository),
    };
    match site.resolver.invalidate(vec![change]).await {
        Ok(expired) => {
            let told = json!({ "repository": outer.as_str(), "expired": expired });
            Answer::json(StatusCode::OK, format!("{told}\n"))
        }
        Err(error) => {
            let message = format!("done, but a restart will not know of it; say it again: {error}");
            Answer::failure(StatusCode::SERVICE_UNAVAILABLE, &message)
        }
    }
}
