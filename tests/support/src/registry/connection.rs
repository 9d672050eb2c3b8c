//! One connection, with the ways to end it badly.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::service::Service;

/// An end that a request asks for in the place of an answer.
pub(super) enum Ending {
    Reset,
    Garbage(Vec<u8>),
}

/// What a request may do to the connection beneath it.
#[derive(Default)]
pub(super) struct Wire {
    close: AtomicBool,
    reset: AtomicBool,
}

impl Wire {
    /// Closes the connection as soon as what hyper holds has been written; hyper itself would drop it.
    pub(super) fn close_after_flush(&self) {
        self.close.store(true, Ordering::Release);
    }
}

/// Serves the requests of one connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, service: Arc<Service>) {
    let _slower_only = stream.set_nodelay(true);
    let wire = Arc::new(Wire::default());
    let socket = Socket { stream, wire: Arc::clone(&wire) };
    match service.tls() {
        None => serve_http(socket, service, wire).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(socket).await {
                serve_http(stream, service, wire).await;
            }
        }
    }
}

async fn serve_http<S>(stream: S, service: Arc<Service>, wire: Arc<Wire>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (end, mut ending) = mpsc::unbounded_channel();
    let answer = service_fn(|request| {
        let (service, wire, end) = (Arc::clone(&service), Arc::clone(&wire), end.clone());
        async move { service.answer(request, &wire, &end).await }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let ending = tokio::select! {
        _done = &mut connection => return,
        ending = ending.recv() => ending,
    };
    match ending {
        Some(Ending::Garbage(bytes)) => {
            let mut stream = connection.into_parts().io.into_inner();
            let _gone = stream.write_all(&bytes).await;
            let _gone = stream.shutdown().await;
        }
        Some(Ending::Reset) | None => wire.reset.store(true, Ordering::Release),
    }
}

/// The socket, which a [`Wire`] can end.
struct Socket {
    stream: TcpStream,
    wire: Arc<Wire>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.wire.reset.load(Ordering::Acquire) {
            let _closed = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    /// Both hyper and rustls flush only after they have written all they hold.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.close.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
