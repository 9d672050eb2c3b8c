//! A blob that arrives: what its download tells those who read it meanwhile.

use std::fs::File;
use std::sync::{Arc, Mutex};

use onetag_oci::{Hasher, Repository};
use tokio::sync::watch;

use super::feed::{BlobError, Opened};
use super::verified::TAIL;

/// A download under way, as the cache knows it.
pub(super) struct Arrival {
    /// The repository that it was asked for in: whoever may read there may read this.
    pub(super) repository: Repository,
    pub(super) progress: watch::Sender<Progress>,
}

/// How far an arrival is.
#[derive(Clone)]
pub(super) struct Progress {
    /// The size of the blob in bytes, where the upstream tells it.
    pub(super) total: Option<u64>,
    /// The bytes in the file.
    pub(super) written: u64,
    pub(super) file: Option<Arc<File>>,
    pub(super) state: State,
}

#[derive(Clone)]
pub(super) enum State {
    /// The upstream has not answered yet.
    Opening,
    Flowing,
    /// All is there, and right.
    Whole,
    /// There is no such blob.
    Absent,
    Failed(BlobError),
    /// The cache cannot take it: each reader goes on by itself.
    Abandoned(Arc<Abandoned>),
}

/// What a reader needs to go on where the cache gave up.
pub(super) struct Abandoned {
    /// Has seen the bytes in the file.
    pub(super) hasher: Hasher,
    /// A stream of the whole blob, for the first reader that takes it.
    pub(super) opened: Mutex<Option<Opened>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { total: None, written: 0, file: None, state: State::Opening }
    }

    /// How many bytes readers may have: all but the tail, until the blob is known to be right.
    pub(super) fn free(&self) -> u64 {
        match (&self.state, self.total) {
            (State::Whole, _) => self.written,
            (_, Some(total)) => self.written.min(total.saturating_sub(TAIL)),
            (_, None) => self.written.saturating_sub(TAIL),
        }
    }

    /// The size of the blob in bytes, where it is known by now.
    pub(super) fn size(&self) -> Option<u64> {
        if matches!(self.state, State::Whole) { Some(self.written) } else { self.total }
    }

    fn is_settled(&self) -> bool {
        !matches!(self.state, State::Opening | State::Flowing)
    }
}

/// A caller's place at an arrival. An arrival without any may be given up.
pub struct Follower {
    pub(super) progress: watch::Receiver<Progress>,
    repository: Repository,
}

impl Follower {
    pub(super) fn of(arrival: &Arrival) -> Self {
        Self { progress: arrival.progress.subscribe(), repository: arrival.repository.clone() }
    }

    /// The repository that the blob is fetched for.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Waits until the upstream has answered.
    ///
    /// # Errors
    /// When the arrival has failed already.
    pub async fn opened(&mut self) -> Result<(), BlobError> {
        self.wait(|progress| !matches!(progress.state, State::Opening)).await.map(drop)
    }

    /// The size of the blob in bytes, and how many have come.
    pub fn progress(&self) -> (Option<u64>, u64) {
        let progress = self.progress.borrow();
        (progress.size(), progress.written)
    }

    /// Whether the cache has given up on the blob, so that it passes by.
    pub fn is_abandoned(&self) -> bool {
        matches!(self.progress.borrow().state, State::Abandoned(_))
    }

    /// Waits until the byte `first` may be read, or nothing more comes, so that a failure is told before
    /// an answer begins. Returns whether there is such a blob.
    ///
    /// # Errors
    /// When the arrival failed before that byte.
    pub async fn ready(&mut self, first: u64) -> Result<bool, BlobError> {
        self.wait(|progress| progress.free() > first || progress.is_settled()).await
    }

    /// Waits until all is over, the move into the cache included, and reads nothing. Returns whether there is
    /// such a blob; whether it was kept, the cache knows.
    ///
    /// # Errors
    /// When the arrival failed.
    pub async fn finished(&mut self) -> Result<bool, BlobError> {
        let is_there = self.wait(Progress::is_settled).await?;
        while self.progress.changed().await.is_ok() {}
        Ok(is_there)
    }

    async fn wait(&mut self, holds: impl Fn(&Progress) -> bool) -> Result<bool, BlobError> {
        let progress = self.progress.wait_for(holds).await.map_err(|_| BlobError::Lost)?;
        match &progress.state {
            State::Failed(error) => Err(error.clone()),
            state => Ok(!matches!(state, State::Absent)),
        }
    }
}
