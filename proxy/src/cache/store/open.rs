//! The database's file: opened, begun anew where it is damaged, and only read where the disk takes nothing.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use redb::{Database, TableDefinition};

use super::Table;
use super::unwritten::Unwritten;

pub(super) const FILE: &str = "onetag.redb";

/// The database's own memory, which grows with what it holds: a gigabyte, if it is not told. What is asked for again
/// and again is in the caches, and the system has the file's pages.
const CACHE_BYTES: usize = 16 << 20;

/// When records were last used, in seconds of the Unix epoch, by `<table>/<key>`.
pub(super) const USED: TableDefinition<&str, u64> = TableDefinition::new("used");

/// A file that tells whether the disk takes anything, and how large it is: larger than what is written at once.
const PROBE: &str = "onetag.probe";
const PROBE_BYTES: usize = 1 << 20;

/// A database, and the file that it was opened from.
pub(super) struct Open {
    pub(super) database: Database,
    /// Device and inode.
    file: (u64, u64),
    /// Whether the disk takes what is written. Else nothing may be, for it would be lost.
    pub(super) is_writable: bool,
}

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table.name())
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

impl Open {
    /// Opens the database; one that is damaged is put aside and begun anew.
    pub(super) fn or_anew(directory: &Path) -> Result<Self, BoxError> {
        fs::create_dir_all(directory)?;
        let path = directory.join(FILE);
        match std::panic::catch_unwind(|| Self::create(&path)) {
            Ok(Ok(open)) => Ok(open),
            Ok(Err(error)) if !is_damage(&error) => Err(match error {
                redb::Error::DatabaseAlreadyOpen => "another onetag has it open; give each its own".into(),
                error => error.into(),
            }),
            damaged => {
                let error = damaged.ok().and_then(Result::err).map(|error| error.to_string());
                let aside = directory.join(format!("{FILE}.damaged"));
                fs::rename(&path, &aside)?;
                let error = error.as_deref().unwrap_or("it cannot be read");
                tracing::error!(%error, aside = %aside.display(), "the database is damaged and begun anew");
                Ok(Self::create(&path)?)
            }
        }
    }

    /// Opens the database; where the disk takes nothing, to read alone, so that it can be started with.
    pub(super) fn or_to_read(directory: &Path) -> Result<Self, BoxError> {
        Self::or_anew(directory).or_else(|error| match error.downcast_ref() {
            Some(redb::Error::Io(io)) if takes_nothing(io) => {
                let open = Self::to_read(directory)?;
                tracing::error!(%error, directory = %directory.display(), "the disk is full or read-only: nothing new is kept");
                Ok(open)
            }
            _ => Err(error),
        })
    }

    /// Opens the database where it cannot be written. What is none, because there was no room for one, is empty.
    pub(super) fn to_read(directory: &Path) -> Result<Self, redb::Error> {
        let path = directory.join(FILE);
        let open = |file: Unwritten| Self::with(builder().create_with_backend(file)?, &path, false);
        let attempt = || match open(Unwritten::open(&path)?) {
            Err(error) if is_damage(&error) => open(Unwritten::open(&path)?.emptied()),
            opened => opened,
        };
        std::panic::catch_unwind(attempt).unwrap_or(Err(redb::Error::PreviousIo))
    }

    fn create(path: &Path) -> Result<Self, redb::Error> {
        Self::with(builder().create(path)?, path, true)
    }

    fn with(database: Database, path: &Path, is_writable: bool) -> Result<Self, redb::Error> {
        let transaction = database.begin_write()?;
        for table in Table::ALL {
            transaction.open_table(definition(table))?;
        }
        transaction.open_table(USED)?;
        transaction.commit()?;
        let metadata = fs::metadata(path)?;
        Ok(Self { database, file: (metadata.dev(), metadata.ino()), is_writable })
    }

    /// Whether its file still is where it was: one that was deleted takes everything and keeps nothing.
    pub(super) fn is_in_place(&self, directory: &Path) -> bool {
        fs::metadata(directory.join(FILE)).is_ok_and(|file| (file.dev(), file.ino()) == self.file)
    }
}

/// Fails as the disk does when it is written to.
pub(super) fn takes_writes(directory: &Path) -> io::Result<()> {
    let path = directory.join(PROBE);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE_BYTES])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Whether a disk is full or read-only.
pub(in crate::cache) fn takes_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem)
}

/// Whether the file is there and not what it should be.
fn is_damage(error: &redb::Error) -> bool {
    let text = matches!(error, redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_));
    let other_file = matches!(error, redb::Error::Io(io) if is_cut(io));
    text || other_file || matches!(error, redb::Error::TableTypeMismatch { .. } | redb::Error::RepairAborted)
}

/// Whether a file is none of redb's, or ends too early.
fn is_cut(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use redb::ReadableDatabase;

    use super::*;

    #[test]
    fn a_database_that_was_not_closed_is_read_and_its_file_stays_as_it_is() {
        let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = Open::or_anew(directory.path()).unwrap();
        let transaction = open.database.begin_write().unwrap();
        transaction.open_table(definition(Table::Tags)).unwrap().insert("a", &b"1"[..]).unwrap();
        transaction.commit().unwrap();
        // As after a crash: the database is still open.
        fs::copy(directory.path().join(FILE), copy.path().join(FILE)).unwrap();
        let before = fs::read(copy.path().join(FILE)).unwrap();
        let read = Open::to_read(copy.path()).unwrap();
        assert!(!read.is_writable && read.is_in_place(copy.path()));
        let table = read.database.begin_read().unwrap().open_table(definition(Table::Tags)).unwrap();
        assert_eq!(table.get("a").unwrap().unwrap().value(), b"1");
        drop((table, read));
        assert!(fs::read(copy.path().join(FILE)).unwrap() == before);
    }

    #[test]
    fn what_is_no_database_is_empty_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Open::to_read(directory.path()).is_err(), "that needs a file");
        for content in [&b""[..], b"no database at all", &[0; 10_000]] {
            fs::write(directory.path().join(FILE), content).unwrap();
            let read = Open::to_read(directory.path()).unwrap();
            let table = read.database.begin_read().unwrap().open_table(definition(Table::Tags)).unwrap();
            assert!(table.get("a").unwrap().is_none());
            assert!(fs::read(directory.path().join(FILE)).unwrap() == content);
        }
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        takes_writes(directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(takes_writes(&directory.path().join("missing")).is_err());
    }
}
