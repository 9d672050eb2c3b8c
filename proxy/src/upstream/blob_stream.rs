//! A blob as it streams from the upstream: a cut is resumed, a pause too long or a wrong length is an error.

use std::cmp::Ordering;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Body, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};
use tracing::warn;

use super::content_range::ContentRange;
use super::error::UpstreamError;
use super::kind::{ErrorKind, Wrong};
use super::places::Place;
use super::retry;
use super::stream::BlobSource;

/// So many bytes are progress. A stream that is cut again and again after fewer is not resumed for ever
/// (threat T26).
const PROGRESS: u64 = 64 << 10;

/// A blob as it comes from the upstream.
pub(super) struct Stream {
    source: BlobSource,
    _place: Place,
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

impl Stream {
    pub(super) fn new(
        source: BlobSource,
        place: Place,
        incoming: Incoming,
        rest: Option<ContentRange>,
    ) -> Self {
        let idle = Idle::new(source.attempts.transport.idle_timeout());
        let rest = rest.map_or(Rest::Unknown, Rest::Bytes);
        let state = State::Reading(incoming);
        Self { source, _place: place, state, rest, resumes: 0, since_cut: 0, idle }
    }

    /// The next bytes; none at the end.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamError>>> {
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

    /// Whether all bytes that were announced have come.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    pub(super) fn failed(&self, kind: ErrorKind) -> UpstreamError {
        UpstreamError::new(self.source.ask.asked(), kind)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match (&self.rest, &self.state) {
            (Rest::Bytes(rest), _) => SizeHint::with_exact(rest.length()),
            (Rest::Nothing, _) => SizeHint::with_exact(0),
            (Rest::Unknown, State::Reading(incoming)) => incoming.size_hint(),
            (Rest::Unknown, State::Resuming(_)) => SizeHint::default(),
        }
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
