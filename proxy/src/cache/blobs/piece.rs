//! Pieces of a file, read into buffers that are used again.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::disk::{Call, Disk};
use crate::sendfile::{FileSender, MAX_PART};

/// The most bytes of a piece. A reader whose client stalls holds two pieces at most (threat T24).
pub(super) const PIECE: usize = 64 << 10;

/// How much of a file is taken to be in memory together: it leaves memory in the order in which it came.
const STRETCH: usize = 512 << 10;

/// The buffers that one reader has at hand.
const SPARE: usize = 2;

/// Buffers of one reader: what it gave out comes back here, so that none is cleared twice.
#[derive(Clone, Default)]
pub(super) struct Pieces(Arc<Shared>);

#[derive(Default)]
struct Shared {
    spare: Mutex<Vec<Box<[u8]>>>,
    /// Sends without a copy, where the reader's connection can.
    files: OnceLock<Arc<FileSender>>,
}

/// A buffer with bytes of a file.
struct Piece {
    buffer: Box<[u8]>,
    filled: usize,
    home: Pieces,
}

impl Pieces {
    /// From now on, what is in memory is sent by this, and not read.
    pub(super) fn send_by(&self, files: &Arc<FileSender>) {
        // Only the first counts: a body has one connection.
        let _ = self.0.files.set(Arc::clone(files));
    }

    /// Reads up to `length` bytes of a file, at least one unless the file ends at `at`.
    pub(super) async fn read(
        &self,
        disk: &Arc<Disk>,
        file: &Arc<File>,
        at: u64,
        length: u64,
    ) -> io::Result<Bytes> {
        let most = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(files) = self.0.files.get().filter(|_| most > PIECE) {
            let length = most.min(MAX_PART);
            if disk.before(Call::Peek).is_ok() && is_in_memory(file, at, length) {
                return Ok(files.stand_in(Arc::clone(file), at, length));
            }
        }
        let length = most.min(PIECE);
        let mut piece = self.piece(length);
        let target = &mut piece.buffer[..length];
        // What is in memory is read here and now: that is faster than to tell another thread.
        let peek = |target| preadv2(file, &mut [IoSliceMut::new(target)], at, ReadWriteFlags::NOWAIT);
        piece.filled = match disk.before(Call::Peek).map_or(Err(Errno::AGAIN), |()| peek(target)) {
            Ok(filled) if filled > 0 => filled,
            // Not in memory, or this file system cannot tell; whether it has ended is asked once more.
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => {
                return piece.read_slowly(disk, Arc::clone(file), at, length).await;
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Bytes::from_owner(piece))
    }

    fn piece(&self, length: usize) -> Piece {
        let spare = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = spare.filter(|buffer| buffer.len() >= length);
        let buffer = buffer.unwrap_or_else(|| vec![0; length].into_boxed_slice());
        Piece { buffer, filled: 0, home: self.clone() }
    }
}

impl Piece {
    /// Reads where it may block on a disk.
    async fn read_slowly(
        mut self,
        disk: &Arc<Disk>,
        file: Arc<File>,
        at: u64,
        length: usize,
    ) -> io::Result<Bytes> {
        let before = Arc::clone(disk);
        let read = disk.run(move || {
            before.before(Call::Read)?;
            self.filled = file.read_at(&mut self.buffer[..length], at)?;
            Ok(Bytes::from_owner(self))
        });
        read.await
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut spare = self.home.0.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(std::mem::take(&mut self.buffer));
        }
    }
}

/// Whether a part of a file is in memory, as far as looking at a byte of each stretch can tell. A file system that
/// cannot tell says no.
fn is_in_memory(file: &File, at: u64, length: usize) -> bool {
    let last = at + length as u64 - 1;
    let has = |at| {
        let mut byte = [0];
        preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) == Ok(1)
    };
    (at..last).step_by(STRETCH).all(has) && has(last)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::disk::{Before, DiskPace};
    use super::*;

    #[tokio::test]
    async fn buffers_come_back_and_are_used_again() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 100_000]).unwrap();
        let (file, pieces) = (Arc::new(file), Pieces::default());
        let disk = Arc::new(Disk::new(DiskPace::default(), None));
        let first = pieces.read(&disk, &file, 0, u64::MAX).await.unwrap();
        let second = pieces.read(&disk, &file, 65_536, 10_000).await.unwrap();
        assert_eq!((first.len(), second.len()), (PIECE, 10_000));
        let address = first.as_ptr();
        drop(first);
        let third = pieces.read(&disk, &file, 99_999, u64::MAX).await.unwrap();
        assert_eq!((&third[..], third.as_ptr()), (&[7][..], address));
        assert!(pieces.read(&disk, &file, 100_000, 1).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_in_memory_and_large_is_not_read_where_it_can_be_sent() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; MAX_PART + 100_000]).unwrap();
        let file = Arc::new(file);
        // Whether bytes are a stand-in: they are not those of the file.
        let reads = async |before, at, length| {
            let (disk, pieces) = (Arc::new(Disk::new(DiskPace::default(), before)), Pieces::default());
            pieces.send_by(&Arc::default());
            let bytes = pieces.read(&disk, &file, at, length).await.unwrap();
            (bytes.len(), bytes.iter().all(|byte| *byte == 0))
        };
        let whole = (MAX_PART + 100_000) as u64;
        // Some file systems cannot tell.
        let tells = is_in_memory(&file, 0, 1);
        let sent = |length| if tells { (length, true) } else { (PIECE, false) };
        assert_eq!(reads(None, 0, whole).await, sent(MAX_PART));
        assert_eq!(reads(None, whole - 100_000, 100_000).await, sent(100_000));
        assert_eq!(reads(None, 0, PIECE as u64).await, (PIECE, false));
        // The file ends before that.
        assert_eq!(reads(None, whole - 100_000, 100_001).await, (PIECE, false));
        let absent: Before = Box::new(|call| match call {
            Call::Peek => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        });
        assert_eq!(reads(Some(absent), 0, whole).await, (PIECE, false));
    }
}
