//! Blobs: get with ranges, redirect, delete.

use std::ops::RangeInclusive;
use std::sync::PoisonError;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, RANGE};

use super::super::answer::Answer;
use super::super::server::Call;
use super::super::store::Store;
use super::{Api, content};

impl Api {
    pub(super) fn blob(&self, repository: &str, digest: &str, call: &Call) -> Answer {
        let Some(bytes) = self.store().blob(repository, digest) else { return unknown() };
        let redirection = self.redirection.lock().unwrap_or_else(PoisonError::into_inner);
        match redirection.as_ref() {
            Some(redirection) => Answer::redirect(307, &redirection.url_of(digest)),
            None => ranged(content(call, "application/octet-stream", digest, bytes), call),
        }
    }
}

pub(super) fn delete(store: &mut Store, repository: &str, digest: &str) -> Answer {
    let found = store.repositories.get_mut(repository);
    if found.is_some_and(|found| found.delete_blob(digest)) {
        Answer::new(StatusCode::ACCEPTED)
    } else {
        unknown()
    }
}

/// Narrows a 200 down to the `Range` that the request asks for. Several ranges at once get the whole.
pub(in super::super) fn ranged(answer: Answer, call: &Call) -> Answer {
    let answer = answer.header(ACCEPT_RANGES, "bytes");
    let asked = call
        .headers
        .get(RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("bytes="));
    let Some(asked) = asked.filter(|asked| !asked.contains(',') && answer.status == StatusCode::OK) else {
        return answer;
    };
    let total = answer.body.len();
    match parse_range(asked, total) {
        None => answer,
        Some(range) if range.is_empty() => Answer::new(StatusCode::RANGE_NOT_SATISFIABLE)
            .header(CONTENT_RANGE, &format!("bytes */{total}"))
            .header(ACCEPT_RANGES, "bytes"),
        Some(range) => {
            let shown = format!("bytes {}-{}/{total}", range.start(), range.end());
            let part: Bytes = answer.body.slice(range);
            let mut answer = answer.header(CONTENT_RANGE, &shown).body(part);
            answer.status = StatusCode::PARTIAL_CONTENT;
            answer
        }
    }
}

/// `None` for what is no range, an empty range for one that cannot be satisfied.
fn parse_range(asked: &str, total: usize) -> Option<RangeInclusive<usize>> {
    #[expect(clippy::reversed_empty_ranges, reason = "an empty range says: not satisfiable")]
    let unsatisfiable = 1..=0;
    let (first, last) = asked.split_once('-')?;
    if first.is_empty() {
        let length: usize = last.parse().ok()?;
        let satisfiable = length > 0 && total > 0;
        return Some(if satisfiable { total.saturating_sub(length)..=total - 1 } else { unsatisfiable });
    }
    let first: usize = first.parse().ok()?;
    let last = if last.is_empty() { usize::MAX } else { last.parse().ok()? };
    if last < first {
        return None;
    }
    Some(if first < total { first..=last.min(total - 1) } else { unsatisfiable })
}

fn unknown() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges_follow_the_grammar_of_http() {
        assert_eq!(parse_range("0-3", 10), Some(0..=3));
        assert_eq!(parse_range("4-", 10), Some(4..=9));
        assert_eq!(parse_range("4-99", 10), Some(4..=9));
        assert_eq!(parse_range("-3", 10), Some(7..=9));
        assert_eq!(parse_range("-30", 10), Some(0..=9));
        assert_eq!(parse_range("3-2", 10), None);
        assert_eq!(parse_range("x-", 10), None);
        assert!(parse_range("10-", 10).is_some_and(|range| range.is_empty()));
        assert!(parse_range("-0", 10).is_some_and(|range| range.is_empty()));
    }
}
