//! Referrers (distribution-spec, section Listing referrers).

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, Uri};
use onetag_oci::{Digest, Document, MediaType, Repository};

use crate::resolve::Resolver;

use super::body::Body;
use super::error::RegistryError;
use super::passed::pass;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const NONE: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Answers a request for what refers to a digest. Nothing refers to an index that onetag made;
/// what refers to an image of another repository is there (rule G1).
pub(super) async fn list(
    resolver: &Arc<Resolver>,
    uri: &Uri,
    repository: &Repository,
    digest: &Digest,
) -> Result<Response<Body>, RegistryError> {
    if !resolver.is_merged(repository, digest).await {
        let path = format!("referrers/{digest}");
        // Where nobody can say whose image this is, an empty list would say that it is unsigned.
        let source = resolver.source(repository, digest).await?;
        let home = source.as_ref().unwrap_or(repository);
        let list = pass(resolver.upstream(), uri, (repository, home), &path, INDEX).await?;
        if let Some(source) = &source
            && let Ok(Document::Index(index)) = Document::parse(list.body(), &MediaType::OciIndex)
        {
            let listed = index.manifests.into_iter().map(|entry| entry.digest).collect();
            resolver.serve_also(repository, source, listed).await;
        }
        return Ok(list.map(Body::full));
    }
    let mut response = Response::new(Body::full(Bytes::from_static(NONE)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(INDEX));
    Ok(response)
}
