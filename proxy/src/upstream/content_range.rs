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
