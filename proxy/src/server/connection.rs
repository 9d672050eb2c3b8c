//! One connection: HTTP/1.1 or HTTP/2, with every limit that hyper has.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::stall::Stalling;
use crate::registry::Peer;

/// The bounds of connections (threats T22, T23, T24).
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many there may be at once.
    pub max_connections: usize,
    /// How long a client may take to send the headers of a request, and to send its next one.
    pub header_timeout: Duration,
    /// How long a client may take no byte of an answer.
    pub stall_timeout: Duration,
}

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: u16 = 16 << 10;
const MAX_STREAMS: u32 = 100;
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The body of its responses.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static;

    /// Answers one request.
    fn handle(&self, request: Request<Incoming>, peer: &Peer) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The future of a connection, watched by `graceful` from now on.
pub(super) fn serve<H: Handler>(
    stream: TcpStream,
    handler: Arc<H>,
    limits: Limits,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<H> {
    // A response is written in one piece; waiting to fill a packet only delays it.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES.into());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES.into())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let first_request = Arc::new(Notify::new());
    let seen = Arc::clone(&first_request);
    let peer = Arc::new(Peer { address: stream.peer_addr().map_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |a| a.ip()), is_tls: false, identity: None });
    let service = service_fn(move |request| {
        seen.notify_one();
        let (handler, peer) = (Arc::clone(&handler), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(handler.handle(request, &peer).await) }
    });
    let stream = TokioIo::new(Stalling::new(stream, limits.stall_timeout));
    let connection = builder.serve_connection(stream, service).into_owned();
    let watched = graceful.watch(connection);
    async move {
        let mut watched = pin!(watched);
        // hyper has no timer while it tells HTTP/1 from HTTP/2 and while HTTP/2 shakes hands.
        let ended = tokio::select! {
            ended = &mut watched => ended,
            () = first_request.notified() => watched.await,
            () = tokio::time::sleep(limits.header_timeout) => {
                tracing::debug!("connection closed: it sent no request");
                Ok(())
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Answers without end.
    struct Endless;

    type Piece = Result<Frame<Bytes>, Infallible>;

    impl Handler for Endless {
        type Body = StreamBody<stream::RepeatWith<fn() -> Piece>>;

        async fn handle(&self, _: Request<Incoming>) -> Response<Self::Body> {
            let piece: fn() -> Piece = || Ok(Frame::data(Bytes::from_static(&[7; 4096])));
            Response::new(StreamBody::new(stream::repeat_with(piece)))
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_disconnected() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let limits = Limits {
            max_connections: 1,
            header_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_millis(200),
        };
        let graceful = GracefulShutdown::new();
        let connection = serve(stream, Arc::new(Endless), limits, &graceful);
        tokio::time::timeout(Duration::from_secs(10), connection).await.expect("it is disconnected");
        drop(client);
    }
}
