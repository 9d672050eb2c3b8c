//! Referrers (distribution-spec, section Listing referrers).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};
use onetag_oci::{Digest, Document, MediaType, Reference, Repository, Tag};

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::passed::pass;
use super::query;
use super::routes::Names;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const NONE: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Answers a request for what refers to a digest. What refers to an image of another repository is there (rule G1);
/// where the upstream has no such list, the tag that stands for it is read.
pub(super) async fn list(
    call: &Call<'_>,
    names: &Names,
    digest: &Digest,
    endpoint: &Endpoint,
) -> Result<Response<Body>, RegistryError> {
    let resolver = &call.resolver;
    // The list itself is always the upstream's, to the caller's own credentials.
    let is_granted = resolver.grants_digest(&names.inner, digest).await?;
    // Where nobody can say whose image this is, an empty list would say that it is unsigned.
    let source = resolver.source(&names.inner, digest).await?;
    let home = source.as_ref().unwrap_or(&names.inner);
    let path = format!("referrers/{digest}");
    let listed = match pass(call, names, home, (&path, INDEX), endpoint).await {
        Err(error) if error.code() == Code::NameUnknown => fallback(call, home, digest, error).await,
        listed => listed,
    };
    let listed = match listed {
        // Only what was pushed through here can refer to an index that onetag made.
        Err(error)
            if error.code() == Code::NameUnknown
                && is_granted
                && resolver.is_merged(&names.inner, digest).await =>
        {
            Response::builder()
                .header(CONTENT_TYPE, INDEX)
                .body(Bytes::from_static(NONE))
                .map_err(|_| error)?
        }
        listed => listed?,
    };
    if let Some(source) = &source
        && let Ok(Document::Index(index)) = Document::parse(listed.body(), &MediaType::OciIndex)
    {
        let digests = index.manifests.into_iter().map(|entry| entry.digest).collect();
        resolver.serve_also(&names.inner, source, digests).await;
    }
    Ok(listed.map(Body::full))
}

/// The list under the tag by which it is known where registries have none (section Referrers tag schema).
async fn fallback(
    call: &Call<'_>,
    home: &Repository,
    digest: &Digest,
    absent: RegistryError,
) -> Result<Response<Bytes>, RegistryError> {
    let Some(tag) = tag_of(digest) else { return Err(absent) };
    let found = call.resolver.upstream().manifest(home, &Reference::Tag(tag)).await?;
    let Some(found) = found.filter(|found| found.media_type == MediaType::OciIndex) else {
        return Err(absent);
    };
    let wanted = query::parameter(call.request.uri.query().unwrap_or_default(), "artifactType");
    let (bytes, filtered) = match wanted.and_then(|wanted| of_type(&found.bytes, &wanted)) {
        Some(bytes) => (bytes, true),
        None => (found.bytes, false),
    };
    let mut response = Response::new(bytes);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(INDEX));
    if filtered {
        response.headers_mut().insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

/// `<algorithm>-<value>`, cut to what a tag can be.
fn tag_of(digest: &Digest) -> Option<Tag> {
    let text = digest.to_string().replacen(':', "-", 1);
    text.get(..text.len().min(128))?.parse().ok()
}

/// An index with those entries alone that have this artifact type; the entries are as they were.
fn of_type(index: &[u8], wanted: &str) -> Option<Bytes> {
    let mut index: serde_json::Value = serde_json::from_slice(index).ok()?;
    let entries = index.get_mut("manifests")?.as_array_mut()?;
    entries.retain(|entry| entry.get("artifactType").and_then(serde_json::Value::as_str) == Some(wanted));
    serde_json::to_vec(&index).ok().map(Bytes::from)
}
