//! All that a merged digest needs to be served again: its index, and where its content is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onetag_oci::{Digest, Repository};

use super::content::Content;
use super::store::{MemoryStore, Store, StoreError};

/// How long a disk may take before a pull goes on without it (threat T30).
const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// Where every merged index is kept: in memory, and on the disk where there is a data directory.
pub struct MergedStore {
    memory: MemoryStore,
    disk: Option<Arc<dyn Store>>,
    /// Whether there may be sources on the disk: else no request for a blob has to look.
    may_have_sources: AtomicBool,
}

impl MergedStore {
    /// Room for `bytes` in memory, before the disk.
    pub fn new(bytes: u64, disk: Option<Arc<dyn Store>>) -> Self {
        let may_have_sources = disk.as_ref().is_some_and(|disk| disk.has_sources().unwrap_or(true));
        Self { memory: MemoryStore::new(bytes), disk, may_have_sources: may_have_sources.into() }
    }

    /// Keeps an index. A disk that fails is told to the log and does not fail the pull (threat T30).
    pub async fn keep(&self, repository: &Repository, content: &Arc<Content>) {
        let written = self.on_disk(repository, content, |disk, repository, content| {
            if disk.get(repository, &content.digest).is_ok_and(|found| found.is_some()) {
                return Ok(());
            }
            disk.put(repository, content)
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, %repository, digest = %content.digest, "kept in memory only");
        }
        // The memory store cannot fail.
        let _ = self.memory.put(repository, content);
    }

    /// The index of this digest in this repository. Where the disk fails, nobody knows whether there is one.
    pub async fn find(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Arc<Content>>, StoreError> {
        if let Ok(Some(content)) = self.memory.get(repository, digest) {
            return Ok(Some(content));
        }
        let read = self.on_disk(repository, digest, |disk, repository, digest| disk.get(repository, digest));
        let found =
            read.await.inspect_err(|error| tracing::warn!(%error, %repository, %digest, "not read"))?;
        Ok(found.inspect(|content| drop(self.memory.put(repository, content))))
    }

    /// Keeps for digests of this repository in which other repository they are (rule X1).
    pub async fn keep_sources(&self, repository: &Repository, sources: Vec<(Digest, Repository)>) {
        let _ = self.memory.put_sources(repository, &sources);
        self.may_have_sources.store(true, Ordering::Relaxed);
        let sources = Arc::new(sources);
        let written = self.on_disk(repository, &sources, |disk, repository, sources| {
            let known = |(digest, source): &(Digest, Repository)| {
                disk.source(repository, digest).is_ok_and(|found| found.as_ref() == Some(source))
            };
            if sources.iter().all(known) { Ok(()) } else { disk.put_sources(repository, sources) }
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, %repository, "sources are kept in memory only");
        }
    }

    /// The other repository in which a digest of this one is, if it is in another.
    pub async fn source(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Repository>, StoreError> {
        if let Ok(Some(source)) = self.memory.source(repository, digest) {
            return Ok(Some(source));
        }
        if !self.may_have_sources.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let read =
            self.on_disk(repository, digest, |disk, repository, digest| disk.source(repository, digest));
        let found = read.await?;
        if let Some(source) = &found {
            let _ = self.memory.put_sources(repository, &[(digest.clone(), source.clone())]);
        }
        Ok(found)
    }

    /// Runs `work` where it may block.
    async fn on_disk<A, T>(
        &self,
        repository: &Repository,
        argument: &A,
        work: impl FnOnce(&dyn Store, &Repository, &A) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError>
    where
        A: Clone + Send + 'static,
        T: Default + Send + 'static,
    {
        let Some(disk) = self.disk.clone() else { return Ok(T::default()) };
        let (repository, argument) = (repository.clone(), argument.clone());
        let task = tokio::task::spawn_blocking(move || work(&*disk, &repository, &argument));
        match tokio::time::timeout(DISK_PATIENCE, task).await {
            Ok(done) => done.unwrap_or(Err(StoreError::Lost)),
            Err(_) => Err(StoreError::Slow(DISK_PATIENCE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::store::Sources;
    use super::*;

    fn sample() -> (Repository, Arc<Content>) {
        let bytes = Bytes::from_static(b"{}");
        let digest = Digest::sha256(&bytes);
        ("team/app".parse().unwrap(), Arc::new(Content::new(bytes, "a/b".into(), digest)))
    }

    struct Broken;

    impl Store for Broken {
        fn put(&self, _: &Repository, _: &Arc<Content>) -> Result<(), StoreError> {
            Err(StoreError::Lost)
        }

        fn get(&self, _: &Repository, _: &Digest) -> Result<Option<Arc<Content>>, StoreError> {
            Err(StoreError::Lost)
        }

        fn put_sources(&self, _: &Repository, _: &Sources) -> Result<(), StoreError> {
            Err(StoreError::Lost)
        }

        fn has_sources(&self) -> Result<bool, StoreError> {
            Err(StoreError::Lost)
        }

        fn source(&self, _: &Repository, _: &Digest) -> Result<Option<Repository>, StoreError> {
            Err(StoreError::Lost)
        }
    }

    #[tokio::test]
    async fn a_disk_that_fails_costs_no_pull_and_never_says_that_there_is_nothing() {
        let (repository, content) = sample();
        let store = MergedStore::new(1 << 20, Some(Arc::new(Broken)));
        assert!(store.find(&repository, &content.digest).await.is_err());
        store.keep(&repository, &content).await;
        assert_eq!(store.find(&repository, &content.digest).await.unwrap(), Some(content));
    }
}
