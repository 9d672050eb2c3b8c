//! A plain HTTP client that hides nothing: no redirects, no retries, no decoding, one connection a request.

mod body;
mod connection;
mod credentials;
mod response;
#[cfg(test)]
mod tests;
mod trust;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, Version};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use body::Sent;
use trust::{Protocol, Trust};

use crate::tls::Identity;

pub use body::Body;
pub use connection::Connection;
pub use credentials::{Login, basic, bearer};
pub use response::{Error, Response};

/// A client with its trust and its patience.
#[derive(Clone)]
pub struct Client {
    trust: Trust,
    protocol: Protocol,
    timeout: Duration,
}

impl Client {
    /// For `http://`; waits 30 s at most for a whole response.
    pub fn plain() -> Self {
        Self { trust: Trust::nobody(), protocol: Protocol::Http1, timeout: Duration::from_secs(30) }
    }

    /// For `https://` too, trusting the certificates of this PEM text.
    pub fn trusting(ca_pem: &str) -> Self {
        Self { trust: Trust::of(ca_pem), ..Self::plain() }
    }

    /// Shows this certificate to a server that asks for one.
    #[must_use]
    pub fn identity(self, identity: &Identity) -> Self {
        Self { trust: self.trust.with_identity(identity.clone()), ..self }
    }

    /// Speaks HTTP/2 alone, in the clear without asking first.
    #[must_use]
    pub fn http2(self) -> Self {
        Self { protocol: Protocol::Http2, ..self }
    }

    /// Over TLS offers HTTP/2 beside HTTP/1.1 and speaks what the server prefers; in the clear HTTP/1.1.
    #[must_use]
    pub fn negotiating(self) -> Self {
        Self { protocol: Protocol::Negotiated, ..self }
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
        body: impl Into<Body>,
    ) -> Result<Response, Error> {
        let deadline = Instant::now() + self.timeout;
        let opening = timeout_at(deadline, self.connect(url));
        let mut connection = opening.await.map_err(|_| Error::TimedOut)??;
        connection.send(method, &parse(url), headers, body.into(), deadline).await
    }

    /// Opens a connection to the host of `url`, for several requests one after another.
    pub async fn connect(&self, url: &str) -> Result<Connection, Error> {
        Connection::open(&parse(url), self).await
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
    body: impl Into<Body>,
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

/// Over HTTP/2 the target names the host, over HTTP/1.1 a header does.
fn build(method: &str, uri: &Uri, headers: &[(&str, &str)], body: Sent, http2: bool) -> Request<Sent> {
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method"));
    if http2 {
        request = request.uri(uri).version(Version::HTTP_2);
    } else {
        request = request.uri(uri.path_and_query().map_or("/", |target| target.as_str()));
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", uri.authority().map_or("", |authority| authority.as_str()));
        }
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).expect("a request that HTTP can carry")
}
