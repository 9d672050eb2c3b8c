//! Manifests and indexes, by tag and by digest.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use onetag_oci::{Accept, Digest, Repository, Tag};

use crate::cache::Content;

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::routes::Names;

/// The header that names the digest of what a response is about.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What the answer to a tag is: `merged`, `passed`, `held` (rule I7) or `stale` (rule I6).
const SOURCE: HeaderName = HeaderName::from_static("onetag-source");

/// The tags that the answer is made of (`docs/threats.md`, decision 3).
const MEMBERS: HeaderName = HeaderName::from_static("onetag-members");

/// How the members differ in the build that they come from, where they do (rule I7).
const SKEW: HeaderName = HeaderName::from_static("onetag-skew");

/// As many headers as an answer has at most, of this file and of [`super::service`]; their map never grows.
const MOST_HEADERS: usize = 12;

/// Answers a request for a tag: the index, or one image for a client that takes no index (rule T8).
pub(super) async fn by_tag(
    call: &mut Call<'_>,
    names: &Names,
    tag: &Tag,
    endpoint: &Endpoint,
) -> Result<Response<Body>, RegistryError> {
    let record = match call.tag(names, tag).await {
        Ok(record) => record,
        // A token is to be good for every repository that the merge needs.
        Err(error) => {
            let others = call.resolver.others(&names.inner, tag);
            return Err(RegistryError::from(error).with_scopes(&others));
        }
    };
    let headers = &call.request.headers;
    let tagged = record.tagged.as_ref().ok_or_else(|| match &record.withheld {
        Some(why) => RegistryError::new(Code::ManifestUnknown, why.to_string()),
        None => endpoint.absent(),
    })?;
    let accept = Accept::parse(headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes));
    let mut response = if accept.takes_index() || !tagged.content.media_type.is_index() {
        respond(headers, &tagged.content)
    } else {
        let single = call.resolver.single(&names.inner, tagged).await?;
        let none = "the client accepts no image index, and this one has no linux/amd64 image";
        match single {
            Some(single) => respond(headers, &single),
            None => RegistryError::new(Code::ManifestUnknown, none).response(),
        }
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    headers.insert(SOURCE, HeaderValue::from_static(record.source()));
    headers.insert(MEMBERS, tagged.members.clone());
    if let Some(skew) = tagged.skew {
        headers.insert(SKEW, HeaderValue::from_static(skew.word()));
    }
    Ok(response)
}

/// Answers a request for a digest: these bytes or none (rule T10).
pub(super) async fn by_digest(
    call: &Call<'_>,
    repository: &Repository,
    digest: &Digest,
    endpoint: &Endpoint,
) -> Result<Response<Body>, RegistryError> {
    let content = call.resolver.manifest(repository, digest).await?.ok_or_else(|| endpoint.absent())?;
    Ok(respond(&call.request.headers, &content))
}

/// The content, or the word that the client has it already.
fn respond(request: &HeaderMap, content: &Content) -> Response<Body> {
    let unchanged = request.get_all(IF_NONE_MATCH).iter().any(|etags| has_etag(etags, &content.etag));
    let body = if unchanged { Bytes::new() } else { content.bytes.clone() };
    let mut response = Response::new(Body::full(body));
    let headers = response.headers_mut();
    headers.reserve(MOST_HEADERS);
    headers.insert(CONTENT_DIGEST, content.content_digest.clone());
    headers.insert(ETAG, content.etag.clone());
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, content.content_type());
    }
    response
}

/// Whether a list of entity tags (RFC 9110, section 13.1.2) holds this one; weak ones count.
pub(super) fn has_etag(list: &HeaderValue, etag: &HeaderValue) -> bool {
    let mut tags = list.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}
