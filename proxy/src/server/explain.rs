//! `/explain?ref=REPOSITORY[:TAG|@DIGEST]` of the admin listener: what `onetag inspect --json` says, asked of
//! the upstream now, and what clients get from the cache meanwhile.

use std::sync::Arc;

use http::StatusCode;
use onetag_oci::{Reference, Repository};
use percent_encoding::percent_decode_str;

use super::admin::Answer;
use crate::resolve::{Explanation, ResolveError, Resolver};

const USAGE: &str = "write /explain?ref=REPOSITORY:TAG or /explain?ref=REPOSITORY@DIGEST";

/// Answers the query.
pub(super) async fn answer(resolver: &Arc<Resolver>, query: &str) -> Answer {
    let (repository, reference) = match parse(query) {
        Ok(parsed) => parsed,
        Err(message) => return failure(StatusCode::BAD_REQUEST, &message),
    };
    let explained = match &reference {
        Reference::Tag(tag) => resolver.explain(&repository, tag).await,
        Reference::Digest(digest) => resolver.explain_digest(&repository, digest).await,
    };
    explained.map_or_else(|error| failed(&error), |explanation| found(&explanation))
}

fn parse(query: &str) -> Result<(Repository, Reference), String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("ref=")).ok_or(USAGE)?;
    let text = percent_decode_str(value).decode_utf8().map_err(|_| USAGE)?;
    let (repository, reference) = match (text.split_once('@'), text.rsplit_once(':')) {
        (Some((named, digest)), _) => (named.split(':').next().unwrap_or(named), digest),
        (None, Some((repository, tag))) => (repository, tag),
        (None, None) => (&*text, "latest"),
    };
    let wrong = |error: &dyn std::fmt::Display| format!("{error}; {USAGE}");
    Ok((repository.parse().map_err(|e| wrong(&e))?, reference.parse().map_err(|e| wrong(&e))?))
}

fn found(explanation: &Explanation) -> Answer {
    match serde_json::to_string_pretty(explanation) {
        Ok(text) => json(StatusCode::OK, format!("{text}\n")),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn failed(error: &ResolveError) -> Answer {
    failure(StatusCode::BAD_GATEWAY, &error.to_string())
}

pub(super) fn failure(status: StatusCode, message: &str) -> Answer {
    json(status, format!("{}\n", serde_json::json!({ "error": message })))
}

fn json(status: StatusCode, text: String) -> Answer {
    Answer { status, text, media_type: "application/json" }
}
