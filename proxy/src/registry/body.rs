//! The body of a response.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use prometheus::IntCounter;

use crate::cache::BlobBody;
use crate::sendfile::FileSender;
use crate::upstream::UpstreamBody;

/// Bytes that are at hand, or a stream from the upstream.
pub enum Body {
    /// Bytes at hand; none for HEAD.
    Full(Full<Bytes>),
    /// A blob, counted as it passes.
    Blob(Pin<Box<BlobBody>>, IntCounter),
    /// The upstream's own answer, counted as it passes.
    Passed(Pin<Box<UpstreamBody>>, IntCounter),
}

impl Body {
    /// These bytes.
    pub fn full(bytes: Bytes) -> Self {
        Self::Full(Full::new(bytes))
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self::Full(Full::default())
    }

    /// From now on what is in files leaves by the connection's own means.
    pub fn send_files(&mut self, files: &Arc<FileSender>) {
        if let Self::Blob(body, _) = self {
            body.send_files(files);
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Polled<E> = Poll<Option<Result<Frame<Bytes>, E>>>;

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<BoxError> {
        match self.get_mut() {
            Self::Full(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Self::Blob(body, counter) => counted(body.as_mut().poll_frame(cx), counter),
            Self::Passed(body, counter) => counted(body.as_mut().poll_frame(cx), counter),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(full) => full.is_end_stream(),
            Self::Blob(body, _) => body.is_end_stream(),
            Self::Passed(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(full) => full.size_hint(),
            Self::Blob(body, _) => body.size_hint(),
            Self::Passed(body, _) => body.size_hint(),
        }
    }
}

/// What was polled, its bytes counted.
fn counted<E: Into<BoxError>>(polled: Polled<E>, counter: &IntCounter) -> Polled<BoxError> {
    if let Poll::Ready(Some(Ok(frame))) = &polled {
        counter.inc_by(frame.data_ref().map_or(0, |data| data.len() as u64));
    }
    polled.map_err(Into::into)
}
