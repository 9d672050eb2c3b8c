//! A database's file where it cannot be written: it is read, and what the database writes to be consistent, as after
//! a crash, stays in memory. Thus a disk that is full or read-only can still be read (threat T30).

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

const PAGE: usize = 4 << 10;

/// The most pages in memory, 64 MiB of them: a repair needs a small part of the size of the file.
const MAX_PAGES: usize = (64 << 20) / PAGE;

/// The file, and what was not written to it.
#[derive(Debug)]
pub(super) struct Unwritten {
    file: FileBackend,
    /// A file that nobody can open for writing needs no lock, and has none.
    has_lock: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The length in bytes, as the database sees it.
    length: u64,
    /// So many bytes of the file count; after them are zeros.
    in_file: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

impl Unwritten {
    /// The file at `path`, which must be there.
    pub(super) fn open(path: &Path) -> Result<Self, redb::Error> {
        let read = || OpenOptions::new().read(true).open(path);
        let (file, has_lock) = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(redb::Error::Io(error)),
            Err(_) => (read().map_err(redb::Error::Io)?, false),
        };
        let file = FileBackend::new(file)?;
        let length = file.len().map_err(redb::Error::Io)?;
        let state = State { length, in_file: length, pages: BTreeMap::new() };
        Ok(Self { file, has_lock, state: Mutex::new(state) })
    }

    /// The same, as if nothing were in it.
    pub(super) fn emptied(self) -> Self {
        *self.state() = State { length: 0, in_file: 0, pages: BTreeMap::new() };
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it is in the file.
    fn page(&self, state: &State, number: u64) -> io::Result<Box<[u8; PAGE]>> {
        let mut page = Box::new([0; PAGE]);
        let first = number * PAGE as u64;
        let count = state.in_file.saturating_sub(first);
        let count = usize::try_from(count).map_or(PAGE, |count| count.min(PAGE));
        if count > 0 {
            self.file.read(first, &mut page[..count])?;
        }
        Ok(page)
    }
}

/// The parts of pages that make up a range of bytes: the page, and where in it the part begins and ends.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + length as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let (number, first) = (at / PAGE as u64, usize::try_from(at % PAGE as u64).unwrap_or_default());
        let left = usize::try_from(end - at).unwrap_or(PAGE);
        let last = PAGE.min(first.saturating_add(left));
        at += (last - first) as u64;
        (last > first).then_some((number, first, last))
    })
}

impl StorageBackend for Unwritten {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > state.length) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        for (number, first, last) in parts(offset, out.len()) {
            let (part, rest) = out.split_at_mut(last - first);
            match state.pages.get(&number) {
                Some(page) => part.copy_from_slice(&page[first..last]),
                None => part.copy_from_slice(&self.page(&state, number)?[first..last]),
            }
            out = rest;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let kept = length.min(state.length);
        state.pages.retain(|number, _| number * (PAGE as u64) < kept);
        let end = usize::try_from(kept % PAGE as u64).unwrap_or_default();
        if let Some(page) = state.pages.get_mut(&(kept / PAGE as u64)) {
            page[end..].fill(0);
        }
        state.in_file = state.in_file.min(length);
        state.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, mut data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        for (number, first, last) in parts(offset, data.len()) {
            let (part, rest) = data.split_at(last - first);
            let mut page = match state.pages.remove(&number) {
                Some(page) => page,
                None if state.pages.len() < MAX_PAGES => self.page(&state, number)?,
                None => return Err(ErrorKind::OutOfMemory.into()),
            };
            page[first..last].copy_from_slice(part);
            state.pages.insert(number, page);
            data = rest;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if self.has_lock { self.file.try_lock_range(start, end) } else { Err(BackendError::Unsupported) }
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn of(content: &[u8]) -> (tempfile::NamedTempFile, Unwritten) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        let unwritten = Unwritten::open(file.path()).unwrap();
        (file, unwritten)
    }

    fn all(unwritten: &Unwritten) -> Vec<u8> {
        let mut found = vec![0xff; usize::try_from(unwritten.len().unwrap()).unwrap()];
        unwritten.read(0, &mut found).unwrap();
        found
    }

    #[test]
    fn what_is_written_is_read_and_the_file_stays_as_it_is() {
        let content: Vec<u8> = (0..3 * PAGE + 100).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let (file, unwritten) = of(&content);
        let mut expected = content.clone();
        for (offset, length) in [(0, 1), (PAGE - 1, 2), (PAGE / 2, 2 * PAGE), (3 * PAGE, 100)] {
            unwritten.write(offset as u64, &vec![7; length]).unwrap();
            expected[offset..offset + length].fill(7);
        }
        assert!(all(&unwritten) == expected);
        assert!(fs::read(file.path()).unwrap() == content);
        assert!(unwritten.read(3 * PAGE as u64, &mut [0; 101]).is_err(), "that is past the end");
    }

    #[test]
    fn what_was_cut_off_is_zero_when_it_grows_again() {
        let (_file, unwritten) = of(&[1; 2 * PAGE]);
        unwritten.write(PAGE as u64, &[2; PAGE]).unwrap();
        unwritten.set_len(PAGE as u64 + 10).unwrap();
        unwritten.set_len(3 * PAGE as u64).unwrap();
        let expected = [&[1; PAGE][..], &[2; 10], &[0; 2 * PAGE - 10]].concat();
        assert!(all(&unwritten) == expected);
        unwritten.set_len(10).unwrap();
        unwritten.set_len(20).unwrap();
        assert_eq!(all(&unwritten), [[1; 10], [0; 10]].concat());
    }
}
