//! What a request carries, and how it is sent.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;

pub(super) type Sent = UnsyncBoxBody<Bytes, io::Error>;

/// The body of a request. Bytes and text turn into one that is sent whole, with its length.
#[derive(Clone, Debug)]
pub struct Body {
    pieces: Vec<Bytes>,
    manner: Manner,
}

#[derive(Clone, Copy, Debug)]
enum Manner {
    Whole,
    Pieces { pause: Duration },
    Broken { pause: Duration },
}

impl Body {
    /// Piece by piece with a pause before each but the first; without a length (over HTTP/1.1 in chunks) unless
    /// the request names one.
    pub fn pieces<B: Into<Bytes>>(pieces: impl IntoIterator<Item = B>, pause: Duration) -> Self {
        Self { pieces: pieces.into_iter().map(Into::into).collect(), manner: Manner::Pieces { pause } }
    }

    /// The same, but after the last piece and one more pause the client goes away instead of ending the body.
    pub fn broken<B: Into<Bytes>>(pieces: impl IntoIterator<Item = B>, pause: Duration) -> Self {
        Self { manner: Manner::Broken { pause }, ..Self::pieces(pieces, pause) }
    }

    pub(super) fn into_sent(self) -> Sent {
        match self.manner {
            Manner::Whole => {
                let whole = self.pieces.into_iter().next().unwrap_or_default();
                Full::new(whole).map_err(|never| match never {}).boxed_unsync()
            }
            Manner::Pieces { pause } => streamed(paused(self.pieces, pause).map(Ok)),
            Manner::Broken { pause } => {
                let end = stream::once(async move {
                    tokio::time::sleep(pause).await;
                    Err(io::ErrorKind::ConnectionAborted.into())
                });
                streamed(paused(self.pieces, pause).map(Ok).chain(end))
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { pieces: vec![bytes], manner: Manner::Whole }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

fn paused(pieces: Vec<Bytes>, pause: Duration) -> impl Stream<Item = Bytes> + Send {
    stream::iter(pieces).enumerate().then(move |(number, piece)| async move {
        if number > 0 {
            tokio::time::sleep(pause).await;
        }
        piece
    })
}

fn streamed(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Sent {
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}
