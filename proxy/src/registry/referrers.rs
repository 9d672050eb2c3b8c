//! Referrers (distribution-spec, section Listing referrers).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, Uri};
use onetag_oci::{Digest, MediaType, Repository};

use crate::resolve::Resolver;

use super::body::Body;
use super::error::RegistryError;
use super::passed::pass;

const NONE: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Answers a request for what refers to a digest. Nothing refers to an index that onetag made (rule G1).
pub(super) async fn list(
    resolver: &Arc<Resolver>,
    method: &Method,
    uri: &Uri,
    repository: &Repository,
    digest: &Digest,
) -> Result<Response<Body>, RegistryError> {
    if !resolver.is_merged(repository, digest).await {
        return pass(resolver.upstream(), method, uri, repository, &format!("referrers/{digest}")).await;
    }
    let body = if method == Method::HEAD { Body::empty() } else { Body::full(Bytes::from_static(NONE)) };
    let mut response = Response::new(body);
    let index = HeaderValue::from_str(MediaType::OciIndex.as_str()).expect("a media type is ASCII");
    response.headers_mut().insert(CONTENT_TYPE, index);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(NONE.len()));
    Ok(response)
}
