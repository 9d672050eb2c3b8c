//! One connection: HTTP/1.1 or HTTP/2, with every limit that hyper has.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::Either;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::Watcher;
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::server::TlsStream;

use super::header_timer::HeaderTimer;
use super::linger::Lingering;
use super::opening::{self, Begun, Opening};
use super::outgoing::{Outgoing, Sent};
use super::stall::{Received, Stalling};
use super::tls::ListenerTls;
use crate::access::Identity;
use crate::registry::Peer;
use crate::sendfile::FileSender;
use crate::telemetry::{ConnectionClose, Metrics};

/// The bounds of connections (threats T22, T23, T24).
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many there may be at once.
    pub max_connections: usize,
    /// How many of them one peer may have: an IPv4 address, or an IPv6 network of 64 bits.
    pub max_connections_per_peer: usize,
    /// How long a client may take from its connection, TLS included, to the headers of its first request, to send
    /// those of a later one, and to begin with it.
    pub header_timeout: Duration,
    /// How long a client may take no byte of an answer, send none of a request's body, and be silent over HTTP/2:
    /// after half of it there, it is sent a ping.
    pub stall_timeout: Duration,
}

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: u16 = 16 << 10;
const MAX_STREAMS: u32 = 100;
/// Streams that a client has opened and reset before they were answered; beyond it the connection ends (rapid reset).
const MAX_RESETS: usize = 20;
/// Streams that a client has broken the rules on; beyond it the connection ends.
const MAX_BROKEN_STREAMS: usize = 64;
/// What a client may send of a body before it is read: a push over a long way is as fast as this for each round trip.
const STREAM_WINDOW: u32 = 512 << 10;
/// The same for all bodies of a connection.
const CONNECTION_WINDOW: u32 = 1 << 20;
const MAX_FRAME: u32 = 16 << 10;
/// What one stream holds for a client that does not read, besides the piece that it was given last.
const MAX_SEND_BUFFER: usize = 64 << 10;

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The body of its responses.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers one request of a peer.
    fn handle(
        &self,
        request: Request<Received>,
        peer: &Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Lets a response send parts of files by this, since its connection can do so.
    fn send_files(_response: &mut Response<Self::Body>, _files: &Arc<FileSender>) {}
}

/// What the connections of a listener are served with.
pub(super) struct Serving<H> {
    /// What answers.
    pub(super) handler: Arc<H>,
    /// The bounds of each.
    pub(super) limits: Limits,
    /// The TLS that they begin with, if any.
    pub(super) tls: Option<ListenerTls>,
    /// How many are open.
    pub(super) open: IntGauge,
    /// What counts the others.
    pub(super) metrics: Arc<Metrics>,
}

/// What the requests of one connection share.
struct Client<H> {
    serving: Arc<Serving<H>>,
    peer: Peer,
    first_request: Notify,
    /// Whether it speaks HTTP/1, where an answer can be lost with what is not read of a request.
    is_http1: Arc<AtomicBool>,
    /// What is sent by HTTP/2; over HTTP/1 the socket itself tells of a stall.
    outgoing: OnceLock<Arc<Outgoing>>,
    /// What sends files where nothing stands between HTTP/1 and the socket.
    files: Option<Arc<FileSender>>,
}

impl<H: Handler> Serving<H> {
    /// Serves a connection to its end, or until `watcher` asks for it; one that has not begun ends with `stop`.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        address: IpAddr,
        watcher: Watcher,
        mut stop: watch::Receiver<bool>,
    ) {
        // What is written is whole, or more comes at once; waiting to fill a packet only delays it.
        let _ = stream.set_nodelay(true);
        let deadline = Instant::now() + self.limits.header_timeout;
        let opened = tokio::select! {
            opened = timeout_at(deadline, self.open(stream)) => opened,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let peer = |identity| Peer { address, is_tls: self.tls.is_some(), identity };
        match opened {
            Ok(Ok(Opened::Plain(stream, files))) => {
                Client::new(self.clone(), peer(None), Some(files)).speak(stream, deadline, watcher).await;
            }
            Ok(Ok(Opened::Tls(stream))) => {
                let peer = peer(identity(&stream));
                Client::new(self.clone(), peer, None).speak(stream, deadline, watcher).await;
            }
            Ok(Err(close)) => self.closed(close),
            Err(_) => self.closed(ConnectionClose::NoRequest),
        }
    }

    /// Begins a connection: its first bytes, and TLS where the listener has it.
    async fn open(&self, stream: TcpStream) -> Result<Opened, ConnectionClose> {
        let begun = match opening::open(stream, self.tls.is_some()).await {
            Ok(Opening::Fits(begun)) => begun,
            Ok(Opening::Tls(stream)) => {
                opening::refuse_tls(stream).await;
                return Err(ConnectionClose::TlsOnPlain);
            }
            Ok(Opening::Plain(stream)) => {
                opening::refuse_plain(stream).await;
                return Err(ConnectionClose::PlainOnTls);
            }
            Err(_) => return Err(ConnectionClose::NoRequest),
        };
        let files = begun.files();
        let begun = Stalling::new(begun, self.limits.stall_timeout);
        let Some(tls) = &self.tls else { return Ok(Opened::Plain(begun, files)) };
        match tls.acceptor().accept(begun).await {
            Ok(stream) => Ok(Opened::Tls(Box::new(stream))),
            Err(error) => {
                tracing::debug!(%error, "TLS handshake failed");
                Err(ConnectionClose::Handshake)
            }
        }
    }

    fn closed(&self, close: ConnectionClose) {
        tracing::debug!(reason = close.label(), "connection closed before its first request");
        self.metrics.connection_closed(close);
    }
}

impl<H: Handler> Client<H> {
    fn new(serving: Arc<Serving<H>>, peer: Peer, files: Option<Arc<FileSender>>) -> Arc<Self> {
        let (first_request, is_http1, outgoing) = (Notify::new(), Arc::default(), OnceLock::new());
        Arc::new(Self { serving, peer, first_request, is_http1, outgoing, files })
    }

    /// Speaks HTTP to the end.
    async fn speak<S>(self: Arc<Self>, stream: S, deadline: Instant, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let builder = builder(self.serving.limits);
        let answering = Arc::clone(&self);
        let service = service_fn(move |request: Request<Incoming>| {
            let is_http1_read = request.version() != Version::HTTP_2
                && matches!(*request.method(), Method::GET | Method::HEAD);
            // Boxed: over HTTP/2 each answer is a task of its own, and is moved several times before it runs.
            let answer = Box::pin(Arc::clone(&answering).answer(request));
            if is_http1_read { begun(answer) } else { Either::Right(answer) }
        });
        let stream = Lingering::new(stream, Arc::clone(&self.is_http1));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let mut connection = pin!(watcher.watch(connection));
        // hyper has no timer while it tells HTTP/1 from HTTP/2 and while HTTP/2 shakes hands.
        let ended = tokio::select! {
            // In this order: what has arrived is looked at before a deadline that a busy machine has let pass.
            biased;
            ended = &mut connection => ended,
            () = self.first_request.notified() => tokio::select! {
                ended = connection => ended,
                () = self.stalled() => {
                    tracing::debug!("connection closed: it takes nothing of its answers");
                    Ok(())
                }
            },
            () = sleep_until(deadline) => {
                self.serving.closed(ConnectionClose::NoRequest);
                Ok(())
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Sent<H::Body>>, Infallible> {
        let is_http2 = request.version() == Version::HTTP_2;
        self.is_http1.store(!is_http2, Relaxed);
        let is_last = ends_connection(&request);
        let outgoing = is_http2.then(|| Arc::clone(self.outgoing.get_or_init(Arc::default)));
        self.first_request.notify_one();
        let request = request.map(|body| Received::new(body, self.serving.limits.stall_timeout));
        let mut response = self.serving.handler.handle(request, &self.peer).await;
        if is_last {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(files) = self.files.as_ref().filter(|_| !is_http2) {
            H::send_files(&mut response, files);
        }
        Ok(response.map(|body| Sent::new(body, outgoing)))
    }

    /// Comes to an end once the client has taken nothing of its answers for too long.
    async fn stalled(&self) {
        match self.outgoing.get() {
            Some(outgoing) => outgoing.stalled(self.serving.limits.stall_timeout).await,
            None => std::future::pending().await,
        }
    }
}

/// An answer that is begun where its request was read. hyper reads on over HTTP/1 before it asks for the answer: that of
/// a hit is there by then, and nothing holds hyper's buffer any more, which would need another one.
fn begun<F: Future>(mut answer: Pin<Box<F>>) -> Either<Ready<F::Output>, Pin<Box<F>>> {
    match answer.as_mut().now_or_never() {
        Some(answered) => Either::Left(ready(answered)),
        None => Either::Right(answer),
    }
}

/// Whether what follows a request on its connection cannot be trusted to be another one (threat T9). hyper hides a
/// Content-Length beside Transfer-Encoding, of which another server on the way may have believed the former; and
/// what follows CONNECT may be meant for the tunnel that it did not get.
fn ends_connection(request: &Request<Incoming>) -> bool {
    request.headers().contains_key(TRANSFER_ENCODING) || request.method() == Method::CONNECT
}

/// A connection that can speak HTTP.
enum Opened {
    Plain(Stalling<Begun>, Arc<FileSender>),
    Tls(Box<TlsStream<Stalling<Begun>>>),
}

/// Who a client is by the certificate that it has shown; the verifier has accepted its chain.
fn identity<S>(stream: &TlsStream<S>) -> Option<Arc<Identity>> {
    let (_, session) = stream.get_ref();
    Identity::read(session.peer_certificates()?.first()?).map(Arc::new)
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(HeaderTimer::default())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES.into());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES.into())
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_BROKEN_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_send_buf_size(MAX_SEND_BUFFER)
        .keep_alive_interval(limits.stall_timeout / 2)
        .keep_alive_timeout(limits.stall_timeout / 2);
    builder
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;

    use futures_util::future::BoxFuture;
    use futures_util::stream;
    use http_body_util::{BodyExt, Full, StreamBody};
    use hyper::body::Frame;
    use hyper_util::server::graceful::GracefulShutdown;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::sendfile::{self, Source};

    /// Answers without end.
    struct Endless;

    type Piece = Result<Frame<Bytes>, Infallible>;

    impl Handler for Endless {
        type Body = StreamBody<stream::RepeatWith<fn() -> Piece>>;

        async fn handle(&self, _: Request<Received>, _: &Peer) -> Response<Self::Body> {
            let piece: fn() -> Piece = || Ok(Frame::data(Bytes::from_static(&[7; 4096])));
            Response::new(StreamBody::new(stream::repeat_with(piece)))
        }
    }

    /// Answers "bytes", or a file in its place where it may.
    struct BytesOrFile(Arc<File>);

    impl Handler for BytesOrFile {
        type Body = StreamBody<stream::Iter<std::array::IntoIter<Piece, 1>>>;

        async fn handle(&self, _: Request<Received>, _: &Peer) -> Response<Self::Body> {
            let mut response = Response::new(one(Bytes::from_static(b"bytes")));
            response.extensions_mut().insert(Arc::clone(&self.0));
            response
        }

        fn send_files(response: &mut Response<Self::Body>, files: &Arc<FileSender>) {
            let file = response.extensions().get::<Arc<File>>().map(Arc::clone);
            *response.body_mut() = one(files.stand_in(Arc::new(AtHand(file.unwrap())), 2, 4));
        }
    }

    struct AtHand(Arc<File>);

    impl Source for AtHand {
        fn send(&self, to: OwnedFd, at: u64, length: usize) -> BoxFuture<'static, std::io::Result<usize>> {
            let file = Arc::clone(&self.0);
            async move { sendfile::send(&to, &file, at, length) }.boxed()
        }
    }

    fn one(bytes: Bytes) -> StreamBody<stream::Iter<std::array::IntoIter<Piece, 1>>> {
        StreamBody::new(stream::iter([Ok(Frame::data(bytes))]))
    }

    /// Serves one connection to its end; the client's side of it.
    async fn connect<H: Handler>(handler: H) -> (TcpStream, impl Future<Output = ()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let limits = Limits {
            max_connections: 1,
            max_connections_per_peer: 1,
            header_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_millis(200),
        };
        let metrics = Arc::new(Metrics::new().unwrap());
        let open = metrics.connections.clone();
        let serving = Arc::new(Serving { handler: Arc::new(handler), limits, tls: None, open, metrics });
        let serve = async move {
            let (graceful, (_running, stop)) = (GracefulShutdown::new(), watch::channel(false));
            serving.serve(stream, address.ip(), graceful.watcher(), stop).await;
        };
        (client, serve)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_disconnected() {
        let (mut client, connection) = connect(Endless).await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::time::timeout(Duration::from_secs(10), connection).await.expect("it is disconnected");
        drop(client);
    }

    #[tokio::test]
    async fn files_are_sent_as_such_over_http_1_alone() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"a file").unwrap();
        let file = Arc::new(file);
        let (mut client, connection) = connect(BytesOrFile(Arc::clone(&file))).await;
        tokio::spawn(connection);
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("\r\n\r\n4\r\nfile\r\n0\r\n\r\n"), "{answer}");

        let (client, connection) = connect(BytesOrFile(file)).await;
        tokio::spawn(connection);
        let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .handshake::<_, Full<Bytes>>(TokioIo::new(client))
            .await
            .unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(Request::get("http://a/").body(Full::default()).unwrap()).await;
        assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "bytes");
    }
}
