//! One request, from its path to its response.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use onetag_config::Secret;
use onetag_oci::Reference;
use tracing::Instrument;

use crate::resolve::Resolver;
use crate::telemetry::{Metrics, RequestId, Route};

use super::body::Body;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::peer::Peer;
use super::webhook::{self, Webhook};
use super::{blob, manifest, referrers, tags};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The registry that clients see. Shared by all connections.
pub struct Registry {
    resolver: Arc<Resolver>,
    metrics: Arc<Metrics>,
    webhook: Option<Webhook>,
}

impl Registry {
    /// The registry surface of a resolver.
    pub fn new(resolver: Arc<Resolver>, metrics: Arc<Metrics>) -> Self {
        Self { resolver, metrics, webhook: None }
    }

    /// The same, which registries may tell of pushes with this token.
    #[must_use]
    pub fn notified_with(self, token: &Secret) -> Self {
        Self { webhook: Some(Webhook::new(token.expose())), ..self }
    }

    /// Answers one request of a peer. Only a notification's body is looked at: nothing is written through onetag.
    pub async fn answer_request<B>(&self, request: Request<B>, _peer: &Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let started = Instant::now();
        let id = RequestId::next();
        let span = tracing::debug_span!("request", %id);
        let (parts, body) = request.into_parts();
        let (route, answered) = match &self.webhook {
            Some(webhook) if parts.uri.path() == webhook::PATH => {
                let answer = Box::pin(webhook.answer(&self.resolver, &self.metrics, &parts, body));
                (Route::Notifications, answer.instrument(span.clone()).await)
            }
            _ => {
                drop(body);
                match Endpoint::parse(parts.uri.path()) {
                    Ok(endpoint) => {
                        (endpoint.route(), self.answer(&parts, endpoint).instrument(span.clone()).await)
                    }
                    Err(error) => (Route::Other, Err(error)),
                }
            }
        };
        let mut response = answered.unwrap_or_else(|error| span.in_scope(|| refuse(id, &error)));
        if parts.method == Method::HEAD {
            response = without_body(response);
        }
        response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        let (status, took) = (response.status().as_u16(), started.elapsed());
        self.metrics.request(route, status, took);
        span.in_scope(|| {
            tracing::debug!(method = %parts.method, path = parts.uri.path(), status, ?took, "answered");
        });
        response
    }

    async fn answer(
        &self,
        request: &http::request::Parts,
        endpoint: Endpoint,
    ) -> Result<Response<Body>, RegistryError> {
        let http::request::Parts { method, uri, headers, .. } = request;
        if method != Method::GET && method != Method::HEAD {
            let message = "onetag serves pulls only; push and delete at the registry behind it";
            return Err(RegistryError::new(Code::Unsupported, message));
        }
        let resolver = &self.resolver;
        // Tags alone are answered where they stand: what the others need would make each of those larger, too.
        match endpoint {
            Endpoint::Ping => Ok(ping()),
            Endpoint::Manifest(repository, Reference::Tag(tag)) => {
                manifest::by_tag(resolver, headers, &repository, &tag).await
            }
            Endpoint::Manifest(repository, Reference::Digest(digest)) => {
                Box::pin(manifest::by_digest(resolver, headers, &repository, &digest)).await
            }
            Endpoint::Blob(repository, digest) => {
                let sent = &self.metrics.blob_bytes;
                Box::pin(blob::get(resolver, sent, method, headers, repository, digest)).await
            }
            Endpoint::Tags(repository) => Box::pin(tags::list(resolver.upstream(), uri, &repository)).await,
            Endpoint::Referrers(repository, digest) => {
                Box::pin(referrers::list(resolver, uri, &repository, &digest)).await
            }
            Endpoint::Upload(_) => Err(RegistryError::new(Code::NotFound, "there are no uploads here")),
        }
    }
}

/// The API is here. What the upstream says to it does not matter: its credentials are onetag's.
fn ping() -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from_static(b"{}")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// HEAD is GET without the body (rule L4). hyper sees to it on HTTP/1 only.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // A body that is empty already was left out, or belongs to a 304: its length is not what GET would tell.
    if let Some(length) = body.size_hint().exact().filter(|_| !body.is_end_stream()) {
        parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}

/// The error's response; its id leads from the client's message to the log.
fn refuse(id: RequestId, error: &RegistryError) -> Response<Body> {
    let mut response = error.response();
    if response.status().is_server_error() {
        tracing::warn!(%id, status = response.status().as_u16(), error = error.for_the_log(), "failed");
    } else {
        tracing::debug!(status = response.status().as_u16(), error = error.for_the_log(), "refused");
    }
    let text = HeaderValue::from_str(&id.to_string()).expect("an id is hexadecimal");
    response.headers_mut().insert(REQUEST_ID, text);
    response
}
