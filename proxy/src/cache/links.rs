//! Which repositories are known to have which blobs: a file in the cache of blobs answers for those alone
//! (threats T2, T12). In memory, and in the data directory.

use std::sync::Arc;

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use onetag_oci::{Digest, Repository};

use super::manifests::key;
use super::records::Records;
use super::store::{Table, Write};
use super::used::{Due, Used};

/// The most links that are remembered; one takes some hundred bytes.
const MAX_LINKS: u64 = 100_000;

/// Repositories and the blobs that the upstream was seen to serve in them.
pub struct Links {
    memory: Cache<(Repository, Digest), Arc<Used>>,
    records: Arc<Records>,
}

impl Links {
    /// The links that `records` has, and those that come.
    pub fn new(records: Arc<Records>) -> Self {
        // Not by frequency: what was asked for just now is asked for again.
        let memory = Cache::builder().max_capacity(MAX_LINKS).eviction_policy(EvictionPolicy::lru()).build();
        Self { memory, records }
    }

    /// Whether the repository is known to have the blob. Where the disk fails, it is not: the upstream knows.
    pub async fn knows(&self, repository: &Repository, digest: &Digest) -> bool {
        let memory_key = (repository.clone(), digest.clone());
        if let Some(used) = self.memory.get(&memory_key) {
            match used.due(&self.records) {
                Due::Nothing => {}
                Due::Touch => self.records.note(vec![Write::Touch(Table::Links, key(repository, digest))]),
                Due::Put => self.records.note(vec![link(repository, digest)]),
            }
            return true;
        }
        let known = self.records.get(Table::Links, key(repository, digest)).await;
        let known = known.is_ok_and(|value| value.is_some());
        if known {
            self.memory.insert(memory_key, Arc::new(Used::found(&self.records)));
        }
        known
    }

    /// The bytes that are held in memory, about.
    pub fn weight(&self) -> u64 {
        const LINK_BYTES: u64 = 256;
        self.memory.entry_count() * LINK_BYTES
    }

    /// Forgets that the repository has the blob; what is to be written for that.
    pub fn remove(&self, repository: &Repository, digest: &Digest) -> Write {
        self.memory.invalidate(&(repository.clone(), digest.clone()));
        Write::Remove(Table::Links, key(repository, digest))
    }

    /// Notes that the repository has the blob.
    pub fn note(&self, repository: &Repository, digest: &Digest) {
        let memory_key = (repository.clone(), digest.clone());
        if !self.memory.contains_key(&memory_key) {
            self.records.note(vec![link(repository, digest)]);
            self.memory.insert(memory_key, Arc::new(Used::now(&self.records)));
        }
    }
}

fn link(repository: &Repository, digest: &Digest) -> Write {
    Write::Put(Table::Links, key(repository, digest), Bytes::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{DiskStore, Store};
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn a_link_is_of_one_repository_and_one_blob_and_outlives_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Store> = Arc::new(DiskStore::open(directory.path()).unwrap());
        let records = Arc::new(Records::new(Some((disk, Vec::new())), &Arc::new(Metrics::new().unwrap())));
        let (one, two) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
        let (a, b): (Repository, Repository) = ("a".parse().unwrap(), "b".parse().unwrap());
        Links::new(Arc::clone(&records)).note(&a, &one);
        records.flush().await;
        let links = Links::new(records);
        assert!(links.knows(&a, &one).await);
        assert!(!links.knows(&a, &two).await && !links.knows(&b, &one).await);
    }
}
