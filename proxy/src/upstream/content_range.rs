//! Which bytes of a blob an answer holds (RFC 9110, section 14.4).

use http::header::CONTENT_RANGE;
use http::{HeaderMap, HeaderValue};

/// The first and last byte in an answer, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl ContentRange {
    /// Reads `Content-Range: bytes 0-99/200`.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
        let (range, _complete) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? };
        (range.first <= range.last && range.last < u64::MAX).then_some(range)
    }

    /// Whether a 206 with these headers, and a body of this length where that is known, is what the value of a
    /// `Range` asks for; it may be less, as long as it says so. Only single ranges of bytes are judged.
    pub(super) fn answers(asked: &HeaderValue, headers: &HeaderMap, length: Option<u64>) -> bool {
        let asked = asked.to_str().ok().and_then(|text| text.strip_prefix("bytes="));
        let Some((first, last)) =
            asked.filter(|text| !text.contains(',')).and_then(|one| one.split_once('-'))
        else {
            return true;
        };
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let (first, last) = (number(first), number(last));
        let Some(found) = Self::read(headers) else { return false };
        let starts = first.is_none_or(|first| first == found.first);
        let fits = match (first, last) {
            (Some(_), Some(last)) => found.last <= last,
            // The last so many.
            (None, Some(count)) => found.length() <= count,
            (_, None) => true,
        };
        starts && fits && length.is_none_or(|length| length == found.length())
    }

    /// The value of `Range` that asks for these bytes.
    pub(super) fn header(self) -> HeaderValue {
        let Self { first, last } = self;
        // Digits and a dash are always a legal header value.
        HeaderValue::try_from(format!("bytes={first}-{last}"))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// How many bytes that is.
    pub(super) fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(asked: &'static str, found: &'static str, length: Option<u64>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_RANGE, HeaderValue::from_static(found));
        ContentRange::answers(&HeaderValue::from_static(asked), &headers, length)
    }

    #[test]
    fn a_part_is_what_was_asked_for_or_less_and_as_long_as_it_says() {
        for (asked, found, length, right) in [
            ("bytes=5-9", "bytes 5-9/20", Some(5), true),
            ("bytes=5-9", "bytes 5-9/*", None, true),
            ("bytes=5-9", "bytes 5-7/8", Some(3), true),
            ("bytes=5-", "bytes 5-19/20", Some(15), true),
            ("bytes=-3", "bytes 17-19/20", Some(3), true),
            ("bytes=0-1,4-5", "", None, true),
            ("lines=1-2", "", None, true),
            ("bytes=5-9", "bytes 5-9/20", Some(4), false),
            ("bytes=5-9", "bytes 5-10/20", Some(6), false),
            ("bytes=5-9", "bytes 6-9/20", Some(4), false),
            ("bytes=5-", "bytes 0-19/20", Some(20), false),
            ("bytes=-3", "bytes 0-19/20", Some(20), false),
            ("bytes=5-9", "", Some(5), false),
        ] {
            assert_eq!(answers(asked, found, length), right, "{asked} {found} {length:?}");
        }
    }
}
