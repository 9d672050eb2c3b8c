//! The admin listener: health, readiness, metrics, explanations, invalidations. Never on the public one (threat
//! T40).

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::sync::{Semaphore, watch};

use super::connection::Handler;
use super::stall::Received;
use super::{explain, invalidate, warm};
use crate::registry::{Peer, Routes};
use crate::telemetry::{Measured, Metrics};

/// How many explanations may be under way at once, how many invalidations, and how many warmings.
const AT_ONCE: usize = 4;

const PATHS: &str = "there are /healthz, /readyz, /metrics, /explain?ref=REPOSITORY:TAG and, by POST, \
                     /invalidate?ref=REPOSITORY:TAG and /warm?ref=REPOSITORY:TAG\n";

/// What the admin listener answers.
pub struct Admin {
    metrics: Arc<Metrics>,
    routes: Arc<Routes>,
    stopping: watch::Receiver<bool>,
    explaining: Semaphore,
    invalidating: Semaphore,
    warming: Arc<Semaphore>,
}

/// What the admin listener says.
pub(super) struct Answer {
    status: StatusCode,
    body: Body,
    media_type: &'static str,
    allow: Option<&'static str>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Answer {
    fn text(status: StatusCode, text: impl Into<String>) -> Self {
        let media_type = "text/plain; version=0.0.4; charset=utf-8";
        Self { status, body: Full::from(text.into()).boxed_unsync(), media_type, allow: None }
    }

    /// JSON.
    pub(super) fn json(status: StatusCode, text: String) -> Self {
        let body = Full::from(text).boxed_unsync();
        Self { status, body, media_type: "application/json", allow: None }
    }

    /// A body that comes bit by bit.
    pub(super) fn stream(media_type: &'static str, body: Body) -> Self {
        Self { status: StatusCode::OK, body, media_type, allow: None }
    }

    /// A sentence, as JSON.
    pub(super) fn failure(status: StatusCode, message: &str) -> Self {
        Self::json(status, format!("{}\n", serde_json::json!({ "error": message })))
    }
}

impl Admin {
    /// The admin surface; it is not ready from the moment that `stopping` is true.
    pub fn new(metrics: Arc<Metrics>, routes: Arc<Routes>, stopping: watch::Receiver<bool>) -> Self {
        let (explaining, invalidating) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE));
        let warming = Arc::new(Semaphore::new(AT_ONCE));
        Self { metrics, routes, stopping, explaining, invalidating, warming }
    }

    async fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer {
        let reads = method == Method::GET || method == Method::HEAD;
        match uri.path() {
            "/invalidate" | "/warm" => match refused(method, headers) {
                Some(refusal) => refusal,
                None => self.order(uri).await,
            },
            _ if !reads => {
                let only = Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                Answer { allow: Some("GET, HEAD"), ..only }
            }
            "/explain" => self.explain(uri, headers).await,
            "/healthz" => Answer::text(StatusCode::OK, "ok\n"),
            "/readyz" if *self.stopping.borrow() => {
                Answer::text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
            }
            "/readyz" => Answer::text(StatusCode::OK, "ready\n"),
            "/metrics" => self.render(),
            _ => Answer::text(StatusCode::NOT_FOUND, PATHS),
        }
    }

    async fn explain(&self, uri: &Uri, headers: &HeaderMap) -> Answer {
        if !is_local(headers) {
            return misdirected();
        }
        // Each is a merge of its own, past the caches of tags.
        let _permit = self.explaining.acquire().await;
        explain::answer(&self.routes, uri.query().unwrap_or_default()).await
    }

    /// Does what changes something.
    async fn order(&self, uri: &Uri) -> Answer {
        let query = uri.query().unwrap_or_default();
        if uri.path() == "/warm" {
            return match Arc::clone(&self.warming).try_acquire_owned() {
                Ok(place) => warm::answer(&self.routes, query, place),
                Err(_) => Answer::failure(StatusCode::TOO_MANY_REQUESTS, "others are being warmed just now"),
            };
        }
        // Each looks at all tags.
        let _permit = self.invalidating.acquire().await;
        invalidate::answer(&self.routes, query).await
    }

    fn render(&self) -> Answer {
        let all = self.routes.sites().iter().map(|site| site.resolver.measure());
        self.metrics.measured(all.fold(Measured::default(), |sum, one| sum + one));
        match self.metrics.render() {
            Ok(text) => Answer::text(StatusCode::OK, text),
            Err(error) => Answer::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

/// Why a request that would change something is refused.
fn refused(method: &Method, headers: &HeaderMap) -> Option<Answer> {
    if !is_local(headers) {
        return Some(misdirected());
    }
    if method != Method::POST {
        let only = Answer::failure(StatusCode::METHOD_NOT_ALLOWED, "send it by POST");
        return Some(Answer { allow: Some("POST"), ..only });
    }
    is_a_pages(headers).then(|| Answer::failure(StatusCode::FORBIDDEN, "web pages change nothing here"))
}

fn misdirected() -> Answer {
    Answer::failure(StatusCode::MISDIRECTED_REQUEST, "ask by address, not by name")
}

/// Whether a request names its server by address or as localhost. A page that had its name resolve to the
/// operator's machine would be let in otherwise.
fn is_local(headers: &HeaderMap) -> bool {
    let authority = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok()
    })
}

/// Whether a browser sends the request on behalf of a page: it says so itself, and no page can keep it from that.
fn is_a_pages(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(ORIGIN) || site.is_some_and(|site| !matches!(site, b"none" | b"same-origin"))
}

impl Handler for Admin {
    type Body = Body;

    async fn handle(&self, request: Request<Received>, _: &Peer) -> Response<Body> {
        let Answer { status, body, media_type, allow } =
            self.answer(request.method(), request.uri(), request.headers()).await;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        headers.extend(allow.map(|methods| (ALLOW, HeaderValue::from_static(methods))));
        response
    }
}
