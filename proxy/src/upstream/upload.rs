//! The body of a write, on its way from a client to the upstream.
//!
//! The connection to the upstream owns one end of it and may outlive the request; the request owns the other.
//! An upload that is not at its end when the request is over fails the connection: what went out must never
//! pass for the whole.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::cause::Cause;
use super::connector::BoxError;
use super::kind::{ClientFault, ErrorKind, Phase};
use super::pace::{Meter, Pace};

/// The request's end of a body.
pub(super) struct Upload {
    shared: Arc<Shared>,
    /// How long it may stand still.
    idle: Duration,
    /// How fast it must come.
    pace: Pace,
}

/// The connection's end of a body.
pub(super) struct UploadBody(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Told when the last bytes are handed over.
    ended: Notify,
}

struct State {
    /// What the client sends; gone once it is over or nobody wants it any more.
    source: Option<UnsyncBoxBody<Bytes, BoxError>>,
    turn: Turn,
    /// Since when it is that one's turn.
    since: Instant,
    sent: u64,
    /// What the client is too slow by; the upstream's turns are not the client's time.
    meter: Meter,
    /// How many bytes there are, where that is known.
    announced: Option<u64>,
    /// The most bytes that are taken.
    limit: Option<u64>,
    fault: Option<ClientFault>,
    /// Whether the connection must not go on.
    is_given_up: bool,
    waker: Option<Waker>,
}

/// Who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The client, to send the next bytes.
    Clients,
    /// The upstream, to take those that there are.
    Upstreams,
    /// The upstream, to answer: the body is at its end.
    Answer,
}

/// The end of a connection on which a body was not sent to its end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body is given up")]
struct GivenUp;

impl Upload {
    /// A body of at most `limit` bytes that stands still for no longer than `idle` and keeps pace.
    ///
    /// Fails when it is announced to be larger.
    pub(super) fn new<B>(body: B, limit: Option<u64>, idle: Duration, pace: Pace) -> Result<Self, ClientFault>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let announced = body.size_hint().exact();
        if let Some(limit) = limit.filter(|&limit| body.size_hint().lower() > limit) {
            return Err(ClientFault::TooLarge { limit });
        }
        let is_empty = body.is_end_stream() || announced == Some(0);
        let state = State {
            source: (!is_empty).then(|| body.map_err(Into::into).boxed_unsync()),
            turn: if is_empty { Turn::Answer } else { Turn::Upstreams },
            since: Instant::now(),
            sent: 0,
            meter: Meter::new(),
            announced,
            limit,
            fault: None,
            is_given_up: false,
            waker: None,
        };
        let shared = Shared { state: Mutex::new(state), ended: Notify::new() };
        Ok(Self { shared: Arc::new(shared), idle, pace })
    }

    /// The end for the connection.
    pub(super) fn body(&self) -> UploadBody {
        UploadBody(Arc::clone(&self.shared))
    }

    /// Whether there is nothing more to send.
    pub(super) fn is_over(&self) -> bool {
        self.shared.lock().turn == Turn::Answer
    }

    /// Comes when the next bytes, or after the last the headers of the answer, are waited for too long. Time
    /// counts from when this is awaited: once there is a connection.
    pub(super) async fn overdue(&self, patience: Duration) -> ErrorKind {
        let mut window_ends = self.begin();
        loop {
            let (deadline, _) = self.due(patience);
            // The end of the body may move the deadline nearer.
            let _moved = timeout_at(deadline.min(window_ends), self.shared.ended.notified()).await;
            let now = Instant::now();
            let (deadline, kind) = self.due(patience);
            if deadline <= now {
                return kind;
            }
            if window_ends <= now {
                window_ends = now + self.pace.window;
                if self.shared.lock().is_too_slow(&self.pace) {
                    return ErrorKind::Client(ClientFault::Slow { limit: self.pace.window });
                }
            }
        }
    }

    /// Begins to measure time; the end of the first window.
    fn begin(&self) -> Instant {
        let now = Instant::now();
        let mut state = self.shared.lock();
        (state.since, state.meter) = (now, Meter::new());
        now + self.pace.window
    }

    fn due(&self, patience: Duration) -> (Instant, ErrorKind) {
        let state = self.shared.lock();
        let idle = self.idle;
        match state.turn {
            Turn::Clients => (state.since + idle, ErrorKind::Client(ClientFault::Stalled { limit: idle })),
            Turn::Upstreams => (state.since + idle, ErrorKind::Timeout { phase: Phase::Body, limit: idle }),
            Turn::Answer => {
                (state.since + patience, ErrorKind::Timeout { phase: Phase::Headers, limit: patience })
            }
        }
    }

    /// What was wrong with the body, if that is why it is given up.
    pub(super) fn fault(&self) -> Option<ErrorKind> {
        self.shared.lock().fault.take().map(ErrorKind::Client)
    }

    /// Reads no more of the body: there is an answer. The connection holds still while that is read.
    pub(super) fn hold(&self) {
        self.shared.lock().source = None;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.source = None;
        state.is_given_up = state.turn != Turn::Answer;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.0.lock();
        let next = state.poll_data(cx);
        if state.turn == Turn::Answer {
            self.0.ended.notify_one();
        }
        next.map(|next| next.map(|data| data.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().turn == Turn::Answer
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.0.lock();
        let left = state.announced.map(|announced| announced.saturating_sub(state.sent));
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl State {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, GivenUp>>> {
        loop {
            if self.is_given_up {
                return Poll::Ready(Some(Err(GivenUp)));
            }
            self.client_is_due();
            let Some(source) = &mut self.source else {
                if self.turn == Turn::Answer {
                    return Poll::Ready(None);
                }
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            match Pin::new(source).poll_frame(cx) {
                Poll::Pending => {
                    self.turn_to(Turn::Clients);
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Some(self.take(data))),
                    _ => {}
                },
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(self.fail(ClientFault::Broken(Cause::from_box(error)))));
                }
                Poll::Ready(None) => {
                    if let Some(announced) = self.announced.filter(|&announced| announced != self.sent) {
                        return Poll::Ready(Some(self.fail(ClientFault::Length { announced })));
                    }
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Takes bytes that the client sent.
    fn take(&mut self, data: Bytes) -> Result<Bytes, GivenUp> {
        self.sent += data.len() as u64;
        if let Some(announced) = self.announced.filter(|&announced| self.sent > announced) {
            return self.fail(ClientFault::Length { announced });
        }
        if let Some(limit) = self.limit.filter(|&limit| self.sent > limit) {
            return self.fail(ClientFault::TooLarge { limit });
        }
        self.since = Instant::now();
        self.turn = Turn::Upstreams;
        self.meter.note(&Poll::Ready(Some(Ok::<_, GivenUp>(data.clone()))));
        self.meter.note::<GivenUp>(&Poll::Pending);
        // A connection does not ask again for what its framing says is not there.
        if self.announced == Some(self.sent) {
            self.end();
        }
        Ok(data)
    }

    /// The upstream took what there was, and its time ends.
    fn client_is_due(&mut self) {
        if self.turn == Turn::Upstreams {
            self.meter.note::<GivenUp>(&Poll::Ready(None));
        }
    }

    fn is_too_slow(&mut self, pace: &Pace) -> bool {
        self.meter.is_too_slow(pace) && self.turn == Turn::Clients
    }

    fn end(&mut self) {
        self.source = None;
        self.turn_to(Turn::Answer);
    }

    fn fail<T>(&mut self, fault: ClientFault) -> Result<T, GivenUp> {
        self.source = None;
        self.fault = Some(fault);
        self.is_given_up = true;
        Err(GivenUp)
    }

    fn turn_to(&mut self, turn: Turn) {
        if self.turn != turn {
            self.turn = turn;
            self.since = Instant::now();
        }
    }
}
