//! One request, from its path to its response.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body as _;
use onetag_config::Secret;
use onetag_oci::Reference;
use tracing::Instrument;

use crate::access::{Access, Action};
use crate::telemetry::{Metrics, RequestId, Route};
use crate::upstream::own_via;

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::external::External;
use super::fields::Fields;
use super::peer::Peer;
use super::routes::{Names, Routes};
use super::sealed::Seal;
use super::webhook::{self, Webhook};
use super::write::{self, Content};
use super::{blob, catalog, manifest, ping, referrers, tags, upload};

pub(super) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(super) const API_VERSION_VALUE: HeaderValue = HeaderValue::from_static("registry/2.0");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The registry that a client of a mirror meant by `?ns=`.
const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");

/// The registry that clients see. Shared by all connections.
pub struct Registry {
    routes: Arc<Routes>,
    access: Arc<ArcSwap<Access>>,
    external: External,
    seal: Seal,
    metrics: Arc<Metrics>,
    webhook: Option<Webhook>,
}

impl Registry {
    /// The registry surface of these upstreams. What callers may do can be exchanged while it runs.
    ///
    /// Fails where the system has no randomness.
    pub fn new(
        routes: Arc<Routes>,
        access: Arc<ArcSwap<Access>>,
        external: External,
        metrics: Arc<Metrics>,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self { routes, access, external, seal: Seal::new()?, metrics, webhook: None })
    }

    /// The same, which registries may tell of pushes with this token.
    #[must_use]
    pub fn notified_with(self, token: &Secret) -> Self {
        Self { webhook: Some(Webhook::new(token.expose())), ..self }
    }

    /// Answers one request of a client.
    pub async fn answer_request<B: Content>(&self, request: Request<B>, peer: &Peer) -> Response<Body> {
        let started = Instant::now();
        let id = RequestId::next();
        let span = tracing::debug_span!("request", %id);
        let (parts, body) = request.into_parts();
        let (route, answered) = match &self.webhook {
            Some(webhook) if parts.uri.path() == webhook::PATH => {
                let answer = Box::pin(webhook.answer(&self.routes, &self.metrics, &parts, body));
                (Route::Notifications, answer.instrument(span.clone()).await)
            }
            _ if parts.method == Method::CONNECT => {
                (Route::Other, Err(RegistryError::method(&[Method::GET, Method::HEAD])))
            }
            _ => match Endpoint::parse(parts.uri.path()) {
                Ok(endpoint) => {
                    let answer = pin!(self.answer(&parts, &endpoint, body, peer));
                    (endpoint.route(), answer.instrument(span.clone()).await)
                }
                Err(error) => (Route::Other, Err(error)),
            },
        };
        let mut response = answered.unwrap_or_else(|error| span.in_scope(|| refuse(id, &error)));
        if response.status().is_client_error() || response.status().is_server_error() {
            // It leads from the client's message to the log.
            let id = HeaderValue::try_from(id.to_string());
            response.headers_mut().extend(id.ok().map(|id| (REQUEST_ID, id)));
        }
        if parts.method == Method::HEAD {
            response = without_body(parts.version, response);
        }
        // From a template it has come already, and first.
        if response.headers().keys().next() != Some(&API_VERSION) {
            response.headers_mut().insert(API_VERSION, API_VERSION_VALUE);
        }
        let (status, took) = (response.status().as_u16(), started.elapsed());
        self.metrics.request(route, status, took);
        span.in_scope(|| {
            tracing::debug!(method = %parts.method, path = parts.uri.path(), status, ?took, "answered");
        });
        response
    }

    async fn answer<B: Content>(
        &self,
        request: &http::request::Parts,
        endpoint: &Endpoint,
        body: B,
        peer: &Peer,
    ) -> Result<Response<Body>, RegistryError> {
        let fields = Fields::of(&request.headers);
        if fields.via.iter().any(has_passed) {
            let message = "this request came from this very onetag: its upstream leads back to it";
            return Err(RegistryError::new(Code::Loop, message));
        }
        if !endpoint.methods().contains(&request.method) {
            return Err(RegistryError::method(endpoint.methods()));
        }
        let route = self.routes.route(request, &fields.host, endpoint)?;
        let namespace = route.namespace.clone();
        let access = self.access.load_full();
        let mut call = Call::of((request, fields), route, (access, &self.external), peer).await?;
        let mut answered = match request.method {
            Method::GET | Method::HEAD => self.read(&mut call, endpoint).await,
            _ => Box::pin(self.change(&call, endpoint, body)).await,
        };
        if let Err(error) = &answered
            && error.code() == Code::Denied
            && !call.is_decided_here()
            && matches!(request.method, Method::GET | Method::HEAD)
        {
            // What a caller may not see is not there (threat T2).
            tracing::debug!(error = error.for_the_log(), "denied");
            answered = Err(endpoint.absent());
        }
        if let (Ok(response), Some(namespace)) = (&mut answered, namespace) {
            response.headers_mut().insert(NAMESPACE, namespace);
        }
        answered
    }

    async fn read(&self, call: &mut Call<'_>, endpoint: &Endpoint) -> Result<Response<Body>, RegistryError> {
        let Some(outer) = endpoint.repository() else {
            return match endpoint {
                Endpoint::Catalog => Box::pin(catalog::list(call, &self.routes)).await,
                _ => Box::pin(ping::answer(call)).await,
            };
        };
        let names = self.routes.names(&call.route, outer)?;
        // To ask how far an upload is belongs to pushing.
        let action = if matches!(endpoint, Endpoint::Upload(..)) { Action::Push } else { Action::Pull };
        call.demand(action, &names, endpoint)?;
        if let Endpoint::Manifest(_, Reference::Digest(digest))
        | Endpoint::Blob(_, digest)
        | Endpoint::Referrers(_, digest) = endpoint
        {
            Box::pin(call.keep_within(&names, digest)).await?;
        }
        // Tags alone are answered where they stand: what the others need would make each of those larger, too.
        match endpoint {
            Endpoint::Manifest(_, Reference::Tag(tag)) => manifest::by_tag(call, &names, tag, endpoint).await,
            Endpoint::Manifest(_, Reference::Digest(digest)) => {
                Box::pin(manifest::by_digest(call, &names.inner, digest, endpoint)).await
            }
            Endpoint::Blob(_, digest) => {
                Box::pin(blob::get(call, &self.metrics.blob_bytes, &names, digest, endpoint)).await
            }
            Endpoint::Tags(_) => Box::pin(tags::list(call, &names, endpoint)).await,
            Endpoint::Referrers(_, digest) => Box::pin(referrers::list(call, &names, digest, endpoint)).await,
            Endpoint::Upload(_, session) if call.request.method == Method::GET => {
                Box::pin(upload::go_on(call, &self.seal, &names, session, write::nothing())).await
            }
            _ => Err(RegistryError::method(endpoint.methods())),
        }
    }

    async fn change<B: Content>(
        &self,
        call: &Call<'_>,
        endpoint: &Endpoint,
        body: B,
    ) -> Result<Response<Body>, RegistryError> {
        let none = || RegistryError::method(endpoint.methods());
        let names: Names = self.routes.names(&call.route, endpoint.repository().ok_or_else(none)?)?;
        let method = &call.request.method;
        // To cancel an upload is a part of pushing.
        let action = match endpoint {
            Endpoint::Upload(..) => Action::Push,
            _ => write::action_of(method),
        };
        call.demand(action, &names, endpoint)?;
        match (endpoint, method) {
            (Endpoint::Manifest(_, reference), &Method::PUT) => {
                write::put_manifest(call, &names, reference, body).await
            }
            (Endpoint::Manifest(_, reference), &Method::DELETE) => {
                write::delete_manifest(call, &names, reference).await
            }
            (Endpoint::Blob(_, digest), &Method::DELETE) => write::delete_blob(call, &names, digest).await,
            (Endpoint::Uploads(_), &Method::POST) => upload::begin(call, &self.seal, &names, body).await,
            (Endpoint::Upload(_, session), &Method::PATCH | &Method::PUT | &Method::DELETE) => {
                upload::go_on(call, &self.seal, &names, session, body).await
            }
            _ => Err(none()),
        }
    }
}

/// Whether a request has passed this process before: an upstream that leads back here would ask for ever.
fn has_passed(via: &HeaderValue) -> bool {
    via.to_str().is_ok_and(|via| via.split(',').any(|hop| hop.trim() == own_via()))
}

/// HEAD is GET without the body (rule L4). Over HTTP/1, hyper tells the length of what it leaves out.
fn without_body(version: Version, mut response: Response<Body>) -> Response<Body> {
    // A body that is empty already was left out, or belongs to a 304: its length is not what GET would tell.
    let length = response.body().size_hint().exact().filter(|_| !response.body().is_end_stream());
    if length.is_some() && version < Version::HTTP_2 {
        return response;
    }
    if let Some(length) = length {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}

/// The error's response. Of a loop, which may be many requests, only where it begins is told aloud.
fn refuse(id: RequestId, error: &RegistryError) -> Response<Body> {
    let response = error.response();
    let is_echo = error.code() == Code::Loop && !error.has_cause();
    if response.status().is_server_error() && !is_echo {
        tracing::warn!(%id, status = response.status().as_u16(), error = error.for_the_log(), "failed");
    } else {
        tracing::debug!(status = response.status().as_u16(), error = error.for_the_log(), "refused");
    }
    response
}
