//! `Range` and `If-Range` of a request (RFC 9110, sections 13.1.5 and 14.2).

use http::HeaderMap;
use http::header::{HeaderValue, IF_RANGE, RANGE};

use crate::resolve::ByteRange;

/// The one range of bytes that a request asks for. Several ranges, other units, and what is no range at all
/// are ignored, as the specification allows: then the whole is served. So it is where `If-Range` does not name
/// `etag`.
pub(super) fn read(headers: &HeaderMap, etag: &HeaderValue) -> Option<ByteRange> {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(range), None) = (values.next(), values.next()) else { return None };
    if headers.get(IF_RANGE).is_some_and(|condition| condition != etag) {
        return None;
    }
    parse(range.to_str().ok()?)
}

fn parse(text: &str) -> Option<ByteRange> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(ByteRange::Last(number(last)?)),
        (false, true) => Some(ByteRange::From(number(first)?)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

/// A number of any size. One that is too large for any blob stays too large.
fn number(digits: &str) -> Option<u64> {
    let are_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    are_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::ByteRange::{Between, From, Last};
    use super::*;

    #[test]
    fn single_ranges_of_bytes_are_read() {
        for (text, range) in [
            ("bytes=0-", From(0)),
            ("bytes=007-", From(7)),
            ("bytes=0-0", Between(0, 0)),
            ("Bytes=5-9", Between(5, 9)),
            ("bytes= 5-9 ", Between(5, 9)),
            ("bytes=-5", Last(5)),
            ("bytes=-0", Last(0)),
            ("bytes=18446744073709551615-", From(u64::MAX)),
            ("bytes=18446744073709551616-", From(u64::MAX)),
            ("bytes=0-99999999999999999999999999", Between(0, u64::MAX)),
            ("bytes=-99999999999999999999999999", Last(u64::MAX)),
        ] {
            assert_eq!(parse(text), Some(range), "{text}");
        }
    }

    #[test]
    fn everything_else_is_ignored() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=9-5",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=--5",
            "bytes=1-2-3",
            "bytes=0-1,5-9",
            "lines=1-2",
            "bytes 0-1/5",
            "bytes=0x1-2",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_condition_must_name_the_blob_strongly() {
        let etag = HeaderValue::from_static("\"sha256:a\"");
        let read_if = |condition: &'static str| {
            let mut headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=1-2"))]);
            headers.insert(IF_RANGE, HeaderValue::from_static(condition));
            read(&headers, &etag)
        };
        assert_eq!(read_if("\"sha256:a\""), Some(Between(1, 2)));
        for other in ["W/\"sha256:a\"", "\"sha256:b\"", "sha256:a", "Sat, 29 Oct 1994 19:43:31 GMT", ""] {
            assert_eq!(read_if(other), None, "{other}");
        }
    }

    #[test]
    fn two_headers_are_no_range() {
        let mut headers = HeaderMap::new();
        headers.append(RANGE, HeaderValue::from_static("bytes=1-2"));
        assert_eq!(read(&headers, &HeaderValue::from_static("x")), Some(Between(1, 2)));
        headers.append(RANGE, HeaderValue::from_static("bytes=3-4"));
        assert_eq!(read(&headers, &HeaderValue::from_static("x")), None);
    }
}
