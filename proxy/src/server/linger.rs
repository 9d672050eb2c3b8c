//! An HTTP/1 connection that is closed while its client still sends: to close over unread bytes is to reset it, which
//! can take the answer with it (RFC 9112, section 9.6). So a push that is refused early is read on for a while, and
//! dropped.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take to see that it need not send more.
const PATIENCE: Duration = Duration::from_secs(3);

const PIECE: usize = 16 << 10;

/// A stream that takes what still comes once it was shut down.
pub(super) struct Lingering<S> {
    stream: S,
    /// Whether there is anything to linger for.
    lingers: Arc<AtomicBool>,
    patience: Duration,
    /// Made when all was sent.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, lingers: Arc<AtomicBool>) -> Self {
        Self { stream, lingers, patience: PATIENCE, until: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        if !self.lingers.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        let patience = this.patience;
        let until = this.until.get_or_insert_with(|| Box::pin(sleep(patience)));
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut piece = [0; PIECE];
            let mut buffer = ReadBuf::new(&mut piece);
            // Who has gone, in whatever way, sends no more.
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    /// A client that sends more than is read, and what comes of closing its connection.
    async fn closing(
        patience: Duration,
    ) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<io::Result<()>>) {
        let (mut client, server) = duplex(64);
        let mut lingering = Lingering { patience, ..Lingering::new(server, Arc::new(true.into())) };
        let closing = tokio::spawn(async move { lingering.shutdown().await });
        client.write_all(&[7; 4096]).await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the answer is over");
        (client, closing)
    }

    #[tokio::test]
    async fn what_still_comes_is_taken_until_the_client_ends() {
        let (client, closing) = closing(Duration::from_hours(1)).await;
        assert!(!closing.is_finished());
        drop(client);
        closing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_does_not_end_is_left() {
        let begin = Instant::now();
        let (client, closing) = closing(Duration::from_millis(50)).await;
        closing.await.unwrap().unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(50));
        drop(client);
    }
}
