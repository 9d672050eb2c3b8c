//! What makes an answer a manifest.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use onetag_oci::{Digest, MediaType, Reference};

use super::kind::Wrong;

/// A manifest or index as the upstream sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The document, byte for byte.
    pub bytes: Bytes,
    /// The Content-Type, without parameters.
    pub media_type: MediaType,
    /// The digest of `bytes`: of the reference's algorithm for a digest reference, else SHA-256.
    pub digest: Digest,
}

/// Reads the answer to a request for `reference`. Its JSON is only glanced at: whoever needs to know
/// parses it.
pub(super) fn read(headers: &HeaderMap, bytes: Bytes, reference: &Reference) -> Result<Manifest, Wrong> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.map(MediaType::from).ok_or(Wrong::Untyped)?;
    if media_type.as_str().starts_with("text/") {
        return Err(Wrong::Typed(media_type));
    }
    if bytes.is_empty() {
        return Err(Wrong::Empty);
    }
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Wrong::Json);
    }
    let digest = match reference {
        Reference::Digest(digest) => {
            verify(digest, &bytes)?;
            digest.clone()
        }
        Reference::Tag(_) => Digest::sha256(&bytes),
    };
    Ok(Manifest { bytes, media_type, digest })
}

/// Refuses content that a digest does not name.
pub(super) fn verify(digest: &Digest, bytes: &[u8]) -> Result<(), Wrong> {
    let mut hasher = digest.hasher();
    hasher.update(bytes);
    let found = hasher.finish();
    if found == *digest { Ok(()) } else { Err(Wrong::Digest { found }) }
}
