//! The body of a blob, for whoever sends it on.

use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use http_body::{Body, Frame, SizeHint};
use onetag_oci::Digest;
use prometheus::IntGauge;

use crate::sendfile::FileSender;
use crate::telemetry::Metrics;

use super::arrival::Follower;
use super::cache::Blobs;
use super::feed::{BlobError, Feed, Opened};
use super::piece::Pieces;
use super::reader::{Reader, Source};
use super::sending::Outlet;

/// The bytes of a blob or of a part of it. An error means that the client's connection must be cut.
pub struct BlobBody {
    /// What was waited for before the answer began.
    first: Option<Bytes>,
    rest: BoxStream<'static, Result<Bytes, BlobError>>,
    /// The bytes to come, where that is known.
    left: Option<u64>,
    outlet: Outlet,
    _counted: Counted,
}

/// Which bytes of which blob are wanted, and where to turn if the cache fails.
pub struct Part {
    /// The blob.
    pub digest: Digest,
    /// The first byte.
    pub first: u64,
    /// The byte after the last; none where the size of the blob is not known.
    pub end: Option<u64>,
    /// The blob from its upstream.
    pub feed: Arc<dyn Feed>,
}

impl BlobBody {
    /// Out of a file whose content is right.
    pub fn of_file(blobs: &Arc<Blobs>, file: Arc<File>, part: Part) -> Self {
        Self::new(Source::File(Arc::clone(blobs), file), part, &blobs.metrics)
    }

    /// Behind an arrival.
    pub fn following(blobs: &Arc<Blobs>, follower: Follower, part: Part) -> Self {
        Self::new(Source::Arrival(Arc::clone(blobs), follower.progress), part, &blobs.metrics)
    }

    /// Past the cache, verified on the way.
    pub fn passing(opened: Opened, part: Part, metrics: &Metrics) -> Self {
        Self::new(Source::onward(part.digest.clone(), opened), part, metrics)
    }

    fn new(source: Source, part: Part, metrics: &Metrics) -> Self {
        let Part { digest, first, end, feed } = part;
        let (pieces, outlet, wrong) = (Pieces::default(), Outlet::default(), metrics.blobs_wrong.clone());
        let reader = Reader { digest, source, at: first, end, feed, pieces, outlet: outlet.clone(), wrong };
        let next = |mut reader: Reader| async move { Ok(reader.next().await?.map(|bytes| (bytes, reader))) };
        Self {
            first: None,
            rest: try_unfold(reader, next).boxed(),
            left: end.map(|end| end.saturating_sub(first)),
            outlet,
            _counted: Counted::new(&metrics.blob_readers),
        }
    }

    /// From now on, bytes are stand-ins where they can be: they may go to this sender's connection alone.
    pub fn send_files(&self, files: &Arc<FileSender>) {
        self.outlet.open(files);
    }

    /// Waits for the first bytes, so that a failure before them can be told as one.
    ///
    /// # Errors
    /// When there are none because of it.
    pub async fn begun(mut self) -> Result<Self, BlobError> {
        self.first = self.rest.next().await.transpose()?;
        Ok(self)
    }
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = BlobError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        let next = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.rest.poll_next_unpin(cx)),
        };
        if let (Some(Ok(bytes)), Some(left)) = (&next, &mut self.left) {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// One on a gauge for as long as this lives.
struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
