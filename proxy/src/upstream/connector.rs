//! Connections to the upstream: TCP and TLS, bounded in time; HTTP/1.1 on top.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{Either, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::connection::Tracked;
use super::names::Names;
use super::setup::SetupError;
use super::tls::Tls;
use super::upload::UploadBody;

/// How long a connection may wait for its next request; load balancers tend to close at 60 s.
const IDLE: Duration = Duration::from_secs(30);

/// How many connections may wait for their next request.
pub(super) const MAX_IDLE: usize = 64;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The client on which all requests go out.
pub(super) type HttpClient = Client<Connector, Payload>;

/// The body of a request: small and known, or on its way from a client.
pub(super) type Payload = Either<Full<Bytes>, UploadBody>;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    /// The upstream's own host.
    host: Arc<str>,
    upstream: HttpsConnector<HttpConnector<Names>>,
    others: HttpsConnector<HttpConnector<Names>>,
    timeout: Duration,
}

/// A connection with its TLS handshake took too long.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no connection in time")]
pub(super) struct ConnectTimeout;

/// A client as the settings want it. It knows nothing of proxies: what the environment may say of them is not
/// looked at.
pub(super) fn client(
    config: &onetag_config::Upstream,
    tls: Tls,
    names: Names,
) -> Result<HttpClient, SetupError> {
    let mut tcp = HttpConnector::new_with_resolver(names);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE));
    // hyper closes no connection before all is written, and what an upstream does not take of a body never is.
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(config.idle_body_timeout.get().max(config.connect_timeout.get())));
    let over = |tls| {
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        builder.wrap_connector(tcp.clone())
    };
    let connector = Connector {
        host: config.url.as_ref().ok_or(SetupError::NoUrl)?.host().into(),
        upstream: over(tls.upstream),
        others: over(tls.others),
        timeout: config.connect_timeout.get(),
    };
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .build(connector))
}

impl Service<Uri> for Connector {
    type Response = Tracked<MaybeHttpsStream<TokioIo<TcpStream>>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        ready!(self.upstream.poll_ready(cx))?;
        self.others.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let own = uri.host().is_some_and(|host| host.eq_ignore_ascii_case(&self.host));
        let inner = if own { &mut self.upstream } else { &mut self.others };
        let connecting = timeout(self.timeout, inner.call(uri));
        Box::pin(async move { Ok(Tracked::new(connecting.await.map_err(|_| ConnectTimeout)??)) })
    }
}
