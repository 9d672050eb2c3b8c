//! The admin listener: health, readiness, metrics. Never on the public one (threat T40).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;

use super::connection::Handler;
use crate::resolve::Resolver;
use crate::telemetry::Metrics;

/// What the admin listener answers.
pub struct Admin {
    metrics: Arc<Metrics>,
    resolver: Arc<Resolver>,
    stopping: watch::Receiver<bool>,
}

impl Admin {
    /// The admin surface; it is not ready from the moment that `stopping` is true.
    pub fn new(metrics: Arc<Metrics>, resolver: Arc<Resolver>, stopping: watch::Receiver<bool>) -> Self {
        Self { metrics, resolver, stopping }
    }

    fn answer(&self, method: &Method, path: &str) -> (StatusCode, String) {
        let ok = |text: &str| (StatusCode::OK, format!("{text}\n"));
        match path {
            _ if method != Method::GET && method != Method::HEAD => {
                (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into())
            }
            "/healthz" => ok("ok"),
            "/readyz" if *self.stopping.borrow() => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into()),
            "/readyz" => ok("ready"),
            "/metrics" => self.render(),
            _ => (StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".into()),
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

impl Handler for Admin {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = self.answer(request.method(), request.uri().path());
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        response
    }
}
