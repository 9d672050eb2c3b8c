//! The first bytes of a connection: whether its client speaks what the listener does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use crate::sendfile::FileSender;

/// The first byte of a TLS handshake. No method of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;

/// As much as is read at first: most requests and most greetings of TLS.
const FIRST_READ: usize = 2048;

/// As much as is still read of a client that was refused.
const MAX_UNREAD: u64 = 64 << 10;

/// Docker falls back to plain HTTP when it sees this.
const NO_TLS_HERE: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
    This port speaks plain HTTP; use http://.\r\n";

const TLS_ONLY: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
    This port speaks TLS; use https://.\r\n";

/// What a client speaks, by its first bytes.
pub(super) enum Opening {
    /// What the listener does.
    Fits(Begun),
    /// TLS, on a listener without.
    Tls(TcpStream),
    /// HTTP, on a listener with TLS.
    Plain(TcpStream),
}

/// A stream whose first bytes have been read already, and are read again.
pub(super) struct Begun {
    first: Bytes,
    stream: TcpStream,
    files: Arc<FileSender>,
}

/// Waits for the first bytes; an error if the client goes before it says anything.
pub(super) async fn open(stream: TcpStream, expects_tls: bool) -> io::Result<Opening> {
    let first = first_bytes(&stream).await?;
    Ok(match first.first() {
        None => return Err(io::ErrorKind::UnexpectedEof.into()),
        Some(&HANDSHAKE) if !expects_tls => Opening::Tls(stream),
        Some(byte) if expects_tls && byte.is_ascii_alphabetic() => Opening::Plain(stream),
        Some(_) => Opening::Fits(Begun { first, stream, files: Arc::default() }),
    })
}

/// Nothing is held for a client that is silent.
async fn first_bytes(stream: &TcpStream) -> io::Result<Bytes> {
    loop {
        stream.readable().await?;
        let mut buffer = [0; FIRST_READ];
        match stream.try_read(&mut buffer) {
            Ok(length) => return Ok(Bytes::copy_from_slice(&buffer[..length])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Tells a client that the listener has no TLS, in HTTP.
pub(super) async fn refuse_tls(stream: TcpStream) {
    refuse(stream, NO_TLS_HERE).await;
}

/// Tells a client that the listener has TLS alone.
pub(super) async fn refuse_plain(stream: TcpStream) {
    refuse(stream, TLS_ONLY).await;
}

async fn refuse(mut stream: TcpStream, answer: &[u8]) {
    let told = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        // To close over unread bytes is to reset the connection, which can take the answer with it.
        tokio::io::copy(&mut stream.take(MAX_UNREAD), &mut tokio::io::sink()).await
    };
    // Who has gone need not be told.
    let _ = told.await;
}

impl Begun {
    /// What parts of files are sent with, as long as nothing stands between HTTP/1 and this stream.
    pub(super) fn files(&self) -> Arc<FileSender> {
        Arc::clone(&self.files)
    }
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..length]);
        self.first.advance(length);
        if self.first.is_empty() {
            self.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { files, stream, .. } = &mut *self;
        files.poll_write(cx, stream, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
