//! A feed that does as it is told.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt};
use http_body::Frame;
use http_body_util::StreamBody;
use onetag_oci::Digest;
use tokio::sync::Semaphore;

use super::super::{Feed, FeedError, Opened};

/// A blob, and what befalls its streams.
pub(super) struct Script {
    pub(super) blob: Vec<u8>,
    pub(super) digest: Digest,
    /// What becomes of the streams in the order that they are opened; then all goes well.
    pub(super) streams: Mutex<VecDeque<Stream>>,
    /// Where each stream began.
    pub(super) opened: Mutex<Vec<u64>>,
    /// How many streams are open.
    pub(super) open: Arc<AtomicUsize>,
    pub(super) gate: Arc<Semaphore>,
}

/// One stream, or why there is none.
pub(super) enum Stream {
    Refused {
        transient: bool,
    },
    Absent,
    /// The steps, and whether the length is told.
    Of(Vec<Step>, Option<u64>),
}

#[derive(Clone)]
pub(super) enum Step {
    /// All bytes up to this offset.
    To(usize),
    /// Other bytes.
    Bytes(Vec<u8>),
    /// Nothing until the gate opens.
    Wait,
    Pause(Duration),
    Fail {
        transient: bool,
    },
}

impl Script {
    pub(super) fn of(blob: &[u8]) -> Arc<Self> {
        Self::with(blob, Vec::new())
    }

    pub(super) fn with(blob: &[u8], streams: Vec<Stream>) -> Arc<Self> {
        Self::named(blob, Digest::sha256(blob), streams)
    }

    /// These steps in the first stream, which tells the blob's length.
    pub(super) fn steps(blob: &[u8], steps: Vec<Step>) -> Arc<Self> {
        Self::with(blob, vec![Stream::Of(steps, Some(blob.len() as u64))])
    }

    pub(super) fn named(blob: &[u8], digest: Digest, streams: Vec<Stream>) -> Arc<Self> {
        Arc::new(Self {
            blob: blob.to_owned(),
            digest,
            streams: Mutex::new(streams.into()),
            opened: Mutex::default(),
            open: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        })
    }

    pub(super) fn feed(self: &Arc<Self>) -> Arc<dyn Feed> {
        Arc::<Self>::clone(self)
    }

    /// Opens the gate, for good.
    pub(super) fn go_on(&self) {
        self.gate.add_permits(1000);
    }

    pub(super) fn opened(&self) -> Vec<u64> {
        self.opened.lock().unwrap().clone()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) > 0
    }

    fn stream(&self, from: u64) -> Result<Option<Opened>, FeedError> {
        self.opened.lock().unwrap().push(from);
        let whole = || Stream::Of(vec![Step::To(self.blob.len())], Some(self.blob.len() as u64));
        let (steps, total) = match self.streams.lock().unwrap().pop_front().unwrap_or_else(whole) {
            Stream::Refused { transient } => return Err(failure(transient)),
            Stream::Absent => return Ok(None),
            Stream::Of(steps, total) => (steps, total),
        };
        let mut at = usize::try_from(from).unwrap();
        let mut frames = Vec::new();
        for step in steps {
            match step {
                Step::To(end) => {
                    let pieces = self.blob[at.min(end)..end].chunks(10_000);
                    frames.extend(pieces.map(|piece| Came::Now(Ok(Bytes::copy_from_slice(piece)))));
                    at = end;
                }
                Step::Bytes(bytes) => frames.push(Came::Now(Ok(bytes.into()))),
                Step::Wait => frames.push(Came::AtTheGate),
                Step::Pause(pause) => frames.push(Came::After(pause)),
                Step::Fail { transient } => frames.push(Came::Now(Err(failure(transient)))),
            }
        }
        let guard = Open::new(&self.open);
        let gate = Arc::clone(&self.gate);
        let body = stream::iter(frames).filter_map(move |frame| {
            let (gate, _guard) = (Arc::clone(&gate), &guard);
            async move {
                match frame {
                    Came::Now(frame) => return Some(frame.map(Frame::data)),
                    Came::AtTheGate => gate.acquire().await.unwrap().forget(),
                    Came::After(pause) => tokio::time::sleep(pause).await,
                }
                None
            }
        });
        Ok(Some(Opened { total, body: Box::pin(StreamBody::new(body)) }))
    }
}

/// A step on its way.
enum Came {
    Now(Result<Bytes, FeedError>),
    AtTheGate,
    After(Duration),
}

impl Feed for Script {
    fn open(&self, from: u64) -> BoxFuture<'_, Result<Option<Opened>, FeedError>> {
        async move { self.stream(from) }.boxed()
    }
}

fn failure(transient: bool) -> FeedError {
    FeedError { transient, cause: Arc::new(io::Error::other("planted")) }
}

struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
