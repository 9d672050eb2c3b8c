//! What upstreams say in headers and errors: targets of `crate::fuzzing`.

use std::sync::LazyLock;
use std::time::Duration;

use http::header::{CONTENT_RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use super::challenge::{self, Challenge};
use super::content_range::ContentRange;
use super::destination::Destinations;
use super::detail::Detail;
use super::retry_after;

/// Lines of `WWW-Authenticate`: a realm that is accepted is one that may be asked.
pub(crate) fn challenge(data: &[u8]) -> bool {
    static PUBLIC: LazyLock<Destinations> = LazyLock::new(|| destinations("https://r.example"));
    static LOCAL: LazyLock<Destinations> = LazyLock::new(|| destinations("http://127.0.0.1:5000"));
    let values = data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let headers: HeaderMap = values.map(|value| (WWW_AUTHENTICATE, value)).collect();
    let told = challenge::told(&headers);
    assert!(told.len() <= 8 && told.iter().all(|value| value.len() <= 4 << 10), "too much is told");
    if let Ok(Challenge::Bearer(server)) = Challenge::read(&headers, &LOCAL) {
        assert!(matches!(server.realm.scheme_str(), Some("http" | "https")), "a realm of another scheme");
    }
    let read = Challenge::read(&headers, &PUBLIC);
    if let Ok(Challenge::Bearer(server)) = &read {
        assert_eq!(server.realm.scheme_str(), Some("https"), "a realm without TLS");
        let authority = server.realm.authority().expect("a realm has a host");
        assert!(!authority.as_str().contains('@'), "a realm with an account");
        let inside = ["localhost", "127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254"];
        assert!(!inside.contains(&authority.host()), "a realm inside");
    }
    read.is_ok()
}

fn destinations(url: &str) -> Destinations {
    Destinations::new(&url.parse().expect("a URL"))
}

/// The value of `Range`, that of `Content-Range`, and the length of a body, a line each: what is taken for an answer
/// begins where it was asked for and ends no later.
pub(crate) fn content_range(data: &[u8]) -> bool {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut value = || HeaderValue::from_bytes(lines.next().unwrap_or_default()).ok();
    let (Some(asked), Some(found), Some(length)) = (value(), value(), value()) else { return false };
    let headers = HeaderMap::from_iter([(CONTENT_RANGE, found)]);
    let length: Option<u64> = length.to_str().ok().and_then(|text| text.parse().ok());
    let answers = ContentRange::answers(&asked, &headers, length);
    let Some(found) = ContentRange::read(&headers) else { return false };
    assert!(found.first <= found.last && found.length() > 0, "a range of nothing");
    assert!(ContentRange::answers(&found.header(), &headers, Some(found.length())), "it is not itself");
    if let (true, Some((first, last))) = (answers, asked.to_str().ok().and_then(plain)) {
        assert!(found.first == first && found.last <= last, "other bytes than those asked for");
        assert!(length.is_none_or(|length| length == found.length()), "another length than it says");
    }
    answers
}

/// The numbers of `bytes=1-2`.
fn plain(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// A line of `Retry-After`, and the body of an error: neither keeps anybody back for long, nor floods the log.
pub(crate) fn answer(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, body) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let detail = Detail::read(body).to_string();
    assert!(detail.chars().count() <= 200 * "\\u{10ffff}".len() + " ()".len(), "a long detail");
    assert!(!detail.contains(char::is_control), "a detail that acts on a terminal");
    let headers: HeaderMap =
        HeaderValue::from_bytes(line).ok().map(|value| (RETRY_AFTER, value)).into_iter().collect();
    let wait = retry_after::read(&headers);
    if let Some(wait) = wait {
        let gate = retry_after::Gate::default();
        gate.shut(wait);
        assert!(gate.left().is_none_or(|left| left <= Duration::from_mins(10)), "a long wait");
    }
    wait.is_some() || !detail.is_empty()
}
