//! The store in the data directory, a redb database.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::open::{BoxError, FILE, Open, USED, definition, takes_writes};
use super::sealed;
use super::{Store, StoreError, Table, Write};

/// How many records one transaction prunes, so that others may write in between.
const PRUNED_AT_ONCE: usize = 1_000;

/// Records in the data directory; each is on the disk before `write` returns.
pub struct DiskStore {
    directory: PathBuf,
    /// None while it could not be opened anew after an I/O error.
    open: RwLock<Option<Open>>,
    lost: AtomicU64,
}

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("data directory {}: {source}", path.display())]
pub struct OpenError {
    path: PathBuf,
    source: BoxError,
}

fn used_key(table: Table, key: &str) -> String {
    format!("{}/{key}", table.name())
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

impl DiskStore {
    /// Opens the store in `directory`, which is made when it is missing. A database that is damaged is put
    /// aside: what it held can be had from the upstream, but for digests of merged indexes that nobody asks
    /// for by their tag again.
    ///
    /// Fails when the directory cannot be written or another process has it open.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let open = Open::or_to_read(directory);
        let open = open.map_err(|source| OpenError { path: directory.into(), source })?;
        Ok(Self { directory: directory.into(), open: RwLock::new(Some(open)), lost: AtomicU64::new(0) })
    }

    /// Reads in the database. After one I/O error redb refuses everything, so that a disk that was full for a
    /// moment would have lost all digests until a restart: it is opened anew, to be read alone where need be.
    fn reading<T>(&self, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let worked = self.with(false, work);
        worked.map_err(|error| StoreError::Database(Box::new(error)))
    }

    /// The same for what writes.
    fn writing<T>(&self, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let worked = self.probe().and_then(|()| self.with(true, work));
        worked.map_err(|error| StoreError::Database(Box::new(error)))
    }

    fn with<T>(
        &self,
        writes: bool,
        work: impl Fn(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let work = |open: &Open| {
            if open.is_writable || !writes {
                work(&open.database)
            } else {
                Err(redb::Error::Io(ErrorKind::ReadOnlyFilesystem.into()))
            }
        };
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        match open.as_ref().filter(|open| open.is_in_place(&self.directory)).map(work) {
            None | Some(Err(redb::Error::PreviousIo)) => {}
            Some(done) => return done,
        }
        drop(open);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here meanwhile.
        let is_gone = match &*open {
            Some(open) => !open.is_in_place(&self.directory),
            None => !self.directory.join(FILE).exists(),
        };
        if is_gone {
            tracing::error!(directory = %self.directory.display(), "the database is gone and begun anew");
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        // The old one has the file locked.
        *open = None;
        let anew = Open::or_anew(&self.directory);
        *open = anew.or_else(|_| Open::to_read(&self.directory).map_err(BoxError::from)).ok();
        open.as_ref().map_or(Err(redb::Error::PreviousIo), work)
    }

    /// Where the database can only be read: fails as the disk does, or closes it so that it is opened anew.
    fn probe(&self) -> Result<(), redb::Error> {
        let is_to_read = |open: &Option<Open>| open.as_ref().is_some_and(|open| !open.is_writable);
        if is_to_read(&self.open.read().unwrap_or_else(PoisonError::into_inner)) {
            takes_writes(&self.directory).map_err(redb::Error::Io)?;
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            if is_to_read(&open) {
                *open = None;
            }
        }
        Ok(())
    }

    /// Some of what was last used before `before`.
    fn unused(&self, before: u64) -> Result<Vec<String>, StoreError> {
        self.reading(|database| {
            let mut unused = Vec::new();
            for record in database.begin_read()?.open_table(USED)?.iter()? {
                let (key, last) = record?;
                if last.value() < before {
                    unused.push(key.value().to_owned());
                }
                if unused.len() == PRUNED_AT_ONCE {
                    break;
                }
            }
            Ok(unused)
        })
    }
}

impl Store for DiskStore {
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.reading(|database| {
            let records = database.begin_read()?.open_table(definition(table))?;
            Ok(records.get(key)?.map(|sealed| sealed::open(table, key, sealed.value())))
        })?;
        found.map(|value| value.ok_or_else(|| StoreError::Damaged(key.into()))).transpose()
    }

    fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.writing(|database| {
            let transaction = database.begin_write()?;
            apply(&transaction, writes)?;
            Ok(transaction.commit()?)
        })
    }

    fn keys(&self, table: Table, from: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        self.reading(|database| {
            let table = database.begin_read()?.open_table(definition(table))?;
            let keys = table.range(from..)?.take(limit);
            Ok(keys.map(|entry| entry.map(|(key, _)| key.value().to_owned())).collect::<Result<_, _>>()?)
        })
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn is_crowded(&self) -> Result<bool, StoreError> {
        self.reading(|database| {
            let transaction = database.begin_read()?;
            for table in Table::ALL {
                let records = transaction.open_table(definition(table))?.len()?;
                if table.limit().is_some_and(|limit| records > limit / 10 * 9) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    fn prune(&self, before: u64) -> Result<usize, StoreError> {
        // Looked for by a reader: others may write meanwhile, and what they used stays.
        let unused = self.unused(before)?;
        if unused.is_empty() {
            return Ok(0);
        }
        self.writing(|database| {
            let transaction = database.begin_write()?;
            {
                let mut used = transaction.open_table(USED)?;
                for key in &unused {
                    let still = used.get(&**key)?.is_some_and(|last| last.value() < before);
                    let Some((name, own)) = key.split_once('/').filter(|_| still) else { continue };
                    used.remove(&**key)?;
                    let table = Table::ALL.into_iter().find(|table| table.name() == name);
                    if let Some(table) = table.filter(|table| table.is_pruned()) {
                        transaction.open_table(definition(table))?.remove(own)?;
                    }
                }
            }
            transaction.commit()?;
            Ok(unused.len())
        })
    }
}

/// Whether a table takes nothing new.
fn is_full(transaction: &WriteTransaction, table: Table, key: &str) -> Result<bool, redb::Error> {
    let Some(limit) = table.limit() else { return Ok(false) };
    let records = transaction.open_table(definition(table))?;
    Ok(records.len()? >= limit && records.get(key)?.is_none())
}

fn apply(transaction: &WriteTransaction, writes: &[Write]) -> Result<(), redb::Error> {
    let mut used = transaction.open_table(USED)?;
    for write in writes {
        match write {
            Write::Put(table, key, _) if is_full(transaction, *table, key)? => {
                tracing::debug!(?table, key, "the table is full");
            }
            Write::Put(table, key, value) => {
                let sealed = sealed::seal(*table, key, value);
                transaction.open_table(definition(*table))?.insert(&**key, &*sealed)?;
                used.insert(&*used_key(*table, key), now())?;
            }
            Write::Touch(table, key) => {
                if transaction.open_table(definition(*table))?.get(&**key)?.is_some() {
                    used.insert(&*used_key(*table, key), now())?;
                }
            }
            Write::Remove(table, key) => {
                transaction.open_table(definition(*table))?.remove(&**key)?;
                used.remove(&*used_key(*table, key))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;

    use super::super::open::FILE;
    use super::*;

    fn put(key: &str, value: &'static str) -> Write {
        Write::Put(Table::Tags, key.into(), Bytes::from_static(value.as_bytes()))
    }

    fn get(store: &DiskStore, key: &str) -> Option<String> {
        let found = store.get(Table::Tags, key).unwrap();
        found.map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn what_was_written_survives_a_reopening_in_its_own_table() {
        let directory = tempfile::tempdir().unwrap();
        DiskStore::open(directory.path()).unwrap().write(&[put("a", "1"), put("b", "2")]).unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        assert_eq!(get(&store, "a").as_deref(), Some("1"));
        assert_eq!(store.get(Table::Merged, "a").unwrap(), None);
        store.write(&[Write::Remove(Table::Tags, "a".into())]).unwrap();
        assert_eq!(get(&store, "a"), None);
    }

    #[test]
    fn keys_come_in_order_from_any_place_on() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        store.write(&["c", "a", "b", "d"].map(|key| put(key, ""))).unwrap();
        assert_eq!(store.keys(Table::Tags, "b", 2).unwrap(), ["b", "c"]);
        assert_eq!(store.keys(Table::Tags, "bb", 9).unwrap(), ["c", "d"]);
    }

    #[test]
    fn only_what_nobody_used_is_pruned() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        let keys: Vec<Write> = (0..2_500).map(|n| put(&format!("{n}"), "")).collect();
        store.write(&keys).unwrap();
        assert_eq!(store.prune(now() - 10).unwrap(), 0);
        store
            .writing(|database| {
                let transaction = database.begin_write()?;
                for key in store.keys(Table::Tags, "", 5_000).unwrap_or_default() {
                    transaction.open_table(USED)?.insert(&*used_key(Table::Tags, &key), 1)?;
                }
                Ok(transaction.commit()?)
            })
            .unwrap();
        store.write(&[Write::Touch(Table::Tags, "7".into())]).unwrap();
        let mut pruned = Vec::new();
        while pruned.last() != Some(&0) {
            pruned.push(store.prune(now() - 10).unwrap());
        }
        assert_eq!(pruned, [1_000, 1_000, 499, 0]);
        assert_eq!(store.keys(Table::Tags, "", 5_000).unwrap(), ["7"]);
    }

    #[test]
    fn a_database_that_an_error_closed_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        store.write(&[put("a", "1")]).unwrap();
        *store.open.write().unwrap() = None;
        assert_eq!(get(&store, "a").as_deref(), Some("1"));
    }

    #[test]
    fn what_can_only_be_read_is_written_again_once_the_disk_takes_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        store.write(&[put("a", "1")]).unwrap();
        let mut open = store.open.write().unwrap();
        *open = None;
        *open = Some(Open::to_read(directory.path()).unwrap());
        drop(open);
        assert_eq!(get(&store, "a").as_deref(), Some("1"));
        let refused = store.with(true, |_| Ok(())).unwrap_err();
        assert!(matches!(refused, redb::Error::Io(_)), "{refused}");
        store.write(&[put("b", "2")]).unwrap();
        drop(store);
        assert_eq!(get(&DiskStore::open(directory.path()).unwrap(), "b").as_deref(), Some("2"));
    }

    #[test]
    fn a_damaged_record_is_told_apart_from_one_that_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        store.write(&[put("a", "1")]).unwrap();
        store
            .writing(|database| {
                let transaction = database.begin_write()?;
                let mut table = transaction.open_table(definition(Table::Tags))?;
                let sealed = table.get("a")?.map(|value| value.value().to_vec()).unwrap();
                table.insert("b", &*sealed)?;
                drop(table);
                Ok(transaction.commit()?)
            })
            .unwrap();
        assert!(matches!(store.get(Table::Tags, "b"), Err(StoreError::Damaged(_))));
        assert_eq!(get(&store, "a").as_deref(), Some("1"));
    }

    #[test]
    fn a_database_that_was_deleted_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let store = DiskStore::open(directory.path()).unwrap();
        store.write(&[put("a", "1")]).unwrap();
        fs::remove_dir_all(directory.path()).unwrap();
        assert_eq!(get(&store, "a"), None);
        store.write(&[put("b", "2")]).unwrap();
        drop(store);
        assert_eq!(get(&DiskStore::open(directory.path()).unwrap(), "b").as_deref(), Some("2"));
    }

    #[test]
    fn a_damaged_database_is_put_aside() {
        let whole = {
            let directory = tempfile::tempdir().unwrap();
            DiskStore::open(directory.path()).unwrap().write(&[put("a", "1")]).unwrap();
            fs::read(directory.path().join(FILE)).unwrap()
        };
        let cut = [1, 9, 64, 100, 320, 4_095, 8_192, 40_000].map(|length| whole[..length].to_vec());
        for damage in [b"no database at all".to_vec(), vec![0; 1 << 16]].into_iter().chain(cut) {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join(FILE), &damage).unwrap();
            let store = DiskStore::open(directory.path()).unwrap();
            store.write(&[put("a", "1")]).unwrap();
            assert_eq!(get(&store, "a").as_deref(), Some("1"));
            assert_eq!(fs::read(directory.path().join(format!("{FILE}.damaged"))).unwrap(), damage);
        }
    }

    #[test]
    fn a_second_process_and_a_file_in_the_way_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let _first = DiskStore::open(directory.path()).unwrap();
        let second = DiskStore::open(directory.path()).err().unwrap().to_string();
        assert!(second.contains("another onetag has it open"), "{second}");
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let blocked = DiskStore::open(&file).err().unwrap().to_string();
        assert!(blocked.contains("file") && !blocked.contains("another"), "{blocked}");
    }
}
