//! `/explain?ref=REPOSITORY[:TAG|@DIGEST]` of the admin listener: what `onetag inspect --json` says, asked of
//! the upstream now, and what clients get from the cache meanwhile.

use http::StatusCode;
use onetag_oci::{Reference, Repository};

use super::admin::Answer;
use super::query;
use crate::registry::Routes;
use crate::resolve::{Explanation, ResolveError};

const USAGE: &str = "write /explain?ref=REPOSITORY:TAG or /explain?ref=REPOSITORY@DIGEST";

/// Answers the query.
pub(super) async fn answer(routes: &Routes, query: &str) -> Answer {
    let (outer, reference) = match parse(query) {
        Ok(parsed) => parsed,
        Err(message) => return Answer::failure(StatusCode::BAD_REQUEST, &message),
    };
    let Some((site, repository)) = routes.of_repository(&outer) else { return query::unknown() };
    let resolver = &site.resolver;
    let explained = match &reference {
        Reference::Tag(tag) => resolver.explain(&repository, tag).await,
        Reference::Digest(digest) => resolver.explain_digest(&repository, digest).await,
    };
    explained.map_or_else(|error| failed(&error), |explanation| found(&explanation))
}

fn parse(query: &str) -> Result<(Repository, Reference), String> {
    let (repository, reference) = query::reference(query, USAGE)?;
    let reference = reference.map_or_else(|| "latest".parse(), Ok);
    Ok((repository, reference.map_err(|error| error.to_string())?))
}

fn found(explanation: &Explanation) -> Answer {
    match serde_json::to_string_pretty(explanation) {
        Ok(text) => Answer::json(StatusCode::OK, format!("{text}\n")),
        Err(error) => Answer::failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn failed(error: &ResolveError) -> Answer {
    Answer::failure(StatusCode::BAD_GATEWAY, &error.to_string())
}
