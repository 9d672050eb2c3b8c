//! Places among the requests under way (goal G8): no repository has them all, and streams and writes, which
//! may last, have places of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use onetag_oci::Repository;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The least that one repository may have.
const LEAST_SHARE: usize = 8;

/// The least number of streams.
const LEAST_STREAMS: usize = 256;

/// The number of writes.
const WRITES: usize = 256;

/// So many streams go with one small request: they hold no more than a piece in memory.
const STREAMS_EACH: usize = 4;

/// The places at one upstream.
pub(super) struct Places {
    small: Arc<Pool>,
    streams: Arc<Pool>,
    writes: Arc<Pool>,
}

/// Places of one sort.
struct Pool {
    all: Arc<Semaphore>,
    share: usize,
    /// The repositories that have a request under way or waiting, and no others.
    shares: Mutex<HashMap<Option<Repository>, Share>>,
}

struct Share {
    places: Arc<Semaphore>,
    users: usize,
}

/// A place, for as long as it lives. The fields are dropped in this order, so that a share is not forgotten
/// while one of its places is taken.
pub(super) struct Place {
    _among_all: OwnedSemaphorePermit,
    _in_share: OwnedSemaphorePermit,
    _user: User,
}

/// One that uses the share of a repository, or of all that is not about one, or waits for it.
struct User {
    pool: Arc<Pool>,
    repository: Option<Repository>,
}

impl Places {
    /// Places for `max_in_flight` small requests, and for streams.
    pub(super) fn new(max_in_flight: usize) -> Self {
        let streams = max_in_flight.saturating_mul(STREAMS_EACH).max(LEAST_STREAMS);
        let writes = Pool::new(WRITES);
        Self { small: Pool::new(max_in_flight), streams: Pool::new(streams), writes }
    }

    /// Waits for a place for a small request, which need not be about a repository.
    ///
    /// `None` never comes: the semaphores are not closed.
    pub(super) async fn small(&self, repository: Option<&Repository>) -> Option<Place> {
        self.small.place(repository).await
    }

    /// Waits for a place for a stream.
    ///
    /// `None` never comes: the semaphores are not closed.
    pub(super) async fn stream(&self, repository: &Repository) -> Option<Place> {
        self.streams.place(Some(repository)).await
    }

    /// Waits for a place for a write, which lasts for as long as its client takes.
    ///
    /// `None` never comes: the semaphores are not closed.
    pub(super) async fn write(&self, repository: &Repository) -> Option<Place> {
        self.writes.place(Some(repository)).await
    }
}

impl Pool {
    fn new(places: usize) -> Arc<Self> {
        let share = (places / 4).max(LEAST_SHARE);
        Arc::new(Self { all: Arc::new(Semaphore::new(places)), share, shares: Mutex::default() })
    }

    /// Waits for a place. It waits for one in the repository's share first: those that wait for their own
    /// neighbours take nothing from others.
    async fn place(self: &Arc<Self>, repository: Option<&Repository>) -> Option<Place> {
        let (user, share) = self.user(repository);
        let in_share = share.acquire_owned().await.ok()?;
        let among_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _among_all: among_all, _in_share: in_share, _user: user })
    }

    fn user(self: &Arc<Self>, repository: Option<&Repository>) -> (User, Arc<Semaphore>) {
        let mut shares = self.shares();
        let share = shares
            .entry(repository.cloned())
            .or_insert_with(|| Share { places: Arc::new(Semaphore::new(self.share)), users: 0 });
        share.users += 1;
        (User { pool: Arc::clone(self), repository: repository.cloned() }, Arc::clone(&share.places))
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<Option<Repository>, Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut shares = self.pool.shares();
        if let Some(share) = shares.get_mut(&self.repository) {
            share.users -= 1;
            if share.users == 0 {
                shares.remove(&self.repository);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn repository(name: &str) -> Repository {
        name.parse().unwrap()
    }

    #[test]
    fn one_repository_cannot_take_all_places() {
        let places = Places::new(40);
        let (slow, other) = (repository("slow"), repository("other"));
        let taken: Vec<_> = std::iter::from_fn(|| places.small(Some(&slow)).now_or_never()).collect();
        assert_eq!(taken.len(), 10);
        let others: Vec<_> = std::iter::from_fn(|| places.small(Some(&other)).now_or_never()).collect();
        assert_eq!(others.len(), 10);
        drop(taken);
        assert!(places.small(Some(&slow)).now_or_never().is_some());
        let streams: Vec<_> = std::iter::from_fn(|| places.stream(&slow).now_or_never()).collect();
        assert_eq!(streams.len(), 64);
        assert!(places.stream(&other).now_or_never().is_some());
        let writes: Vec<_> = std::iter::from_fn(|| places.write(&slow).now_or_never()).collect();
        assert_eq!(writes.len(), 64);
        assert!(places.write(&other).now_or_never().is_some());
    }

    #[test]
    fn all_repositories_together_have_no_more_than_there_are() {
        let places = Places::new(3);
        let names: Vec<_> = (0..4).map(|number| repository(&format!("r{number}"))).collect();
        let taken: Vec<_> = names.iter().filter_map(|name| places.small(Some(name)).now_or_never()).collect();
        assert_eq!(taken.len(), 3);
    }

    #[test]
    fn shares_are_kept_for_as_long_as_they_are_used() {
        let places = Places::new(8);
        let name = repository("app");
        let mut taken: Vec<_> = (0..8).map(|_| places.small(Some(&name)).now_or_never().unwrap()).collect();
        let mut waiting = Box::pin(places.small(Some(&name)));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(places.small.shares()[&Some(name.clone())].users, 9);
        taken.pop();
        assert!(waiting.as_mut().now_or_never().is_some(), "the place goes to the one that waits");
        drop(taken);
        drop(waiting);
        assert!(places.small.shares().is_empty());
    }
}
