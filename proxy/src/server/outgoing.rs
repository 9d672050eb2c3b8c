//! A client that shuts its HTTP/2 windows takes nothing of its answers, and no write to its socket ever waits: it
//! is noticed here (threats T23, T24).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::sleep;

/// The answers of one connection.
#[derive(Default)]
pub(super) struct Outgoing {
    /// Those that have more to give, and it is for the client to take it.
    held: AtomicUsize,
    /// How often one of them was asked for more.
    asked: AtomicUsize,
}

/// The body of an answer, which tells [`Outgoing`] whose turn it is.
pub(super) struct Sent<B> {
    body: B,
    outgoing: Option<Arc<Outgoing>>,
    is_held: bool,
}

impl Outgoing {
    /// Comes to an end once the client has taken nothing for this long, though there was something.
    pub(super) async fn stalled(&self, limit: Duration) {
        let (mut seen, mut idle_halves) = (None, 0);
        while idle_halves < 2 {
            sleep(limit / 2).await;
            let asked = Some(self.asked.load(Relaxed));
            let is_idle = self.held.load(Relaxed) > 0 && seen == asked;
            idle_halves = if is_idle { idle_halves + 1 } else { 0 };
            seen = asked;
        }
    }
}

impl<B: Body> Sent<B> {
    /// A body that belongs to `outgoing`; without it, one that nobody watches.
    pub(super) fn new(body: B, outgoing: Option<Arc<Outgoing>>) -> Self {
        let is_held = !body.is_end_stream();
        let mut sent = Self { body, outgoing, is_held: false };
        sent.hold(is_held);
        sent
    }
}

impl<B> Sent<B> {
    fn hold(&mut self, is_held: bool) {
        let was_held = std::mem::replace(&mut self.is_held, is_held);
        match &self.outgoing {
            Some(outgoing) if is_held && !was_held => outgoing.held.fetch_add(1, Relaxed),
            Some(outgoing) if was_held && !is_held => outgoing.held.fetch_sub(1, Relaxed),
            _ => 0,
        };
    }
}

impl<B> Drop for Sent<B> {
    fn drop(&mut self) {
        self.hold(false);
    }
}

impl<B: Body + Unpin> Body for Sent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(outgoing) = &self.outgoing {
            outgoing.asked.fetch_add(1, Relaxed);
            // While the body waits itself, the client has nothing to take. hyper holds what it is given until there
            // is a window for it, and the body meanwhile.
            let is_held = matches!(polled, Poll::Ready(Some(Ok(_))));
            self.hold(is_held);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::time::{Instant, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    fn body(outgoing: &Arc<Outgoing>) -> Sent<Full<Bytes>> {
        Sent::new(Full::from("x"), Some(Arc::clone(outgoing)))
    }

    #[tokio::test]
    async fn t24_an_answer_that_is_not_taken_is_a_stall() {
        let outgoing = Arc::new(Outgoing::default());
        let held = body(&outgoing);
        let started = Instant::now();
        timeout(10 * LIMIT, outgoing.stalled(LIMIT)).await.expect("a stall");
        assert!(started.elapsed() >= LIMIT, "{:?}", started.elapsed());
        drop(held);
    }

    #[tokio::test]
    async fn t24_a_client_that_has_taken_everything_is_not_stalled() {
        let outgoing = Arc::new(Outgoing::default());
        let (mut taken, dropped) = (body(&outgoing), body(&outgoing));
        poll_fn(|cx| Pin::new(&mut taken).poll_frame(cx)).await.expect("a frame").unwrap();
        assert_eq!(outgoing.held.load(Relaxed), 2);
        drop((taken, dropped));
        assert_eq!(outgoing.held.load(Relaxed), 0);
        timeout(5 * LIMIT, outgoing.stalled(LIMIT)).await.expect_err("no stall");
    }

    #[tokio::test]
    async fn t24_a_client_that_takes_one_of_its_answers_is_not_stalled() {
        let outgoing = Arc::new(Outgoing::default());
        let _held = body(&outgoing);
        let taking = async {
            loop {
                sleep(LIMIT / 4).await;
                let mut other = body(&outgoing);
                poll_fn(|cx| Pin::new(&mut other).poll_frame(cx)).await.expect("a frame").unwrap();
            }
        };
        tokio::select! {
            () = taking => {}
            stalled = timeout(5 * LIMIT, outgoing.stalled(LIMIT)) => {
                stalled.expect_err("no stall");
            }
        }
    }
}
