//! A connection that remembers whether it ever carried an answer.
//!
//! A peer may close an idle connection just while the next request is written to it. Such a failure says
//! nothing about the upstream, so it has to be told from a failure on a new connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{Extensions, Response};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};

/// The mark, shared by a connection with the answers and errors that come from it.
#[derive(Debug, Clone, Default)]
struct Answered(Arc<AtomicBool>);

/// A stream with a mark.
pub(super) struct Tracked<S> {
    stream: S,
    answered: Answered,
}

/// Notes that the connection of this answer has carried one.
pub(super) fn note_answer<B>(response: &Response<B>) {
    if let Some(Answered(mark)) = response.extensions().get() {
        mark.store(true, Ordering::Relaxed);
    }
}

/// Whether the connection on which a request failed had carried an answer before.
pub(super) fn was_reused(error: &legacy::Error) -> bool {
    let mut extensions = Extensions::new();
    if let Some(info) = error.connect_info() {
        info.get_extras(&mut extensions);
    }
    extensions.get().is_some_and(|Answered(mark)| mark.load(Ordering::Relaxed))
}

impl<S> Tracked<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, answered: Answered::default() }
    }
}

impl<S: Connection> Connection for Tracked<S> {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.answered.clone())
    }
}

impl<S: Read + Unpin> Read for Tracked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Write + Unpin> Write for Tracked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
