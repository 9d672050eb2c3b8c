//! Manifests and indexes by digest: in memory, bounded by bytes, and in the data directory.

use std::sync::Arc;

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use onetag_oci::{Digest, MediaType, Repository};

use super::content::Content;
use super::records::{Failure, Records};
use super::store::{StoreError, Table, Write};
use super::used::{Due, Used};

/// Immutable content by repository and digest.
///
/// The repository is part of the key: what one repository holds is no answer for another, whose
/// readers need not be the same (threats T2, T12).
pub struct Manifests {
    memory: Cache<(Repository, Digest), Arc<Entry>>,
    records: Arc<Records>,
}

struct Entry {
    content: Arc<Content>,
    used: Used,
}

impl Manifests {
    /// Room for `bytes` of content in memory.
    pub fn new(bytes: u64, records: Arc<Records>) -> Self {
        let weigh = |_: &(Repository, Digest), entry: &Arc<Entry>| entry.content.weight();
        // Not by frequency: what was told just now is asked for next.
        let memory = Cache::builder().max_capacity(bytes).weigher(weigh);
        Self { memory: memory.eviction_policy(EvictionPolicy::lru()).build(), records }
    }

    /// The content of this digest in this repository, if it is in memory.
    pub fn get(&self, repository: &Repository, digest: &Digest) -> Option<Arc<Content>> {
        let entry = self.memory.get(&(repository.clone(), digest.clone()))?;
        if self.records.are_kept() {
            match entry.used.due(&self.records) {
                Due::Nothing => {}
                Due::Touch => {
                    self.records.note(vec![Write::Touch(Table::Manifests, key(repository, digest))]);
                }
                Due::Put => self.records.note(vec![entry.write(repository)]),
            }
        }
        Some(Arc::clone(&entry.content))
    }

    /// The content of this digest in this repository, if it is in the data directory. What is damaged there is
    /// as good as absent: the upstream has it.
    pub async fn load(&self, repository: &Repository, digest: &Digest) -> Option<Arc<Content>> {
        let content = self.read(repository, digest).await.unwrap_or_else(|error| {
            tracing::debug!(%error, %repository, %digest, "not read");
            None
        })?;
        let (content, used) = (Arc::clone(&content), Used::found(&self.records));
        self.insert(repository, Entry { content: Arc::clone(&content), used });
        Some(content)
    }

    async fn read(&self, repository: &Repository, digest: &Digest) -> Result<Option<Arc<Content>>, Failure> {
        let Some(record) = self.records.get(Table::Manifests, key(repository, digest)).await? else {
            return Ok(None);
        };
        let damaged = || StoreError::Damaged(digest.to_string());
        let end = record.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let media_type = str::from_utf8(&record[..end]).map_err(|_| damaged())?;
        let (media_type, bytes) = (MediaType::from(media_type), &record[end + 1..]);
        let content = Content::verified(bytes, media_type, digest.clone()).map_err(|_| damaged())?;
        Ok(Some(Arc::new(content)))
    }

    /// Keeps content of the upstream under its own digest.
    pub fn put(&self, repository: &Repository, content: &Arc<Content>) {
        // What is in memory is noted already, and again where that was lost.
        if self.get(repository, &content.digest).is_some() {
            return;
        }
        let used = Used::now(&self.records);
        let entry = Entry { content: Arc::clone(content), used };
        if self.records.are_kept() {
            self.records.note(vec![entry.write(repository)]);
        }
        self.insert(repository, entry);
    }

    fn insert(&self, repository: &Repository, entry: Entry) {
        self.memory.insert((repository.clone(), entry.content.digest.clone()), Arc::new(entry));
    }

    /// Forgets content: it was deleted. What has to be written so that a restart forgets it, too.
    pub fn remove(&self, repository: &Repository, digest: &Digest) -> Write {
        self.memory.invalidate(&(repository.clone(), digest.clone()));
        Write::Remove(Table::Manifests, key(repository, digest))
    }

    /// The bytes that are held in memory.
    pub fn weight(&self) -> u64 {
        self.memory.weighted_size()
    }
}

impl Entry {
    fn write(&self, repository: &Repository) -> Write {
        let key = key(repository, &self.content.digest);
        Write::Put(Table::Manifests, key, with_type(&self.content))
    }
}

/// A manifest as its record has it: the media type, which its bytes need not tell, and they.
pub(super) fn with_type(content: &Content) -> Bytes {
    let mut record = Vec::with_capacity(content.bytes.len() + 80);
    record.extend_from_slice(content.media_type.as_str().as_bytes());
    record.push(b'\n');
    record.extend_from_slice(&content.bytes);
    record.into()
}

/// The key of what a repository has by digest.
pub(super) fn key(repository: &Repository, digest: &Digest) -> String {
    format!("{repository}@{digest}")
}
