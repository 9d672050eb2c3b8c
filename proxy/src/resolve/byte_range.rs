//! A part of a blob, as a client asks for it (RFC 9110, section 14.1.2).

use http::HeaderValue;

/// One range of bytes, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From this byte to the end.
    From(u64),
    /// From the first to the last of these bytes.
    Between(u64, u64),
    /// So many bytes at the end.
    Last(u64),
}

impl ByteRange {
    /// The first byte and the one after the last, in a blob of `size` bytes; none when it has no such bytes.
    pub fn within(self, size: u64) -> Option<(u64, u64)> {
        let (first, end) = match self {
            Self::From(first) => (first, size),
            Self::Between(first, last) => (first, last.saturating_add(1).min(size)),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        (first < end).then_some((first, end))
    }

    /// The value of `Range` that asks for it.
    pub(super) fn header(self) -> HeaderValue {
        let text = match self {
            Self::From(first) => format!("bytes={first}-"),
            Self::Between(first, last) => format!("bytes={first}-{last}"),
            Self::Last(count) => format!("bytes=-{count}"),
        };
        // Digits and a dash are always a legal header value.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::ByteRange::{Between, From, Last};

    #[test]
    fn a_range_is_cut_at_the_end_of_the_blob() {
        for (range, size, bytes) in [
            (From(0), 10, Some((0, 10))),
            (From(9), 10, Some((9, 10))),
            (From(10), 10, None),
            (From(u64::MAX), u64::MAX, None),
            (Between(0, 0), 10, Some((0, 1))),
            (Between(5, u64::MAX), 10, Some((5, 10))),
            (Between(10, 20), 10, None),
            (Last(3), 10, Some((7, 10))),
            (Last(30), 10, Some((0, 10))),
            (Last(0), 10, None),
            (Last(1), 0, None),
            (From(0), 0, None),
        ] {
            assert_eq!(range.within(size), bytes, "{range:?} of {size}");
        }
    }
}
