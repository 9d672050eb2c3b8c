//! HTTP/2 by hand: frames that no library would send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Kinds of frames.
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

/// Flags.
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// Codes of errors.
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// No setting differs from its default.
pub(super) const DEFAULTS: &[u8] = &[];
/// The client takes no byte of any body.
pub(super) const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection over which frames are sent.
pub(super) struct Raw(TcpStream);

/// A frame that was received.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Why a stream or a connection ends.
    pub(super) fn code(&self) -> Option<u32> {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let code = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }
}

/// The bytes of a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The header block of a GET, without compression.
pub(super) fn get(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("a short path");
    assert!(length < 127, "a longer one is written in another way");
    [&[0x82, 0x86, 0x01, 1, b'a', 0x04, length], path.as_bytes()].concat()
}

impl Raw {
    /// A connection that has said how it begins.
    pub(super) async fn open(address: SocketAddr, settings: &[u8]) -> Self {
        let mut raw = Self::preface(address).await;
        raw.send(&frame(SETTINGS, 0, 0, settings)).await.expect("it reads");
        raw
    }

    /// A connection that has said that it speaks HTTP/2, and nothing else.
    pub(super) async fn preface(address: SocketAddr) -> Self {
        let mut raw = Self(TcpStream::connect(address).await.expect("it listens"));
        raw.send(PREFACE).await.expect("it reads");
        raw
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Sends this over and over until the peer closes, takes no more within `patience`, or has taken it so often.
    pub(super) async fn flood(&mut self, bytes: &[u8], times: usize, patience: Duration) -> usize {
        for sent in 0..times {
            match timeout_at(Instant::now() + patience, self.send(bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return sent,
            }
        }
        times
    }

    /// Everything that comes until the peer closes, and whether it has closed in time.
    pub(super) async fn rest(&mut self, patience: Duration) -> (Vec<Frame>, bool) {
        let (mut frames, deadline) = (Vec::new(), Instant::now() + patience);
        loop {
            match timeout_at(deadline, self.next()).await {
                Ok(Ok(frame)) => frames.push(frame),
                Ok(Err(_closed_or_reset)) => return (frames, true),
                Err(_) => return (frames, false),
            }
        }
    }

    async fn next(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await?;
        Ok(Frame { kind: head[3], payload })
    }
}
