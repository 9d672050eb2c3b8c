//! Manifests and indexes, by tag and by digest.

use std::sync::LazyLock;

use http::header::{CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use onetag_oci::{Accept, Digest, Repository, Tag};

use crate::cache::Content;

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::fields::Fields;
use super::routes::Names;
use super::service::{API_VERSION, API_VERSION_VALUE};
use super::template::Template;

/// The header that names the digest of what a response is about.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What the answer to a tag is: `merged`, `passed`, `held` (rule I7) or `stale` (rule I6).
const SOURCE: HeaderName = HeaderName::from_static("onetag-source");

/// The tags that the answer is made of (`docs/threats.md`, decision 3).
const MEMBERS: HeaderName = HeaderName::from_static("onetag-members");

/// How the members differ in the build that they come from, where they do (rule I7).
const SKEW: HeaderName = HeaderName::from_static("onetag-skew");

/// What depends on this header of a request.
const VARIES: HeaderValue = HeaderValue::from_static("Accept");

/// The headers of every answer to a tag.
static BY_TAG: LazyLock<Template<7>> =
    LazyLock::new(|| Template::new([API_VERSION, CONTENT_DIGEST, ETAG, CONTENT_TYPE, VARY, SOURCE, MEMBERS]));

/// The headers of every answer to a digest.
static BY_DIGEST: LazyLock<Template<4>> =
    LazyLock::new(|| Template::new([API_VERSION, CONTENT_DIGEST, ETAG, CONTENT_TYPE]));

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
    let tagged = record.tagged.as_ref().ok_or_else(|| match &record.withheld {
        Some(why) => RegistryError::new(Code::ManifestUnknown, why.to_string()),
        None => endpoint.absent(),
    })?;
    let accept = Accept::parse(call.fields.accept.iter().map(HeaderValue::as_bytes));
    let single;
    let content = if accept.takes_index() || !tagged.content.media_type.is_index() {
        Some(&tagged.content)
    } else {
        single = Box::pin(call.resolver.single(&names.inner, tagged)).await?;
        single.as_ref()
    };
    let (source, members) = (HeaderValue::from_static(record.source()), tagged.members.clone());
    let mut response = if let Some(content) = content {
        let [digest, etag, content_type] = headers(content);
        let headers = [API_VERSION_VALUE, digest, etag, content_type, VARIES, source, members];
        respond(&call.fields, content, BY_TAG.filled(headers))
    } else {
        let none = "the client accepts no image index, and this one has no linux/amd64 image";
        let mut response = RegistryError::new(Code::ManifestUnknown, none).response();
        response.headers_mut().extend([(VARY, VARIES), (SOURCE, source), (MEMBERS, members)]);
        response
    };
    if let Some(skew) = &tagged.skew {
        response.headers_mut().insert(SKEW, skew.clone());
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
    let [digest, etag, content_type] = headers(&content);
    let headers = BY_DIGEST.filled([API_VERSION_VALUE, digest, etag, content_type]);
    Ok(respond(&call.fields, &content, headers))
}

/// What tells of content itself.
fn headers(content: &Content) -> [HeaderValue; 3] {
    [content.content_digest.clone(), content.etag.clone(), content.content_type()]
}

/// The content with its headers, or the word that the client has it already.
fn respond(request: &Fields<'_>, content: &Content, headers: HeaderMap) -> Response<Body> {
    let unchanged = request.if_none_match.iter().any(|etags| has_etag(etags, &content.etag));
    let mut response =
        Response::new(if unchanged { Body::empty() } else { Body::full(content.bytes.clone()) });
    *response.headers_mut() = headers;
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// Whether a list of entity tags (RFC 9110, section 13.1.2) holds this one; weak ones count.
pub(super) fn has_etag(list: &HeaderValue, etag: &HeaderValue) -> bool {
    let mut tags = list.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}
