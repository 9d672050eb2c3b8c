//! All that a merged digest needs to be served again: its index, and where its content is. A merged digest
//! lives nowhere upstream, so what was handed out must stay here (rule D4).

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use onetag_oci::{Digest, Document, MediaType, Repository};

use super::content::Content;
use super::manifests::key;
use super::records::{Failure, Records};
use super::store::{Store, StoreError, Table, Write};
use super::used::{Due, Used};

/// About what the source of one digest takes in memory.
const SOURCE_BYTES: u64 = 256;

/// Where every merged index is kept, and in which other repository a digest is: in memory, and on the disk
/// where there is a data directory.
pub struct MergedStore {
    indexes: Cache<(Repository, Digest), Arc<Kept>>,
    sources: Cache<(Repository, Digest), Arc<Source>>,
    /// The repositories with sources: for all others no request has to look.
    with_sources: RwLock<HashSet<Repository>>,
    records: Arc<Records>,
}

struct Kept {
    content: Arc<Content>,
    /// How much had been lost when it went to the disk, if it did; if more is lost now, so may it be.
    durable: Option<u64>,
    used: Used,
}

struct Source {
    repository: Repository,
    /// As with [`Kept`].
    durable: Option<u64>,
    used: Used,
}

impl MergedStore {
    /// Room for `bytes` in memory before the disk: for indexes, and half as much for the sources of digests.
    /// `with_sources` are the repositories that have any on the disk ([`with_sources`]).
    pub fn new(bytes: u64, records: Arc<Records>, with_sources: HashSet<Repository>) -> Self {
        let weigh = |_: &(Repository, Digest), kept: &Arc<Kept>| kept.content.weight();
        Self {
            // Not by frequency: what was told just now must be found, however full it is.
            indexes: Cache::builder()
                .max_capacity(bytes)
                .weigher(weigh)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            sources: Cache::builder()
                .max_capacity(bytes / 2 / SOURCE_BYTES)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            with_sources: RwLock::new(with_sources),
            records,
        }
    }

    /// Keeps an index. A disk that fails is told to the log and does not fail the pull (threat T30).
    pub async fn keep(&self, repository: &Repository, content: &Arc<Content>) {
        let (memory_key, key) =
            ((repository.clone(), content.digest.clone()), key(repository, &content.digest));
        let losses = Some(self.records.losses());
        if self.indexes.get(&memory_key).is_some_and(|kept| kept.durable == losses) {
            return self.records.note(vec![Write::Touch(Table::Merged, key)]);
        }
        let written = self.records.write(vec![Write::Put(Table::Merged, key, content.bytes.clone())]).await;
        if let Err(error) = &written {
            tracing::warn!(%error, %repository, digest = %content.digest, "kept in memory only");
        }
        let used = if written.is_ok() { Used::now(&self.records) } else { Used::unwritten() };
        let (content, durable) = (Arc::clone(content), losses.filter(|_| written.is_ok()));
        self.indexes.insert(memory_key, Arc::new(Kept { content, durable, used }));
    }

    /// The index of this digest in this repository, if it is in memory.
    pub fn get(&self, repository: &Repository, digest: &Digest) -> Option<Arc<Content>> {
        let kept = self.indexes.get(&(repository.clone(), digest.clone()))?;
        let key = || key(repository, digest);
        match kept.used.due(&self.records) {
            Due::Nothing => {}
            Due::Touch => self.records.note(vec![Write::Touch(Table::Merged, key())]),
            Due::Put => {
                self.records.note(vec![Write::Put(Table::Merged, key(), kept.content.bytes.clone())]);
            }
        }
        Some(Arc::clone(&kept.content))
    }

    /// The index of this digest in this repository. Where the disk fails, nobody knows whether there is one.
    pub async fn find(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Arc<Content>>, Failure> {
        if let Some(content) = self.get(repository, digest) {
            return Ok(Some(content));
        }
        let read = self.records.get(Table::Merged, key(repository, digest)).await;
        let read = read.inspect_err(|error| {
            // That the disk failed was told a moment ago.
            if !matches!(**error, StoreError::Resting) {
                tracing::warn!(%error, %repository, %digest, "not read");
            }
        })?;
        let Some(bytes) = read.map(Bytes::from) else { return Ok(None) };
        let damaged = || StoreError::Damaged(digest.to_string());
        let untyped = MediaType::from("application/json");
        let media_type = Document::parse(&bytes, &untyped).map_err(|_| damaged())?.media_type().clone();
        let content = Content::verified(&bytes, media_type, digest.clone()).map_err(|_| damaged())?;
        let content = Arc::new(content);
        let (durable, used) = (Some(self.records.losses()), Used::found(&self.records));
        let kept = Kept { content: Arc::clone(&content), durable, used };
        self.indexes.insert((repository.clone(), digest.clone()), Arc::new(kept));
        Ok(Some(content))
    }

    /// Keeps for digests of this repository in which other repository they are (rule X1).
    pub async fn keep_sources(&self, repository: &Repository, sources: Vec<(Digest, Repository)>) {
        if sources.is_empty() {
            return;
        }
        self.with_sources.write().unwrap_or_else(PoisonError::into_inner).insert(repository.clone());
        let losses = Some(self.records.losses());
        let is_known = |(digest, source): &(Digest, Repository)| {
            let known = self.sources.get(&(repository.clone(), digest.clone()));
            known.is_some_and(|known| known.durable == losses && known.repository == *source)
        };
        let known = sources.iter().all(is_known);
        let write = |(digest, source): &(Digest, Repository)| {
            if known {
                return Write::Touch(Table::Sources, key(repository, digest));
            }
            write(repository, digest, source)
        };
        let writes = sources.iter().map(write).collect();
        if known {
            return self.records.note(writes);
        }
        let written = self.records.write(writes).await;
        if let Err(error) = &written {
            tracing::warn!(%error, %repository, "sources are kept in memory only");
        }
        for (digest, source) in sources {
            self.remember_source(repository, digest, source, losses.filter(|_| written.is_ok()));
        }
    }

    /// Whether any digest of this repository is in another one.
    pub fn has_sources(&self, repository: &Repository) -> bool {
        self.with_sources.read().unwrap_or_else(PoisonError::into_inner).contains(repository)
    }

    /// The other repository in which a digest of this one is, if it is in another.
    pub async fn source(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Repository>, Failure> {
        if !self.has_sources(repository) {
            return Ok(None);
        }
        if let Some(source) = self.sources.get(&(repository.clone(), digest.clone())) {
            match source.used.due(&self.records) {
                Due::Nothing => {}
                Due::Touch => self.records.note(vec![Write::Touch(Table::Sources, key(repository, digest))]),
                Due::Put => self.records.note(vec![write(repository, digest, &source.repository)]),
            }
            return Ok(Some(source.repository.clone()));
        }
        let Some(name) = self.records.get(Table::Sources, key(repository, digest)).await? else {
            return Ok(None);
        };
        let source: Option<Repository> = String::from_utf8(name).ok().and_then(|name| name.parse().ok());
        let source = source.ok_or_else(|| StoreError::Damaged(digest.to_string()))?;
        self.remember_source(repository, digest.clone(), source.clone(), Some(self.records.losses()));
        Ok(Some(source))
    }

    /// The bytes that are held in memory.
    pub fn weight(&self) -> u64 {
        self.indexes.weighted_size() + self.sources.entry_count() * SOURCE_BYTES
    }

    fn remember_source(
        &self,
        repository: &Repository,
        digest: Digest,
        source: Repository,
        durable: Option<u64>,
    ) {
        let source = Arc::new(Source { repository: source, durable, used: Used::found(&self.records) });
        self.sources.insert((repository.clone(), digest), source);
    }
}

fn write(repository: &Repository, digest: &Digest, source: &Repository) -> Write {
    let value = Bytes::copy_from_slice(source.as_str().as_bytes());
    Write::Put(Table::Sources, key(repository, digest), value)
}

/// The repositories with digests that are in other repositories, by what the disk knows.
pub fn with_sources(store: &dyn Store) -> Result<HashSet<Repository>, StoreError> {
    let (mut all, mut from) = (HashSet::new(), String::new());
    while let Some(key) = store.keys(Table::Sources, &from, 1)?.pop() {
        let repository = key.split('@').next().unwrap_or_default();
        all.extend(repository.parse::<Repository>());
        // The character after '@': the first key of the next repository.
        from = format!("{repository}A");
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::DiskStore;
    use crate::telemetry::Metrics;

    struct Broken;

    impl Store for Broken {
        fn get(&self, _: Table, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
            Err(StoreError::Lost)
        }

        fn write(&self, _: &[Write]) -> Result<(), StoreError> {
            Err(StoreError::Lost)
        }

        fn keys(&self, _: Table, _: &str, _: usize) -> Result<Vec<String>, StoreError> {
            Err(StoreError::Lost)
        }

        fn lost(&self) -> u64 {
            0
        }

        fn is_crowded(&self) -> Result<bool, StoreError> {
            Err(StoreError::Lost)
        }

        fn prune(&self, _: u64) -> Result<usize, StoreError> {
            Err(StoreError::Lost)
        }
    }

    fn sample() -> (Repository, Arc<Content>) {
        let list = "application/vnd.docker.distribution.manifest.list.v2+json";
        let bytes = Bytes::from(format!(r#"{{"schemaVersion":2,"mediaType":"{list}","manifests":[]}}"#));
        let digest = Digest::sha256(&bytes);
        ("team/app".parse().unwrap(), Arc::new(Content::new(&bytes, list.into(), digest)))
    }

    fn merged(store: Arc<dyn Store>) -> MergedStore {
        let known = with_sources(&*store).unwrap_or_default();
        let records = Records::new(Some((store, Vec::new())), &Arc::new(Metrics::new().unwrap()));
        MergedStore::new(1 << 20, Arc::new(records), known)
    }

    #[tokio::test]
    async fn a_disk_that_fails_costs_no_pull_and_never_says_that_there_is_nothing() {
        let (repository, content) = sample();
        let store = merged(Arc::new(Broken));
        assert!(store.find(&repository, &content.digest).await.is_err());
        store.keep(&repository, &content).await;
        assert_eq!(store.find(&repository, &content.digest).await.unwrap(), Some(content));
    }

    #[tokio::test]
    async fn indexes_and_sources_are_there_again_for_their_repository_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (repository, content) = sample();
        let (other, source): (Repository, Repository) =
            ("team/app2".parse().unwrap(), "arm64v8/app".parse().unwrap());
        let digest = content.digest.clone();
        {
            let store = merged(Arc::new(DiskStore::open(directory.path()).unwrap()));
            store.keep(&repository, &content).await;
            store.keep_sources(&repository, vec![(digest.clone(), source.clone())]).await;
        }
        // The thread that writes may hold the database a moment longer.
        let disk = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            DiskStore::open(directory.path()).ok()
        });
        let store = merged(Arc::new(disk.unwrap()));
        assert_eq!(store.find(&repository, &digest).await.unwrap(), Some(content));
        assert_eq!(store.source(&repository, &digest).await.unwrap(), Some(source));
        assert_eq!(store.find(&other, &digest).await.unwrap(), None);
        assert_eq!(store.source(&other, &digest).await.unwrap(), None);
        assert_eq!(store.find(&repository, &Digest::sha256(b"")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn damaged_bytes_are_never_given_out() {
        let directory = tempfile::tempdir().unwrap();
        let (repository, content) = sample();
        let disk = Arc::new(DiskStore::open(directory.path()).unwrap());
        for place in [0, content.bytes.len() / 2, content.bytes.len() - 1] {
            let mut bytes = content.bytes.to_vec();
            bytes[place] ^= 1;
            disk.write(&[Write::Put(Table::Merged, key(&repository, &content.digest), bytes.into())])
                .unwrap();
            let error = merged(Arc::clone(&disk) as _).find(&repository, &content.digest).await.unwrap_err();
            assert!(matches!(*error, StoreError::Damaged(_)), "{error}");
        }
    }

    #[test]
    fn the_repositories_with_sources_are_told_apart_from_those_of_similar_names() {
        let directory = tempfile::tempdir().unwrap();
        let disk = DiskStore::open(directory.path()).unwrap();
        let digest = Digest::sha256(b"");
        let names = ["app", "app-x", "app.y", "app/z", "app0", "appa"];
        for name in names {
            let repository = name.parse().unwrap();
            for digest in [&digest, &Digest::sha256(b"1")] {
                let value = Bytes::from_static(b"other/app");
                disk.write(&[Write::Put(Table::Sources, key(&repository, digest), value)]).unwrap();
            }
        }
        let mut found: Vec<String> =
            with_sources(&disk).unwrap().iter().map(|name| name.as_str().to_owned()).collect();
        found.sort();
        assert_eq!(found, names);
    }
}
