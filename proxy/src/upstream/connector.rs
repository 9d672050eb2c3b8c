//! Connections to the upstream: TCP and TLS, bounded in time; HTTP/1.1 on top.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{Either, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use onetag_config::value::Scheme;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::cause::Cause;
use super::connection::Tracked;
use super::setup::SetupError;
use super::upload::UploadBody;

/// How long a connection may wait for its next request; load balancers tend to close at 60 s.
const IDLE: Duration = Duration::from_secs(30);

/// How many connections may wait for their next request.
pub(super) const MAX_IDLE: usize = 64;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The client on which all requests go out.
pub(super) type HttpClient = Client<Connector, Either<Full<Bytes>, UploadBody>>;

/// Opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

/// A connection with its TLS handshake took too long.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no connection in time")]
pub(super) struct ConnectTimeout;

/// A client as the settings want it.
pub(super) fn client(config: &onetag_config::Upstream) -> Result<HttpClient, SetupError> {
    let https = config.url.as_ref().is_some_and(|url| url.scheme() == Scheme::Https);
    let roots = roots(config.ca_file.as_deref(), https)?;
    // The provider is named because another one may be the process's default, or none.
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE));
    let inner =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .build(Connector { inner, timeout: config.connect_timeout.get() }))
}

/// The system's certificate authorities, and those in `ca_file`.
fn roots(ca_file: Option<&Path>, https: bool) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if https && roots.is_empty() {
        let errors = system.errors.iter().fold(String::new(), |text, error| format!("{text}; {error}"));
        return Err(SetupError::NoRoots(errors));
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), SetupError> {
    let setting = "upstream.ca_file";
    let pem =
        std::fs::read(path).map_err(|error| SetupError::File { setting, path: path.to_owned(), error })?;
    let unusable = |reason| SetupError::NoCertificate { path: path.to_owned(), reason };
    let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| unusable(Cause::from(e)))?;
    if certificates.is_empty() {
        return Err(unusable(Cause::from(rustls_pki_types::pem::Error::NoItemsFound)));
    }
    certificates.into_iter().try_for_each(|der| roots.add(der)).map_err(|e| unusable(Cause::from(e)))
}

impl Service<Uri> for Connector {
    type Response = Tracked<MaybeHttpsStream<TokioIo<TcpStream>>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.timeout, self.inner.call(uri));
        Box::pin(async move { Ok(Tracked::new(connecting.await.map_err(|_| ConnectTimeout)??)) })
    }
}
