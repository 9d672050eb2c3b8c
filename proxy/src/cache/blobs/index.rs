//! Which blobs there are, how much room they take, and which was used last. In memory, rebuilt at each start.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use onetag_oci::Digest;

use super::directory::Stamp;

/// The most files; an entry takes about 100 to 220 bytes of memory, by how full the table is.
pub(super) const MAX_FILES: usize = 200_000;

/// What a file takes is a multiple of this many bytes.
const BLOCK: u64 = 4 << 10;

/// How often the time of last use goes to the disk, for one blob.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);

/// The index of the files, with the account of their bytes.
pub(super) struct Index {
    files: HashMap<Digest, Entry>,
    max_bytes: u64,
    max_files: usize,
    bytes: u64,
    /// What is to arrive, as far as it is known.
    promised: u64,
    /// Of it, what has come.
    arrived: u64,
    uses: u64,
}

struct Entry {
    size: u64,
    /// The number of the last use: a count, since clocks jump (threat T33).
    used: u64,
    touched: Option<Instant>,
    /// The modification time of the file when its content was last found right by this process.
    verified: Option<SystemTime>,
    /// The file, for as long as somebody reads it.
    open: Weak<File>,
}

/// A blob that was looked up.
pub(super) struct Seen {
    /// The open file, if there is one, and its stamp when it was verified.
    pub(super) open: Option<(Arc<File>, Option<Stamp>)>,
    /// Whether its use is to be noted on the disk.
    pub(super) touch: bool,
}

impl Index {
    pub(super) fn new(max_bytes: u64, max_files: usize) -> Self {
        Self { files: HashMap::new(), max_bytes, max_files, bytes: 0, promised: 0, arrived: 0, uses: 0 }
    }

    /// Looks a blob up for use: from now on it is the last one used.
    pub(super) fn look_up(&mut self, digest: &Digest) -> Option<Seen> {
        let entry = self.files.get_mut(digest)?;
        self.uses += 1;
        entry.used = self.uses;
        let touch = entry.touched.is_none_or(|last| last.elapsed() >= TOUCH_INTERVAL);
        if touch {
            entry.touched = Some(Instant::now());
        }
        Some(Seen { open: entry.open.upgrade().map(|file| (file, entry.stamp())), touch })
    }

    /// The size of a blob in bytes, without using it.
    pub(super) fn size(&self, digest: &Digest) -> Option<u64> {
        self.files.get(digest).map(|entry| entry.size)
    }

    /// Adds a file of an earlier run, whose content nobody knows.
    pub(super) fn add_unverified(&mut self, digest: Digest, size: u64) {
        self.add(digest, size, None, Weak::new());
    }

    /// Adds a file with the right content, or notes that its content is right.
    pub(super) fn add_verified(&mut self, digest: Digest, stamp: Stamp, file: &Arc<File>) {
        self.add(digest, stamp.size, Some(stamp.modified), Arc::downgrade(file));
    }

    fn add(&mut self, digest: Digest, size: u64, verified: Option<SystemTime>, open: Weak<File>) {
        self.remove(&digest);
        self.uses += 1;
        self.bytes += on_disk(size);
        self.files.insert(digest, Entry { size, used: self.uses, touched: None, verified, open });
    }

    /// Whether this is the stamp of a file whose content was found right.
    pub(super) fn is_verified(&self, digest: &Digest, stamp: Stamp) -> bool {
        self.files.get(digest).and_then(Entry::stamp) == Some(stamp)
    }

    /// Forgets a file.
    pub(super) fn remove(&mut self, digest: &Digest) {
        if let Some(entry) = self.files.remove(digest) {
            self.bytes -= on_disk(entry.size);
        }
    }

    /// Forgets a file unless it was used after this use; its size in bytes.
    pub(super) fn remove_unused(&mut self, digest: &Digest, used: u64) -> Option<u64> {
        let size = self.files.get(digest).filter(|entry| entry.used == used)?.size;
        self.remove(digest);
        Some(size)
    }

    /// Promises room to bytes that are to arrive; not more than all. Until they come nothing has to go.
    pub(super) fn promise(&mut self, bytes: u64) -> bool {
        let promised = self.promised.checked_add(bytes).filter(|promised| *promised <= self.max_bytes);
        self.promised = promised.unwrap_or(self.promised);
        promised.is_some()
    }

    /// Takes room, that was promised, for bytes that have come.
    pub(super) fn arrive(&mut self, bytes: u64) {
        self.arrived += bytes;
    }

    /// Gives back what was promised, and what of it was taken.
    pub(super) fn release(&mut self, promised: u64, arrived: u64) {
        self.promised -= promised;
        self.arrived -= arrived;
    }

    /// Whether there is more than there may be.
    pub(super) fn is_over_full(&self) -> bool {
        self.bytes + self.arrived > self.max_bytes || self.files.len() > self.max_files
    }

    /// Whether there is more than is left after making room: so much less that it is rarely done.
    pub(super) fn is_full(&self) -> bool {
        let mark = |limit: u64| limit - limit / 20;
        self.bytes + self.arrived > mark(self.max_bytes)
            || self.files.len() as u64 > mark(self.max_files as u64)
    }

    /// All blobs with their last use, in no order.
    pub(super) fn uses(&self) -> Vec<(u64, Digest)> {
        self.files.iter().map(|(digest, entry)| (entry.used, digest.clone())).collect()
    }

    /// The bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of files.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }
}

impl Entry {
    fn stamp(&self) -> Option<Stamp> {
        self.verified.map(|modified| Stamp { size: self.size, modified })
    }
}

/// What a blob of this size takes on the disk, in bytes.
pub(super) fn on_disk(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> Digest {
        Digest::sha256(&[number])
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<(Digest, Entry)>() <= 96, "{}", size_of::<(Digest, Entry)>());
    }

    #[test]
    fn bytes_are_counted_in_blocks_and_given_back() {
        let mut index = Index::new(16 << 10, 10);
        index.add_unverified(digest(1), 1);
        index.add_unverified(digest(2), 4097);
        assert_eq!((index.bytes(), index.files()), (12 << 10, 2));
        index.add_unverified(digest(2), 1);
        assert_eq!((index.bytes(), index.files()), (8 << 10, 2));
        assert!(index.promise(8 << 10) && !index.is_full());
        assert!(!index.promise(8193), "that is more than all");
        assert!(index.promise(8 << 10) && !index.is_full());
        index.arrive(8 << 10);
        assert!(!index.is_over_full() && index.is_full());
        index.arrive(4 << 10);
        assert!(index.is_over_full());
        index.release(16 << 10, 12 << 10);
        index.remove(&digest(1));
        index.remove(&digest(1));
        assert_eq!((index.bytes(), index.files(), index.is_full()), (4 << 10, 1, false));
    }

    #[test]
    fn what_was_used_meanwhile_is_not_removed() {
        let mut index = Index::new(1, 1);
        index.add_unverified(digest(1), 1);
        let (used, _) = index.uses()[0];
        assert!(index.look_up(&digest(1)).is_some_and(|seen| seen.touch));
        assert!(index.look_up(&digest(1)).is_some_and(|seen| !seen.touch));
        assert_eq!(index.remove_unused(&digest(1), used), None);
        let (used, _) = index.uses()[0];
        assert_eq!(index.remove_unused(&digest(1), used), Some(1));
    }
}
