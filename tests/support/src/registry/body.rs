//! How a body goes out: whole, or badly.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Frame;

use super::connection::Wire;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A piece of an endless body: white space, so that a JSON parser goes on reading too.
static PADDING: [u8; 64 * 1024] = [b' '; 64 * 1024];

/// How the bytes of a body are delivered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    Whole,
    Stall {
        after: usize,
    },
    Cut {
        after: usize,
    },
    /// All the bytes, then the connection closes.
    Broken,
    Drip {
        bytes: usize,
        every: Duration,
    },
    Chunked,
    Endless,
}

impl Delivery {
    /// The body for `bytes`; `wire` is the connection that it goes out on.
    pub(super) fn of(self, bytes: Bytes, wire: &Arc<Wire>) -> Body {
        match self {
            Self::Whole => Full::new(bytes).boxed_unsync(),
            Self::Stall { after } => streamed(start(&bytes, after).chain(stream::pending())),
            Self::Cut { after } if after >= bytes.len() => streamed(start(&bytes, after)),
            Self::Cut { after } => streamed(start(&bytes, after).chain(cut(Arc::clone(wire)))),
            Self::Broken => streamed(start(&bytes, usize::MAX).chain(cut(Arc::clone(wire)))),
            Self::Drip { bytes: piece, every } => streamed(drip(bytes, piece.max(1), every)),
            Self::Chunked => streamed(start(&bytes, usize::MAX)),
            Self::Endless => {
                let more = stream::repeat_with(|| Bytes::from_static(&PADDING));
                streamed(start(&bytes, usize::MAX).chain(more))
            }
        }
    }

    pub(super) fn nothing(self) -> Body {
        match self {
            // An empty stream has no known length, so that none is announced in answer to HEAD either.
            Self::Chunked | Self::Endless => streamed(stream::empty()),
            _ => Empty::new().boxed_unsync(),
        }
    }
}

fn start(bytes: &Bytes, length: usize) -> impl Stream<Item = Bytes> + Send + use<> {
    let length = length.min(bytes.len());
    stream::iter((length > 0).then(|| bytes.slice(..length)))
}

/// Ends the connection once everything before has been written.
fn cut(wire: Arc<Wire>) -> impl Stream<Item = Bytes> + Send {
    stream::poll_fn(move |_| {
        wire.close_after_flush();
        std::task::Poll::Pending
    })
}

fn drip(bytes: Bytes, piece: usize, every: Duration) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((next, rest))
    })
}

fn streamed(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}
