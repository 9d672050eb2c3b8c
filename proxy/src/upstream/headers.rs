//! Which headers of an answer count.

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::kind::Wrong;

/// The headers of an answer that a client may see: those in `names`, once.
pub(super) fn pick(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

/// Refuses content that is encoded although nobody asked for it.
pub(super) fn identity(headers: &HeaderMap) -> Result<(), Wrong> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) { Ok(()) } else { Err(Wrong::Encoded) }
}
