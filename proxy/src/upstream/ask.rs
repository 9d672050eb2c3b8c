//! A question to the upstream, in all that its attempts have in common.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use onetag_config::UpstreamUrl;

use crate::telemetry::UpstreamKind;

use super::auth::Proof;
use super::error::{Asked, UpstreamError};
use super::kind::ErrorKind;
use super::right::Right;
use super::via::own_via;

const AGENT: &str = concat!("onetag/", env!("CARGO_PKG_VERSION"));

/// What is asked for. With GET or HEAD it may be repeated and redirected; the others are writes.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) kind: UpstreamKind,
    pub(super) method: Method,
    pub(super) uri: Uri,
    /// By whose right, and so with what credentials.
    pub(super) right: Right,
    headers: HeaderMap,
}

impl Ask {
    /// A question to the upstream itself, below the path that its URL may have. An error means that the path
    /// is none that a request can have.
    pub(super) fn at(
        url: &UpstreamUrl,
        kind: UpstreamKind,
        method: Method,
        path_and_query: &str,
        right: Right,
    ) -> Result<Self, http::Error> {
        // Built from parts: joined as text, `@host/` after the authority would be another host.
        let uri = Uri::builder()
            .scheme(url.scheme().to_string().as_str())
            .authority(url.authority())
            .path_and_query(format!("{}{path_and_query}", url.path_prefix()))
            .build()?;
        Ok(Self::to(uri, kind, method, right))
    }

    /// A question to a URL, which may be elsewhere.
    pub(super) fn to(uri: Uri, kind: UpstreamKind, method: Method, right: Right) -> Self {
        let headers = HeaderMap::from_iter([
            (USER_AGENT, HeaderValue::from_static(AGENT)),
            // Digests are those of the content as it is.
            (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            (VIA, own_via().clone()),
        ]);
        Self { kind, method, uri, right, headers }
    }

    /// The same question with one more header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same question without a header.
    pub(super) fn without(mut self, name: HeaderName) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same question for certain media types.
    pub(super) fn accepting(self, types: &'static str) -> Self {
        self.with(ACCEPT, HeaderValue::from_static(types))
    }

    /// The value of a header of the question.
    pub(super) fn header(&self, name: HeaderName) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    /// Whether it is asked on behalf of a caller, with what that one sent.
    pub(super) fn is_on_behalf(&self) -> bool {
        matches!(self.right, Right::Callers(_))
    }

    /// The request to `uri`, which is the question's own or one that it was redirected to.
    pub(super) fn request(&self, uri: &Uri, proof: Option<&Proof>) -> Request<Full<Bytes>> {
        self.carrying(Full::default(), uri, proof)
    }

    /// The same with a body.
    pub(super) fn carrying<B>(&self, body: B, uri: &Uri, proof: Option<&Proof>) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.clone();
        request.headers_mut().clone_from(&self.headers);
        if let Some(proof) = proof {
            request.headers_mut().insert(AUTHORIZATION, proof.header().clone());
        }
        request
    }

    /// How errors name the question.
    pub(super) fn asked(&self) -> Asked {
        Asked::new(self.method.clone(), &self.uri)
    }

    /// A failure at `uri`.
    pub(super) fn failed(&self, uri: &Uri, kind: ErrorKind) -> UpstreamError {
        if *uri == self.uri {
            UpstreamError::new(self.asked(), kind)
        } else {
            UpstreamError::redirected(self.asked(), Asked::new(self.method.clone(), uri), kind)
        }
    }
}
