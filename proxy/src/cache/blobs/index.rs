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
    /// Taken by what arrives.
    reserved: u64,
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
        Self { files: HashMap::new(), max_bytes, max_files, bytes: 0, reserved: 0, uses: 0 }
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

    /// Forgets a file unless it was used after this use.
    pub(super) fn remove_unused(&mut self, digest: &Digest, used: u64) -> bool {
        let unused = self.files.get(digest).is_some_and(|entry| entry.used == used);
        if unused {
            self.remove(digest);
        }
        unused
    }

    /// Takes room for bytes that arrive; not more than all.
    pub(super) fn reserve(&mut self, bytes: u64) -> bool {
        let fits = self.reserved.checked_add(bytes).is_some_and(|reserved| reserved <= self.max_bytes);
        if fits {
            self.reserved += bytes;
        }
        fits
    }

    /// Gives room back.
    pub(super) fn release(&mut self, bytes: u64) {
        self.reserved -= bytes;
    }

    /// Whether there is more than there may be.
    pub(super) fn is_over_full(&self) -> bool {
        self.bytes + self.reserved > self.max_bytes || self.files.len() > self.max_files
    }

    /// Whether there is more than is left after making room: so much less that it is rarely done.
    pub(super) fn is_full(&self) -> bool {
        let mark = |limit: u64| limit - limit / 20;
        self.bytes + self.reserved > mark(self.max_bytes)
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
        assert!(index.reserve(8 << 10) && !index.is_over_full() && index.is_full());
        assert!(!index.reserve(8193), "that is more than all");
        assert!(index.reserve(8 << 10) && index.is_over_full());
        index.release(16 << 10);
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
        assert!(!index.remove_unused(&digest(1), used));
        let (used, _) = index.uses()[0];
        assert!(index.remove_unused(&digest(1), used));
    }
}
