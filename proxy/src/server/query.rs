//! `?ref=REPOSITORY[:TAG|@DIGEST]`, as the admin listener's questions and orders name what they are about.

use http::StatusCode;
use onetag_oci::{Reference, Repository};
use percent_encoding::percent_decode_str;

use super::admin::Answer;

/// That no upstream has the repository.
pub(super) fn unknown() -> Answer {
    Answer::failure(StatusCode::NOT_FOUND, "no registry is configured for this name")
}

/// Reads a query: a repository, and what of it is meant, where that is said. A wrong one ends with `usage`.
pub(super) fn reference(query: &str, usage: &str) -> Result<(Repository, Option<Reference>), String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("ref=")).ok_or(usage)?;
    let text = percent_decode_str(value).decode_utf8().map_err(|_| usage)?;
    let (repository, reference) = match (text.split_once('@'), text.rsplit_once(':')) {
        (Some((named, digest)), _) => (named.split(':').next().unwrap_or(named), Some(digest)),
        (None, Some((repository, tag))) => (repository, Some(tag)),
        (None, None) => (&*text, None),
    };
    let wrong = |error: onetag_oci::NameError| format!("{error}; {usage}");
    let repository = repository.parse().map_err(wrong)?;
    let reference = reference.map(str::parse).transpose().map_err(wrong)?;
    Ok((repository, reference))
}
