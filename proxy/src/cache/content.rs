//! A manifest or index as it is served: bytes and headers, ready.

use bytes::Bytes;
use http::HeaderValue;
use onetag_oci::{Digest, MediaType};

/// Immutable content and the headers that go with it, prepared once so that a hit formats nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The exact bytes.
    pub bytes: Bytes,
    /// Their type; the same as `content_type`.
    pub media_type: MediaType,
    /// Their digest.
    pub digest: Digest,
    /// The header Content-Type: the bare media type (rule T3).
    pub content_type: HeaderValue,
    /// The header Content-Length.
    pub content_length: HeaderValue,
    /// The header Docker-Content-Digest.
    pub content_digest: HeaderValue,
    /// The header `ETag`: the digest in quotes.
    pub etag: HeaderValue,
}

/// Bytes that do not have the digest under which they were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not have their digest")]
pub struct DigestMismatch;

impl Content {
    /// Content whose digest was computed from these very bytes.
    pub fn new(bytes: Bytes, media_type: MediaType, digest: Digest) -> Self {
        let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        Self {
            content_type: header(media_type.as_str()),
            content_length: HeaderValue::from(bytes.len()),
            content_digest: header(&digest.to_string()),
            etag: header(&format!("\"{digest}\"")),
            bytes,
            media_type,
            digest,
        }
    }

    /// Content from bytes that were kept somewhere; they are not trusted (threat T31).
    pub fn verified(bytes: Bytes, media_type: MediaType, digest: Digest) -> Result<Self, DigestMismatch> {
        if digest.matches(&bytes) { Ok(Self::new(bytes, media_type, digest)) } else { Err(DigestMismatch) }
    }

    /// The memory that it takes, in bytes, for the caches' accounts.
    pub fn weight(&self) -> u32 {
        const HEADERS: usize = 512;
        u32::try_from(self.bytes.len() + HEADERS).unwrap_or(u32::MAX)
    }
}
