//! What changes something: manifests that are put, and what is deleted. After it the very next read shows it (threat
//! T13).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, Response};
use onetag_oci::{Digest, MAX_DOCUMENT_BYTES, Reference};

use super::body::Body;
use super::call::Call;
use super::error::{Code, RegistryError};
use super::manifest::CONTENT_DIGEST;
use super::query;
use super::relay::{self, header};
use super::routes::Names;
use crate::access::Action;
use crate::flight::FlightLost;
use crate::resolve::{Change, ResolveError, Resolver};
use crate::upstream::{Actions, ErrorKind, Phase, Target, UpstreamError, Write, Written};

/// How long the upstream may take over a manifest or a deletion once it has all of the request.
const PATIENCE: Duration = Duration::from_mins(1);

/// The most tags that one PUT names.
const MAX_TAGS: usize = 64;

/// What a request's body has to be.
pub trait Content:
    http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static
{
}

impl<B> Content for B where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static
{
}

/// Puts a manifest.
pub(super) async fn put_manifest<B: Content>(
    call: &Call<'_>,
    names: &Names,
    reference: &Reference,
    body: B,
) -> Result<Response<Body>, RegistryError> {
    let forwarded = forwarded_query(call);
    let mut changes = Vec::new();
    if let Reference::Tag(tag) = reference {
        changes.push(Change::Tag(names.inner.clone(), tag.clone()));
    }
    for tag in query::parameters(call.request.uri.query().unwrap_or_default(), "tag") {
        let invalid = |error| RegistryError::new(Code::ManifestInvalid, format!("{error}"));
        if changes.len() > MAX_TAGS {
            return Err(RegistryError::new(Code::ManifestInvalid, "a PUT names at most 64 tags"));
        }
        changes.push(Change::Tag(names.inner.clone(), tag.parse().map_err(invalid)?));
    }
    let write = Write {
        method: Method::PUT,
        target: Target::Path(format!("/v2/{}/manifests/{reference}{forwarded}", names.inner)),
        repository: names.inner.clone(),
        actions: Actions::Push,
        from: None,
        headers: forwarded_headers(&call.request.headers),
        limit: Some(MAX_DOCUMENT_BYTES as u64),
        patience: PATIENCE,
    };
    let written = changed(&call.resolver, write, body, changes).await?;
    if !written.status.is_success() {
        return Ok(relay::refusal(&written, call, Code::NameUnknown));
    }
    let reference = match (written.headers.get(&CONTENT_DIGEST), reference) {
        (_, Reference::Digest(digest)) => digest.to_string(),
        (Some(digest), Reference::Tag(_)) => String::from_utf8_lossy(digest.as_bytes()).into_owned(),
        (None, Reference::Tag(tag)) => tag.to_string(),
    };
    let mut response = relay::success(&written);
    response.headers_mut().insert(LOCATION, header(call.address(names, &format!("manifests/{reference}"))));
    Ok(response)
}

/// Deletes a manifest, or a tag.
pub(super) async fn delete_manifest(
    call: &Call<'_>,
    names: &Names,
    reference: &Reference,
) -> Result<Response<Body>, RegistryError> {
    let change = match reference {
        Reference::Tag(tag) => Change::Tag(names.inner.clone(), tag.clone()),
        Reference::Digest(digest) => Change::Deleted(names.inner.clone(), digest.clone()),
    };
    let write = deletion(names, &format!("manifests/{reference}"));
    let written = changed(&call.resolver, write, nothing(), vec![change]).await?;
    Ok(relay::answer(&written, call, Code::ManifestUnknown))
}

/// Deletes a blob of a repository.
pub(super) async fn delete_blob(
    call: &Call<'_>,
    names: &Names,
    digest: &Digest,
) -> Result<Response<Body>, RegistryError> {
    let change = Change::Deleted(names.inner.clone(), digest.clone());
    let write = deletion(names, &format!("blobs/{digest}"));
    let written = changed(&call.resolver, write, nothing(), vec![change]).await?;
    Ok(relay::answer(&written, call, Code::BlobUnknown))
}

fn deletion(names: &Names, rest: &str) -> Write {
    Write {
        method: Method::DELETE,
        target: Target::Path(format!("/v2/{}/{rest}", names.inner)),
        repository: names.inner.clone(),
        actions: Actions::Delete,
        from: None,
        headers: HeaderMap::new(),
        limit: None,
        patience: PATIENCE,
    }
}

/// Sends a request and notes what it changed before its answer is told. A client that leaves ends neither: the
/// upstream may have done what it was told.
async fn changed<B: Content>(
    resolver: &Arc<Resolver>,
    write: Write,
    body: B,
    changes: Vec<Change>,
) -> Result<Written, RegistryError> {
    let resolver = Arc::clone(resolver);
    let task = tokio::spawn(async move {
        let answer = resolver.upstream().write(write, body).await;
        if may_have_changed(&answer)
            && !changes.is_empty()
            && let Err(error) = resolver.invalidate(changes).await
        {
            tracing::warn!(%error, "after a restart, what was pushed may be answered as it was before");
        }
        answer
    });
    Ok(task.await.map_err(|_| ResolveError::Lost(FlightLost))??)
}

/// Whether the upstream may have done what it was told: not where it says that it did not, nor where it did not get all
/// of the request. Else whoever may not push could have everything asked for anew.
fn may_have_changed(answer: &Result<Written, UpstreamError>) -> bool {
    match answer.as_ref().map_err(UpstreamError::kind) {
        Ok(written) => !written.status.is_client_error(),
        Err(ErrorKind::Timeout { phase, .. }) => matches!(phase, Phase::Headers | Phase::Body),
        Err(ErrorKind::Status { status, .. }) => status.is_server_error(),
        Err(error) => matches!(error, ErrorKind::Broken(_) | ErrorKind::Wrong(_)),
    }
}

/// The headers of a client that say something about the body that it sends (threat T10).
pub(super) fn forwarded_headers(headers: &HeaderMap) -> HeaderMap {
    let about = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_RANGE];
    about.into_iter().filter_map(|name| Some((name.clone(), headers.get(&name)?.clone()))).collect()
}

/// The query that goes upstream, with its question mark: all but what is meant for onetag.
pub(super) fn forwarded_query(call: &Call<'_>) -> String {
    let query = query::without(call.request.uri.query().unwrap_or_default(), &["ns"]);
    if query.is_empty() { query } else { format!("?{query}") }
}

/// What a request may do, by its method; reading where it does not say.
pub(super) fn action_of(method: &Method) -> Action {
    match *method {
        Method::DELETE => Action::Delete,
        Method::PUT | Method::POST | Method::PATCH => Action::Push,
        _ => Action::Pull,
    }
}

/// An empty body.
pub(super) fn nothing() -> http_body_util::Empty<Bytes> {
    http_body_util::Empty::new()
}
