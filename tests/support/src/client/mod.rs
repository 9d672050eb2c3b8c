//! A plain HTTP/1.1 client that hides nothing: no redirects, no retries, no decoding, one connection a request.

mod connection;
mod response;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub use connection::Connection;
pub use response::{Error, Response};

/// A client with its trust and its patience.
#[derive(Clone)]
pub struct Client {
    tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
}

impl Client {
    /// For `http://`; waits 30 s at most for a whole response.
    pub fn plain() -> Self {
        Self { tls: None, timeout: Duration::from_secs(30) }
    }

    /// For `https://` too, trusting the certificates of this PEM text.
    pub fn trusting(ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(certificate.expect("a certificate in PEM")).expect("a certificate that can be a root");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows these versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { tls: Some(Arc::new(config)), ..Self::plain() }
    }

    /// Waits this long at most for a whole response.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// GET.
    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
        self.request("GET", url, headers, Bytes::new()).await
    }

    /// HEAD.
    pub async fn head(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
        self.request("HEAD", url, headers, Bytes::new()).await
    }

    /// Any method on a connection of its own. A header named twice is sent as two lines.
    pub async fn request(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response, Error> {
        let deadline = Instant::now() + self.timeout;
        let request = build(method, &parse(url), headers, body.into());
        let opening = timeout_at(deadline, self.connect(url));
        let mut connection = opening.await.map_err(|_| Error::TimedOut)??;
        connection.send(request, deadline).await
    }

    /// Opens a connection to the host of `url`, for several requests one after another.
    pub async fn connect(&self, url: &str) -> Result<Connection, Error> {
        Connection::open(&parse(url), self.tls.as_ref(), self.timeout).await
    }
}

/// GET over plain HTTP.
pub async fn get(url: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
    Client::plain().get(url, headers).await
}

/// HEAD over plain HTTP.
pub async fn head(url: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
    Client::plain().head(url, headers).await
}

/// Any method over plain HTTP.
pub async fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Response, Error> {
    Client::plain().request(method, url, headers, body).await
}

/// Opens a TCP connection, sends `bytes` on it and hands it over for reading.
pub async fn send_raw(address: SocketAddr, bytes: &[u8]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    stream.flush().await?;
    Ok(stream)
}

fn parse(url: &str) -> Uri {
    let uri: Uri = url.parse().unwrap_or_else(|error| panic!("{url} is no address: {error}"));
    assert!(uri.authority().is_some(), "{url} names no host");
    uri
}

fn build(method: &str, uri: &Uri, headers: &[(&str, &str)], body: Bytes) -> Request<Full<Bytes>> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request =
        Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(target);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header("host", uri.authority().map_or("", |authority| authority.as_str()));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body)).expect("a request that HTTP can carry")
}
