//! The timer of a connection's header timeout. hyper asks for a new one for each request and gives it back a moment
//! later. The runtime has all of its timers in one place, behind a lock: a connection has one there that stays, and
//! who wants it to end later only says so.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// The timer of one connection, which waits for one thing at a time, each time for a later moment.
#[derive(Default)]
pub(super) struct HeaderTimer(Arc<Mutex<Option<Kept>>>);

/// What the runtime has of it; made at the first wait.
type Kept = Pin<Box<tokio::time::Sleep>>;

/// One wait.
struct Wait {
    kept: Arc<Mutex<Option<Kept>>>,
    until: Instant,
}

impl Timer for HeaderTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, until: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { kept: Arc::clone(&self.0), until })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let until = self.until.into();
        let timer = kept.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= until {
                return Poll::Ready(());
            }
            // That was the end of an earlier wait.
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn each_wait_lasts_until_its_own_end() {
        let (timer, begin) = (HeaderTimer::default(), Instant::now());
        for part in [2, 3, 1, 4] {
            let mut waits = timer.sleep(part * SHORT);
            timeout(SHORT / 2, &mut waits).await.expect_err("it has just begun");
        }
        let until = begin + 6 * SHORT;
        timer.sleep_until(until).await;
        let late = until.elapsed();
        assert!(Instant::now() >= until && late < 3 * SHORT, "{late:?}");
        let begin = Instant::now();
        timer.sleep(SHORT).await;
        assert!(begin.elapsed() >= SHORT, "{:?}", begin.elapsed());
    }
}
