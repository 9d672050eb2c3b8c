//! One connection and the requests on it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{Request, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::body::{Body, Sent};
use super::trust::{H2, Protocol};
use super::{Client, Error, Response, build, parse};

/// An open connection; it closes when dropped.
pub struct Connection {
    sender: Sender,
    driver: JoinHandle<()>,
    timeout: Duration,
}

enum Sender {
    Http1(http1::SendRequest<Sent>),
    Http2(http2::SendRequest<Sent>),
}

impl Connection {
    pub(super) async fn open(uri: &Uri, client: &Client) -> Result<Self, Error> {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(Error::Connect)?;
        let _slower_only = stream.set_nodelay(true);
        let (sender, driver) = if secure {
            let name = ServerName::try_from(host.to_owned()).expect("a host name");
            let connector = TlsConnector::from(Arc::new(client.trust.tls(client.protocol)));
            let stream = connector.connect(name, stream).await.map_err(Error::Connect)?;
            let chosen = stream.get_ref().1.alpn_protocol() == Some(H2);
            if client.protocol == Protocol::Http2 && !chosen {
                return Err(Error::Connect(io::Error::other("the server does not speak HTTP/2")));
            }
            handshake(stream, chosen).await?
        } else {
            handshake(stream, client.protocol == Protocol::Http2).await?
        };
        Ok(Self { sender, driver, timeout: client.timeout })
    }

    /// Whether HTTP/2 is spoken on it.
    pub fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// One request; the response is read to its end.
    pub async fn request(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Result<Response, Error> {
        let deadline = Instant::now() + self.timeout;
        self.send(method, &parse(url), headers, body.into(), deadline).await
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        uri: &Uri,
        headers: &[(&str, &str)],
        body: Body,
        deadline: Instant,
    ) -> Result<Response, Error> {
        let request = build(method, uri, headers, body.into_sent(), self.is_http2());
        let head = timeout_at(deadline, self.sender.send(request));
        let response = head.await.map_err(|_| Error::TimedOut)?.map_err(Error::Exchange)?;
        read(response, deadline).await
    }
}

impl Sender {
    async fn send(&mut self, request: Request<Sent>) -> hyper::Result<http::Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Begins HTTP on a stream. A failure of the connection reaches the request that is under way, so that its driver
/// need not report it.
async fn handshake<S>(stream: S, http2: bool) -> Result<(Sender, JoinHandle<()>), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    if http2 {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), stream).await.map_err(Error::Exchange)?;
        let driver = tokio::spawn(async move {
            let _reported = connection.await;
        });
        return Ok((Sender::Http2(sender), driver));
    }
    let (sender, connection) = http1::handshake(stream).await.map_err(Error::Exchange)?;
    let driver = tokio::spawn(async move {
        let _reported = connection.await;
    });
    Ok((Sender::Http1(sender), driver))
}

/// Reads a body; what came before a failure is kept in the error.
async fn read(response: http::Response<Incoming>, deadline: Instant) -> Result<Response, Error> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = BytesMut::new();
    let cause = loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(None) => break None,
            Ok(Some(Ok(frame))) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Ok(Some(Err(error))) => break Some(error.to_string()),
            Err(_) => break Some("the rest did not come in time".to_owned()),
        }
    };
    let response = Response { status: parts.status.as_u16(), headers: parts.headers, body: bytes.freeze() };
    match cause {
        None => Ok(response),
        Some(cause) => Err(Error::Body { partial: response, cause }),
    }
}
