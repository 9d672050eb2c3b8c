//! Referrers (distribution-spec, section Listing referrers).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, Uri};
use onetag_oci::{Digest, Repository};

use crate::resolve::Resolver;

use super::body::Body;
use super::error::RegistryError;
use super::passed::pass;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
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
        let path = format!("referrers/{digest}");
        return pass(resolver.upstream(), method, uri, repository, &path, INDEX).await;
    }
    let body = if method == Method::HEAD { Body::empty() } else { Body::full(Bytes::from_static(NONE)) };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(INDEX));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(NONE.len()));
    Ok(response)
}
