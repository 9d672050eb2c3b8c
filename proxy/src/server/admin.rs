//! The admin listener: health, readiness, metrics, explanations. Never on the public one (threat T40).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::{Semaphore, watch};

use super::connection::Handler;
use super::explain;
use crate::resolve::Resolver;
use crate::telemetry::Metrics;

/// How many explanations may be under way at once.
const EXPLANATIONS: usize = 4;

/// What the admin listener answers.
pub struct Admin {
    metrics: Arc<Metrics>,
    resolver: Arc<Resolver>,
    stopping: watch::Receiver<bool>,
    explaining: Semaphore,
}

/// What the admin listener says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) text: String,
    pub(super) media_type: &'static str,
}

impl Admin {
    /// The admin surface; it is not ready from the moment that `stopping` is true.
    pub fn new(metrics: Arc<Metrics>, resolver: Arc<Resolver>, stopping: watch::Receiver<bool>) -> Self {
        Self { metrics, resolver, stopping, explaining: Semaphore::new(EXPLANATIONS) }
    }

    async fn answer(&self, method: &Method, uri: &Uri, host: Option<&HeaderValue>) -> Answer {
        if uri.path() == "/explain" && (method == Method::GET || method == Method::HEAD) {
            if !is_local(host) {
                return explain::failure(StatusCode::MISDIRECTED_REQUEST, "ask by address, not by name");
            }
            // Each is a merge of its own, past the caches of tags.
            let _permit = self.explaining.acquire().await;
            return explain::answer(&self.resolver, uri.query().unwrap_or_default()).await;
        }
        let (status, text) = self.answer_in_text(method, uri.path());
        Answer { status, text, media_type: "text/plain; version=0.0.4; charset=utf-8" }
    }

    fn answer_in_text(&self, method: &Method, path: &str) -> (StatusCode, String) {
        let ok = |text: &str| (StatusCode::OK, format!("{text}\n"));
        match path {
            _ if method != Method::GET && method != Method::HEAD => {
                (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into())
            }
            "/healthz" => ok("ok"),
            "/readyz" if *self.stopping.borrow() => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into()),
            "/readyz" => ok("ready"),
            "/metrics" => self.render(),
            _ => (
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz, /metrics and /explain?ref=REPOSITORY:TAG\n".into(),
            ),
        }
    }

    fn render(&self) -> (StatusCode, String) {
        self.resolver.measure();
        match self.metrics.render() {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

/// Whether a request names its server by address or as localhost. A page that had its name resolve to the
/// operator's machine would be let in otherwise.
fn is_local(host: Option<&HeaderValue>) -> bool {
    let authority = host.and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok()
    })
}

impl Handler for Admin {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Answer { status, text, media_type } =
            self.answer(request.method(), request.uri(), request.headers().get(HOST)).await;
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        response
    }
}
