//! Blobs: streamed from the upstream, out of the repository that has them.

use std::sync::Arc;

use http::header::{CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use onetag_oci::{Digest, Repository};
use prometheus::IntCounter;

use crate::resolve::Resolver;
use crate::upstream::{BlobRange, UpstreamBody};

use super::body::Body;
use super::error::{Code, RegistryError};
use super::manifest::CONTENT_DIGEST;

/// Answers a request for a blob, or for a part of it.
pub(super) async fn get(
    resolver: &Arc<Resolver>,
    sent_bytes: &IntCounter,
    method: &Method,
    headers: &HeaderMap,
    repository: &Repository,
    digest: &Digest,
) -> Result<Response<Body>, RegistryError> {
    let range = headers
        .get(RANGE)
        .filter(|_| method == Method::GET)
        .map(|range| BlobRange { range: range.clone(), if_range: headers.get(IF_RANGE).cloned() });
    let (mut parts, body) = fetch(resolver, method, range, repository, digest).await?.into_parts();
    match parts.status {
        StatusCode::NOT_FOUND => {
            return Err(RegistryError::new(Code::BlobUnknown, "the upstream has no such blob here"));
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let error = RegistryError::new(Code::RangeInvalid, "the blob does not have the range asked for");
            let mut response = error.response();
            // It says how large the blob is (RFC 9110, section 15.5.17).
            response
                .headers_mut()
                .extend(parts.headers.remove(CONTENT_RANGE).map(|size| (CONTENT_RANGE, size)));
            return Ok(response);
        }
        _ => {}
    }
    let text = HeaderValue::from_str(&digest.to_string()).expect("a digest is ASCII");
    parts.headers.insert(CONTENT_DIGEST, text);
    let octets = HeaderValue::from_static("application/octet-stream");
    parts.headers.entry(CONTENT_TYPE).or_insert(octets);
    let body =
        if method == Method::HEAD { Body::empty() } else { Body::Blob(Box::pin(body), sent_bytes.clone()) };
    Ok(Response::from_parts(parts, body))
}

/// Asks the repository that is known to have the blob (rule X1), then the one of the request.
async fn fetch(
    resolver: &Arc<Resolver>,
    method: &Method,
    range: Option<BlobRange>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Response<UpstreamBody>, RegistryError> {
    let upstream = resolver.upstream();
    let source = resolver.source(repository, digest).await;
    let elsewhere = match source {
        Ok(Some(source)) => match upstream.blob(&source, digest, method.clone(), range.clone()).await {
            Ok(found) if found.status() != StatusCode::NOT_FOUND => return Ok(found),
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        },
        Ok(None) => Ok(()),
        Err(error) => Err(error.into()),
    };
    let found = upstream.blob(repository, digest, method.clone(), range).await?;
    // It may be elsewhere, where nobody can say just now: that is not to say that there is none.
    if found.status() == StatusCode::NOT_FOUND { elsewhere.map(|()| found) } else { Ok(found) }
}
