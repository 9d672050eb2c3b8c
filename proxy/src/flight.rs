//! One piece of work per key, however many callers want its result.
//!
//! The work runs in a task of its own: callers that leave do not end it, and it is gone from the map
//! when it ends, whether by a result or by a panic (threat T44, goal G3).

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::oneshot;
use tracing::Instrument;

/// The work that is under way, by key.
pub struct Flights<K, V> {
    under_way: Arc<Mutex<HashMap<K, Flight<V>>>>,
    waiting: AtomicUsize,
}

type Flight<V> = Shared<BoxFuture<'static, Result<V, FlightLost>>>;

/// The work panicked or its runtime shut down before there was a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was lost before it had a result")]
pub struct FlightLost;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { under_way: Arc::default(), waiting: AtomicUsize::new(0) }
    }
}

impl<K, V> Flights<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the work for `key`, or starts it when none is under way.
    ///
    /// A result must be remembered by `work` itself before it ends, and `work` should look there once
    /// more when it begins: a caller may ask just after another's work ended.
    pub async fn join<F>(&self, key: K, work: impl FnOnce() -> F + Send) -> Result<V, FlightLost>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let (flight, ours) = self.flight(&key);
        if let Some(ours) = ours {
            self.take_off(key, work, ours);
        }
        let _waiting = Waiting::new(&self.waiting);
        flight.await
    }

    /// Starts the work for `key` when none is under way, and does not wait for it.
    pub fn begin<F>(&self, key: K, work: impl FnOnce() -> F + Send)
    where
        F: Future<Output = V> + Send + 'static,
    {
        if let (_, Some(ours)) = self.flight(&key) {
            self.take_off(key, work, ours);
        }
    }

    fn take_off<F>(&self, key: K, work: impl FnOnce() -> F, ours: oneshot::Sender<V>)
    where
        F: Future<Output = V> + Send + 'static,
    {
        // Only now that the map is not locked any more: a runtime that shuts down drops the task, and
        // its landing with it, within spawn.
        let landing = Landing { under_way: Arc::clone(&self.under_way), key };
        let work = work();
        let task = async move {
            let result = work.await;
            drop(landing);
            // Without anybody left to tell, the work was worth doing all the same.
            let _ = ours.send(result);
        };
        tokio::spawn(task.in_current_span());
    }

    /// The work that is under way for `key`; or a new one, and the place to put its result.
    fn flight(&self, key: &K) -> (Flight<V>, Option<oneshot::Sender<V>>) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(key) {
            return (flight.clone(), None);
        }
        let (sender, receiver) = oneshot::channel();
        let flight = receiver.map(|end| end.map_err(|_| FlightLost)).boxed().shared();
        under_way.insert(key.clone(), flight.clone());
        (flight, Some(sender))
    }

    /// How many callers wait for a result.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many pieces of work are under way.
    pub fn len(&self) -> usize {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One caller that waits, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes the work out of the map when it ends.
struct Landing<K: Hash + Eq, V> {
    under_way: Arc<Mutex<HashMap<K, Flight<V>>>>,
    key: K,
}

impl<K: Hash + Eq, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn callers_share_one_run_and_may_leave() {
        let flights = Arc::new(Flights::<&str, usize>::default());
        let runs = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Notify::new());
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let (flights, runs, gate) = (flights.clone(), runs.clone(), gate.clone());
                tokio::spawn(async move {
                    let work = || async move {
                        gate.notified().await;
                        runs.fetch_add(1, Ordering::SeqCst) + 1
                    };
                    flights.join("key", work).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        let (leavers, stayers) = callers.split_at(50);
        leavers.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(!stayers.is_empty());
        while flights.waiting() != stayers.len() {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
        for caller in callers {
            if let Ok(result) = caller.await {
                assert_eq!(result, Ok(1));
            }
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_next_caller_starts_anew() {
        let flights = Flights::<u8, u8>::default();
        let lost = flights.join(1, || async { panic!("planted") }).await;
        assert_eq!(lost, Err(FlightLost));
        assert_eq!(flights.join(1, || async { 7 }).await, Ok(7));
    }
}
