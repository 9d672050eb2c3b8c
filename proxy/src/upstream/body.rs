//! The body of a blob. To drop it is to end the request; who takes it too slowly loses it (threat T24).

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;
use tracing::info;

use super::blob_stream::Stream;
use super::error::UpstreamError;
use super::kind::{ErrorKind, Phase};
use super::pace::{Meter, Pace};

/// The bytes of a blob. An error means that the client's connection must be cut: what came is not all.
pub struct UpstreamBody(Option<Watched>);

/// A stream that is looked after while nobody polls it.
struct Watched {
    held: Arc<Mutex<Held>>,
    watchdog: AbortHandle,
}

enum Held {
    Stream(Box<Stream>, Meter),
    /// Its place and its connection are free again.
    TakenAway(UpstreamError),
}

impl UpstreamBody {
    pub(super) fn empty() -> Self {
        Self(None)
    }

    pub(super) fn new(stream: Stream, pace: Pace) -> Self {
        let held = Arc::new(Mutex::new(Held::Stream(Box::new(stream), Meter::new())));
        let watchdog = tokio::spawn(watch(Arc::downgrade(&held), pace)).abort_handle();
        Self(Some(Watched { held, watchdog }))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let Some(watched) = &self.0 else { return Poll::Ready(None) };
        let (next, is_complete) = ready!(lock(&watched.held).poll_next(cx));
        if !matches!(next, Some(Ok(_))) || is_complete {
            self.0 = None;
        }
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let Some(watched) = &self.0 else { return SizeHint::with_exact(0) };
        match &*lock(&watched.held) {
            Held::Stream(stream, _) => stream.size_hint(),
            Held::TakenAway(_) => SizeHint::default(),
        }
    }
}

impl Held {
    /// The next bytes, and whether they are the last.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(Option<Result<Bytes, UpstreamError>>, bool)> {
        match self {
            Self::Stream(stream, meter) => {
                let next = stream.poll_next(cx);
                meter.note(&next);
                next.map(|next| (next, stream.is_complete()))
            }
            Self::TakenAway(error) => Poll::Ready((Some(Err(error.clone())), false)),
        }
    }

    /// Takes the stream away if its client was too slow.
    fn check(&mut self, pace: &Pace) -> Option<Self> {
        let Self::Stream(stream, meter) = self else { return None };
        if !meter.is_too_slow(pace) {
            return None;
        }
        let error = stream.failed(ErrorKind::Timeout { phase: Phase::Client, limit: pace.window });
        info!(%error, "a blob is broken off");
        Some(mem::replace(self, Self::TakenAway(error)))
    }
}

/// A body that is not polled cannot act by itself.
async fn watch(held: Weak<Mutex<Held>>, pace: Pace) {
    loop {
        tokio::time::sleep(pace.window).await;
        let Some(held) = held.upgrade() else { return };
        let taken = lock(&held).check(&pace);
        if taken.is_some() {
            return;
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamBody").field(&self.size_hint()).finish()
    }
}
