//! Where merged indexes are kept: a merged digest lives nowhere upstream, so what was handed out must
//! stay here (rule D4).

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use onetag_oci::{Digest, Document, MediaType, Repository};
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use super::content::Content;

/// Keeps merged indexes by repository and digest. Calls may block on a disk.
pub trait Store: Send + Sync {
    /// Keeps an index; when this returns it will be found again, by this store's own standard.
    fn put(&self, repository: &Repository, content: &Arc<Content>) -> Result<(), StoreError>;

    /// The index of this digest in this repository.
    fn get(&self, repository: &Repository, digest: &Digest) -> Result<Option<Arc<Content>>, StoreError>;

    /// Keeps for digests of this repository in which other repository they are (rule X1).
    fn put_sources(&self, repository: &Repository, sources: &Sources) -> Result<(), StoreError>;

    /// Whether there is any such digest at all.
    fn has_sources(&self) -> Result<bool, StoreError>;

    /// The other repository in which a digest of this one is, if it is in another.
    fn source(&self, repository: &Repository, digest: &Digest) -> Result<Option<Repository>, StoreError>;
}

/// Digests, each with the repository that has it.
pub type Sources = [(Digest, Repository)];

/// A store failed; what it holds is unknown.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the store of merged indexes: {0}")]
    Database(#[from] Box<redb::Error>),
    /// What was found is not what was kept.
    #[error("the store of merged indexes: {0} is damaged")]
    Damaged(Digest),
    /// The disk hangs.
    #[error("the store of merged indexes: no answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// The work on it panicked.
    #[error("the store of merged indexes: the work was lost")]
    Lost,
}

/// About what the source of one digest takes in memory.
const SOURCE_BYTES: u64 = 256;

/// Merged indexes in memory only: gone with the process.
pub struct MemoryStore {
    merged: Cache<(Repository, Digest), Arc<Content>>,
    sources: Cache<(Repository, Digest), Repository>,
}

impl MemoryStore {
    /// Room for `bytes` of indexes, and half as much for the sources of digests.
    pub fn new(bytes: u64) -> Self {
        let weigh = |_: &(Repository, Digest), content: &Arc<Content>| content.weight();
        Self {
            merged: Cache::builder().max_capacity(bytes).weigher(weigh).build(),
            // Not by frequency: what was told just now must be found, however full it is.
            sources: Cache::builder()
                .max_capacity(bytes / 2 / SOURCE_BYTES)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }
}

impl Store for MemoryStore {
    fn put(&self, repository: &Repository, content: &Arc<Content>) -> Result<(), StoreError> {
        self.merged.insert((repository.clone(), content.digest.clone()), Arc::clone(content));
        Ok(())
    }

    fn get(&self, repository: &Repository, digest: &Digest) -> Result<Option<Arc<Content>>, StoreError> {
        Ok(self.merged.get(&(repository.clone(), digest.clone())))
    }

    fn put_sources(&self, repository: &Repository, sources: &Sources) -> Result<(), StoreError> {
        for (digest, source) in sources {
            self.sources.insert((repository.clone(), digest.clone()), source.clone());
        }
        Ok(())
    }

    fn has_sources(&self) -> Result<bool, StoreError> {
        Ok(self.sources.entry_count() > 0)
    }

    fn source(&self, repository: &Repository, digest: &Digest) -> Result<Option<Repository>, StoreError> {
        Ok(self.sources.get(&(repository.clone(), digest.clone())))
    }
}

/// The key is `repository@digest`, the value the index itself.
const MERGED: TableDefinition<&str, &[u8]> = TableDefinition::new("merged");

/// The key is `repository@digest`, the value the repository that has the digest.
const SOURCES: TableDefinition<&str, &str> = TableDefinition::new("sources");

/// Merged indexes in the data directory; each is on the disk before `put` returns.
pub struct DiskStore {
    directory: PathBuf,
    /// None while it could not be opened anew after an I/O error.
    database: RwLock<Option<Database>>,
}

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("data directory {}: {source}", path.display())]
pub struct OpenError {
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl DiskStore {
    /// Opens the store in `directory`, which is made when it is missing.
    ///
    /// Fails when the directory cannot be written or another process has it open.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let database = Self::try_open(directory);
        let database = database.map_err(|source| OpenError { path: directory.into(), source })?;
        Ok(Self { directory: directory.into(), database: RwLock::new(Some(database)) })
    }

    fn try_open(directory: &Path) -> Result<Database, Box<dyn std::error::Error + Send + Sync>> {
        std::fs::create_dir_all(directory)?;
        let database = match Database::create(directory.join("onetag.redb")) {
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                return Err("another onetag has it open; give each its own".into());
            }
            other => other?,
        };
        let transaction = database.begin_write()?;
        transaction.open_table(MERGED)?;
        transaction.open_table(SOURCES)?;
        transaction.commit()?;
        Ok(database)
    }

    /// Works with the database. After one I/O error redb refuses everything, so that a disk that was full
    /// for a moment would have lost all digests until a restart: it is opened anew.
    fn with<T>(&self, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, redb::Error> {
        let open = self.database.read().unwrap_or_else(PoisonError::into_inner);
        match open.as_ref().map(&work) {
            None | Some(Err(redb::Error::PreviousIo)) => {}
            Some(done) => return done,
        }
        drop(open);
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old one has the file locked.
        *database = None;
        *database = Self::try_open(&self.directory).ok();
        database.as_ref().map_or(Err(redb::Error::PreviousIo), work)
    }

    fn write(&self, key: &str, value: &[u8]) -> Result<(), redb::Error> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(MERGED)?.insert(key, value)?;
            Ok(transaction.commit()?)
        })
    }

    fn read(&self, key: &str) -> Result<Option<Bytes>, redb::Error> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(MERGED)?;
            Ok(table.get(key)?.map(|value| Bytes::copy_from_slice(value.value())))
        })
    }
}

fn key(repository: &Repository, digest: &Digest) -> String {
    format!("{repository}@{digest}")
}

impl Store for DiskStore {
    fn put(&self, repository: &Repository, content: &Arc<Content>) -> Result<(), StoreError> {
        let key = key(repository, &content.digest);
        self.write(&key, &content.bytes).map_err(|error| StoreError::Database(Box::new(error)))
    }

    fn get(&self, repository: &Repository, digest: &Digest) -> Result<Option<Arc<Content>>, StoreError> {
        let found =
            self.read(&key(repository, digest)).map_err(|error| StoreError::Database(Box::new(error)))?;
        let Some(bytes) = found else { return Ok(None) };
        let damaged = || StoreError::Damaged(digest.clone());
        let untyped = MediaType::from("application/json");
        let media_type = Document::parse(&bytes, &untyped).map_err(|_| damaged())?.media_type().clone();
        let content = Content::verified(bytes, media_type, digest.clone()).map_err(|_| damaged())?;
        Ok(Some(Arc::new(content)))
    }

    fn put_sources(&self, repository: &Repository, sources: &Sources) -> Result<(), StoreError> {
        let write = |database: &Database| {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(SOURCES)?;
                for (digest, source) in sources {
                    table.insert(&*key(repository, digest), source.as_str())?;
                }
            }
            Ok(transaction.commit()?)
        };
        self.with(write).map_err(|error| StoreError::Database(Box::new(error)))
    }

    fn has_sources(&self) -> Result<bool, StoreError> {
        let read = |database: &Database| Ok(!database.begin_read()?.open_table(SOURCES)?.is_empty()?);
        self.with(read).map_err(|error| StoreError::Database(Box::new(error)))
    }

    fn source(&self, repository: &Repository, digest: &Digest) -> Result<Option<Repository>, StoreError> {
        let key = key(repository, digest);
        let read = |database: &Database| {
            let table = database.begin_read()?.open_table(SOURCES)?;
            Ok(table.get(&*key)?.map(|value| value.value().to_owned()))
        };
        let found = self.with(read).map_err(|error| StoreError::Database(Box::new(error)))?;
        let damaged = |_| StoreError::Damaged(digest.clone());
        found.map(|name| name.parse().map_err(damaged)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Repository, Arc<Content>) {
        let list = "application/vnd.docker.distribution.manifest.list.v2+json";
        let bytes = Bytes::from(format!(r#"{{"schemaVersion":2,"mediaType":"{list}","manifests":[]}}"#));
        let digest = Digest::sha256(&bytes);
        ("team/app".parse().unwrap(), Arc::new(Content::new(bytes, list.into(), digest)))
    }

    fn keeps_by_repository_and_digest(store: &dyn Store) {
        let (repository, content) = sample();
        assert_eq!(store.get(&repository, &content.digest).unwrap(), None);
        store.put(&repository, &content).unwrap();
        assert_eq!(store.get(&repository, &content.digest).unwrap(), Some(content.clone()));
        assert_eq!(store.get(&"team/other".parse().unwrap(), &content.digest).unwrap(), None);
        assert_eq!(store.get(&repository, &Digest::sha256(b"")).unwrap(), None);
        let source: Repository = "arm64v8/app".parse().unwrap();
        assert_eq!(store.source(&repository, &content.digest).unwrap(), None);
        assert!(matches!(store.has_sources(), Ok(false)));
        store.put_sources(&repository, &[(content.digest.clone(), source.clone())]).unwrap();
        assert_eq!(store.source(&repository, &content.digest).unwrap(), Some(source.clone()));
        assert_eq!(store.source(&source, &content.digest).unwrap(), None);
    }

    #[test]
    fn both_stores_keep_an_index_for_its_repository_alone() {
        keeps_by_repository_and_digest(&MemoryStore::new(1 << 20));
        let directory = tempfile::tempdir().unwrap();
        keeps_by_repository_and_digest(&DiskStore::open(directory.path()).unwrap());
    }

    #[test]
    fn what_was_put_survives_a_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let (repository, content) = sample();
        DiskStore::open(directory.path()).unwrap().put(&repository, &content).unwrap();
        let again = DiskStore::open(directory.path()).unwrap();
        assert_eq!(again.get(&repository, &content.digest).unwrap(), Some(content));
    }

    #[test]
    fn a_database_that_an_error_closed_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (repository, content) = sample();
        let store = DiskStore::open(directory.path()).unwrap();
        store.put(&repository, &content).unwrap();
        *store.database.write().unwrap() = None;
        assert_eq!(store.get(&repository, &content.digest).unwrap(), Some(content));
    }

    #[test]
    fn damaged_bytes_are_never_given_out() {
        let directory = tempfile::tempdir().unwrap();
        let (repository, content) = sample();
        let store = DiskStore::open(directory.path()).unwrap();
        let mut bytes = content.bytes.to_vec();
        *bytes.last_mut().unwrap() = b' ';
        store.write(&key(&repository, &content.digest), &bytes).unwrap();
        assert!(matches!(store.get(&repository, &content.digest), Err(StoreError::Damaged(_))));
        bytes.truncate(bytes.len() - 1);
        bytes.extend_from_slice(b"} ");
        store.write(&key(&repository, &content.digest), &bytes).unwrap();
        assert!(matches!(store.get(&repository, &content.digest), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_second_process_and_a_file_in_the_way_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let _first = DiskStore::open(directory.path()).unwrap();
        let second = DiskStore::open(directory.path()).err().unwrap().to_string();
        assert!(second.contains("another onetag has it open"), "{second}");
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let blocked = DiskStore::open(&file).err().unwrap().to_string();
        assert!(blocked.contains("file") && !blocked.contains("another"), "{blocked}");
    }
}
