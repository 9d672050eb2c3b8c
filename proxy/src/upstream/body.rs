//! A blob as it streams: a cut is resumed, a pause too long or a wrong length is an error, and to drop
//! the body is to end the request.

use std::cmp::Ordering;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};
use tracing::warn;

use super::content_range::ContentRange;
use super::error::UpstreamError;
use super::kind::{ErrorKind, Wrong};
use super::retry;
use super::stream::BlobSource;

/// So many bytes are progress. A stream that is cut again and again after fewer is not resumed for ever
/// (threat T26).
const PROGRESS: u64 = 64 << 10;

/// The bytes of a blob. An error means that the client's connection must be cut: what came is not all.
pub struct UpstreamBody(Option<Box<Stream>>);

struct Stream {
    source: BlobSource,
    _place: OwnedSemaphorePermit,
    state: State,
    rest: Rest,
    /// Attempts to resume since there was progress.
    resumes: usize,
    /// Bytes since the last cut.
    since_cut: u64,
    idle: Idle,
}

enum State {
    Reading(Incoming),
    Resuming(BoxFuture<'static, Result<Incoming, UpstreamError>>),
}

/// The bytes to come.
#[derive(Clone, Copy)]
enum Rest {
    /// The answer did not tell; the framing of HTTP says where the end is.
    Unknown,
    Bytes(ContentRange),
    Nothing,
}

/// The end of the stream was cut off.
#[derive(Debug, thiserror::Error)]
#[error("the body ended early")]
struct EndedEarly;

impl UpstreamBody {
    pub(super) fn empty() -> Self {
        Self(None)
    }

    pub(super) fn new(
        source: BlobSource,
        place: OwnedSemaphorePermit,
        incoming: Incoming,
        rest: Option<ContentRange>,
    ) -> Self {
        let idle = Idle::new(source.attempts.transport.idle_timeout());
        let rest = rest.map_or(Rest::Unknown, Rest::Bytes);
        let state = State::Reading(incoming);
        let stream = Stream { source, _place: place, state, rest, resumes: 0, since_cut: 0, idle };
        Self(Some(Box::new(stream)))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let Some(stream) = &mut self.0 else { return Poll::Ready(None) };
        let next = ready!(stream.poll_next(cx));
        if !matches!(next, Some(Ok(_))) || matches!(stream.rest, Rest::Nothing) {
            self.0 = None;
        }
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(stream) => stream.size_hint(),
        }
    }
}

impl Stream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        loop {
            let next = match &mut self.state {
                State::Reading(incoming) => Pin::new(incoming).poll_frame(cx),
                State::Resuming(resuming) => match ready!(resuming.as_mut().poll(cx)) {
                    Ok(incoming) => {
                        self.state = State::Reading(incoming);
                        continue;
                    }
                    Err(error) => {
                        self.resume(error)?;
                        continue;
                    }
                },
            };
            match next {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(self.take(data))),
                    _ => {}
                },
                Poll::Ready(None) if !matches!(self.rest, Rest::Bytes(_)) => return Poll::Ready(None),
                Poll::Ready(None) => self.resume(self.failed(ErrorKind::Broken(EndedEarly.into())))?,
                Poll::Ready(Some(Err(error))) => self.resume(self.failed(ErrorKind::Broken(error.into())))?,
                Poll::Pending => {
                    ready!(self.idle.poll(cx));
                    return Poll::Ready(Some(Err(self.failed(self.source.attempts.transport.idle()))));
                }
            }
        }
    }

    /// Takes bytes off the rest; more than that must not come.
    fn take(&mut self, data: Bytes) -> Result<Bytes, UpstreamError> {
        self.idle.stop();
        self.since_cut += data.len() as u64;
        if self.since_cut >= PROGRESS {
            self.resumes = 0;
        }
        if let Rest::Bytes(rest) = &mut self.rest {
            let (count, limit) = (data.len() as u64, rest.length());
            match count.cmp(&limit) {
                Ordering::Less => rest.first += count,
                Ordering::Equal => self.rest = Rest::Nothing,
                Ordering::Greater => return Err(self.failed(ErrorKind::Wrong(Wrong::TooLarge { limit }))),
            }
        }
        Ok(data)
    }

    /// Sets out to resume after `cut`, or gives it back when that is not possible.
    fn resume(&mut self, cut: UpstreamError) -> Result<(), UpstreamError> {
        let Rest::Bytes(rest) = self.rest else { return Err(cut) };
        let Some(wait) = retry::wait(&cut, self.resumes) else { return Err(cut) };
        self.resumes += 1;
        self.since_cut = 0;
        self.idle.stop();
        if let Some(untold) = self.source.attempts.retries_told.pass() {
            let attempt = self.resumes;
            warn!(error = %cut, from = rest.first, attempt, untold, "resuming a blob that was cut");
        }
        self.state = State::Resuming(Box::pin(self.source.clone().resume(rest, wait)));
        Ok(())
    }

    fn failed(&self, kind: ErrorKind) -> UpstreamError {
        UpstreamError::new(self.source.ask.asked(), kind)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.rest, &self.state) {
            (Rest::Bytes(rest), _) => SizeHint::with_exact(rest.length()),
            (Rest::Nothing, _) => SizeHint::with_exact(0),
            (Rest::Unknown, State::Reading(incoming)) => incoming.size_hint(),
            (Rest::Unknown, State::Resuming(_)) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamBody").field(&self.size_hint()).finish()
    }
}

/// Fires when a body stands still for too long.
struct Idle {
    limit: Duration,
    sleep: Pin<Box<Sleep>>,
    /// Whether the body stands still now. Only then does the timer cost anything.
    running: bool,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, sleep: Box::pin(sleep(limit)), running: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.running {
            self.running = true;
            self.sleep.as_mut().reset(Instant::now() + self.limit);
        }
        self.sleep.as_mut().poll(cx)
    }

    fn stop(&mut self) {
        self.running = false;
    }
}
