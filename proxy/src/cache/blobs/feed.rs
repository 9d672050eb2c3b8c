//! Where a blob comes from, as far as the cache needs to know.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::Body;
use onetag_oci::Digest;

/// A blob that can be asked for, whole or from some byte on, as often as it takes.
pub trait Feed: Send + Sync {
    /// Opens the blob at byte `from`; none when there is no such blob.
    ///
    /// What comes is not trusted: the cache verifies it.
    fn open(&self, from: u64) -> BoxFuture<'_, Result<Option<Opened>, FeedError>>;
}

/// The bytes of a feed.
pub type FeedBody = Pin<Box<dyn Body<Data = Bytes, Error = FeedError> + Send>>;

/// An open stream.
pub struct Opened {
    /// The size of the whole blob in bytes, where the answer tells it.
    pub total: Option<u64>,
    /// The bytes from the one on that was asked for.
    pub body: FeedBody,
}

/// A feed failed; cheap to clone, as all readers of an arrival share it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}")]
pub struct FeedError {
    /// Whether the same may succeed a little later.
    pub transient: bool,
    /// What failed, in the feed's own terms.
    pub cause: Arc<dyn Error + Send + Sync>,
}

/// Why a blob's bytes end before their end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    /// The feed failed, and asking again did not help.
    #[error(transparent)]
    Feed(FeedError),
    /// The content is not what the digest names.
    #[error("the content has the digest {0}")]
    Digest(Digest),
    /// More or fewer bytes than the answer announced.
    #[error("the blob was announced with {said} bytes; {found} came, or more")]
    Length {
        /// The bytes announced.
        said: u64,
        /// The bytes that came.
        found: u64,
    },
    /// It comes without its size, and is too large even so.
    #[error("the blob comes without its size, and has more than {0} bytes")]
    Endless(u64),
    /// It comes too slowly to be waited for.
    #[error("the blob drips: {bytes} bytes came in {}s of waiting", waited.as_secs())]
    Slow {
        /// What came.
        bytes: u64,
        /// How long the upstream was waited for.
        waited: Duration,
    },
    /// It was there when it was asked for first, and is no more.
    #[error("the blob vanished while it was fetched")]
    Gone,
    /// The work on it was lost.
    #[error("the work on the blob was lost")]
    Lost,
}

impl BlobError {
    /// Whether the bytes that came cannot be right.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Digest(_) | Self::Length { .. })
    }
}

impl From<FeedError> for BlobError {
    fn from(error: FeedError) -> Self {
        Self::Feed(error)
    }
}
