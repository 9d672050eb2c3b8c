//! Blobs, whole and in part.

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IntoHeaderName,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use onetag_oci::Digest;
use prometheus::IntCounter;

use crate::resolve::{BlobReply, BlobRequest, ServedBlob};
use crate::upstream::UpstreamBody;

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::manifest::{CONTENT_DIGEST, has_etag};
use super::range;
use super::routes::Names;

/// Answers a request for a blob, or for a part of it.
pub(super) async fn get(
    call: &Call<'_>,
    sent_bytes: &IntCounter,
    called: &Names,
    digest: &Digest,
    endpoint: &Endpoint,
) -> Result<Response<Body>, RegistryError> {
    let names = Headers::of(digest);
    let http::request::Parts { method, headers, .. } = call.request;
    let head = method == Method::HEAD;
    let (repository, digest) = (called.inner.clone(), digest.clone());
    let range = if head { None } else { range::read(headers, &names.etag) };
    let has = headers.get_all(IF_NONE_MATCH).iter().any(|etags| has_etag(etags, &names.etag));
    Ok(match call.resolver.blob(BlobRequest { repository, digest, head, range }).await? {
        BlobReply::Absent => return Err(endpoint.absent()),
        BlobReply::OutOfRange(size) => out_of_range(Some(header(format!("bytes */{size}")))),
        BlobReply::Served(blob) if blob.is_hit && has => names.unchanged(),
        BlobReply::Served(blob) => names.serve(blob, sent_bytes),
        BlobReply::Passed(answer) => names.pass(answer, head, sent_bytes),
    })
}

/// The headers that name a blob.
struct Headers {
    etag: HeaderValue,
    digest: HeaderValue,
}

impl Headers {
    fn of(digest: &Digest) -> Self {
        Self { etag: header(format!("\"{digest}\"")), digest: header(digest.to_string()) }
    }

    fn serve(self, blob: ServedBlob, sent_bytes: &IntCounter) -> Response<Body> {
        let ServedBlob { size, part, body, .. } = blob;
        let body = body.map_or_else(Body::empty, |body| Body::Blob(Box::pin(body), sent_bytes.clone()));
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_DIGEST, self.digest);
        headers.insert(ETAG, self.etag);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let length = part.map_or(size, |(first, end)| Some(end - first));
        insert(headers, CONTENT_LENGTH, length.map(HeaderValue::from));
        if let (Some((first, end)), Some(size)) = (part, size) {
            headers.insert(CONTENT_RANGE, header(format!("bytes {first}-{}/{size}", end - 1)));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        response
    }

    fn unchanged(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().extend([(CONTENT_DIGEST, self.digest), (ETAG, self.etag)]);
        response
    }

    /// The upstream's own answer, under the digest that was asked for.
    fn pass(self, answer: Response<UpstreamBody>, head: bool, sent_bytes: &IntCounter) -> Response<Body> {
        let (mut parts, body) = answer.into_parts();
        if parts.status == StatusCode::RANGE_NOT_SATISFIABLE {
            return out_of_range(parts.headers.remove(CONTENT_RANGE));
        }
        // One blob has one entity tag, whoever answers.
        parts.headers.insert(CONTENT_DIGEST, self.digest);
        parts.headers.insert(ETAG, self.etag);
        let octets = HeaderValue::from_static("application/octet-stream");
        parts.headers.entry(CONTENT_TYPE).or_insert(octets);
        let body = if head { Body::empty() } else { Body::Passed(Box::pin(body), sent_bytes.clone()) };
        Response::from_parts(parts, body)
    }
}

/// It says how large the blob is, where that is known (RFC 9110, section 15.5.17).
fn out_of_range(size: Option<HeaderValue>) -> Response<Body> {
    let error = RegistryError::new(Code::RangeInvalid, "the blob does not have the range asked for");
    let mut response = error.response();
    insert(response.headers_mut(), CONTENT_RANGE, size);
    response
}

fn insert(headers: &mut HeaderMap, name: impl IntoHeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digests and numbers are ASCII")
}
