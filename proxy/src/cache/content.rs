//! A manifest or index as it is served: bytes and headers, ready.

use bytes::Bytes;
use http::HeaderValue;
use onetag_oci::{Digest, MediaType};

/// Immutable content and the headers that go with it, prepared once so that a hit formats nothing. There may be
/// millions of these, so what can be shared is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The exact bytes.
    pub bytes: Bytes,
    /// Their type.
    pub media_type: MediaType,
    /// Their digest.
    pub digest: Digest,
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
    /// Content whose digest was computed from these very bytes. They are copied: as they came from a connection, they
    /// may be a small part of a large buffer. The headers share the copy.
    pub fn new(bytes: &[u8], media_type: MediaType, digest: Digest) -> Self {
        let etag = format!("\"{digest}\"");
        let all = Bytes::from([etag.as_bytes(), bytes].concat());
        Self {
            bytes: all.slice(etag.len()..),
            content_digest: header(all.slice(1..etag.len() - 1)),
            etag: header(all.slice(..etag.len())),
            media_type,
            digest,
        }
    }

    /// The header Content-Type: the bare media type (rule T3).
    pub fn content_type(&self) -> HeaderValue {
        // What nearly all content is of, made when this is compiled: to make a value looks at each of its bytes.
        const OCI_INDEX: HeaderValue = known(&MediaType::OciIndex);
        const OCI_MANIFEST: HeaderValue = known(&MediaType::OciManifest);
        const DOCKER_LIST: HeaderValue = known(&MediaType::DockerList);
        const DOCKER_MANIFEST: HeaderValue = known(&MediaType::DockerManifest);
        match &self.media_type {
            MediaType::OciIndex => OCI_INDEX,
            MediaType::OciManifest => OCI_MANIFEST,
            MediaType::DockerList => DOCKER_LIST,
            MediaType::DockerManifest => DOCKER_MANIFEST,
            other => HeaderValue::from_str(other.as_str()).unwrap_or(NOTHING),
        }
    }

    /// Content from bytes that were kept somewhere; they are not trusted (threat T31).
    pub fn verified(bytes: &[u8], media_type: MediaType, digest: Digest) -> Result<Self, DigestMismatch> {
        if digest.matches(bytes) { Ok(Self::new(bytes, media_type, digest)) } else { Err(DigestMismatch) }
    }

    /// The memory that it takes, in bytes, for the caches' accounts.
    pub fn weight(&self) -> u32 {
        const FIXED: usize = 512;
        u32::try_from(self.bytes.len() + FIXED).unwrap_or(u32::MAX)
    }
}

const NOTHING: HeaderValue = HeaderValue::from_static("");

const fn known(media_type: &'static MediaType) -> HeaderValue {
    match media_type.known() {
        Some(text) => HeaderValue::from_static(text),
        None => NOTHING,
    }
}

fn header(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or(NOTHING)
}
