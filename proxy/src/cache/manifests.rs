//! Manifests and indexes by digest: in memory, bounded by bytes, and in the data directory.

use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use onetag_oci::{Digest, MediaType, Repository};

use super::content::Content;
use super::records::{Failure, Records};
use super::store::{StoreError, Table, Write};
use super::used::Used;

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
        Self { memory: Cache::builder().max_capacity(bytes).weigher(weigh).build(), records }
    }

    /// The content of this digest in this repository, if it is in memory.
    pub fn get(&self, repository: &Repository, digest: &Digest) -> Option<Arc<Content>> {
        let entry = self.memory.get(&(repository.clone(), digest.clone()))?;
        if self.records.are_kept() && entry.used.is_due() {
            let key = key(repository, digest);
            let touch = |table| Write::Touch(table, key.clone());
            // It is in one of the two.
            self.records.note(vec![touch(Table::Manifests), touch(Table::Merged)]);
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
        self.remember(repository, &content);
        Some(content)
    }

    async fn read(&self, repository: &Repository, digest: &Digest) -> Result<Option<Arc<Content>>, Failure> {
        let Some(record) = self.records.get(Table::Manifests, key(repository, digest)).await? else {
            return Ok(None);
        };
        let damaged = || StoreError::Damaged(digest.to_string());
        let record = Bytes::from(record);
        let end = record.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let media_type = str::from_utf8(&record[..end]).map_err(|_| damaged())?;
        let (media_type, bytes) = (MediaType::from(media_type), record.slice(end + 1..));
        let content = Content::verified(bytes, media_type, digest.clone()).map_err(|_| damaged())?;
        Ok(Some(Arc::new(content)))
    }

    /// Keeps content of the upstream under its own digest.
    pub fn put(&self, repository: &Repository, content: &Arc<Content>) {
        let known = self.memory.contains_key(&(repository.clone(), content.digest.clone()));
        if self.records.are_kept() && !known {
            let mut record = Vec::with_capacity(content.bytes.len() + 80);
            record.extend_from_slice(content.media_type.as_str().as_bytes());
            record.push(b'\n');
            record.extend_from_slice(&content.bytes);
            let key = key(repository, &content.digest);
            self.records.note(vec![Write::Put(Table::Manifests, key, record.into())]);
        }
        self.remember(repository, content);
    }

    /// Keeps content in memory alone: it is in the data directory in another table, or comes from there.
    pub fn remember(&self, repository: &Repository, content: &Arc<Content>) {
        let entry = Entry { content: Arc::clone(content), used: Used::now() };
        self.memory.insert((repository.clone(), content.digest.clone()), Arc::new(entry));
    }

    /// Forgets content: it was deleted.
    pub fn remove(&self, repository: &Repository, digest: &Digest) {
        self.memory.invalidate(&(repository.clone(), digest.clone()));
        self.records.note(vec![Write::Remove(Table::Manifests, key(repository, digest))]);
    }

    /// The bytes that are held in memory.
    pub fn weight(&self) -> u64 {
        self.memory.weighted_size()
    }
}

/// The key of what a repository has by digest.
pub(super) fn key(repository: &Repository, digest: &Digest) -> String {
    format!("{repository}@{digest}")
}
