//! One connection and the requests on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::{Error, Response, build, parse};

/// An open connection; it closes when dropped.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    timeout: Duration,
}

impl Connection {
    pub(super) async fn open(
        uri: &Uri,
        tls: Option<&Arc<ClientConfig>>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(Error::Connect)?;
        if !secure {
            return Self::over(stream, timeout).await;
        }
        let tls = Arc::clone(tls.expect("https needs Client::trusting"));
        let name = ServerName::try_from(host.to_owned()).expect("a host name");
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(Error::Connect)?;
        Self::over(stream, timeout).await
    }

    async fn over<S>(stream: S, timeout: Duration) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Error::Exchange)?;
        let driver = tokio::spawn(async move {
            // Its failure reaches the request that is under way.
            let _reported = connection.await;
        });
        Ok(Self { sender, driver, timeout })
    }

    /// One request; the response is read to its end.
    pub async fn request(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response, Error> {
        let request = build(method, &parse(url), headers, body.into());
        self.send(request, Instant::now() + self.timeout).await
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<Response, Error> {
        let head = timeout_at(deadline, async {
            self.sender.ready().await.map_err(Error::Exchange)?;
            self.sender.send_request(request).await.map_err(Error::Exchange)
        });
        let response = head.await.map_err(|_| Error::TimedOut)??;
        read(response, deadline).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
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
