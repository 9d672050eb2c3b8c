//! Pieces of a file, read into buffers that are used again.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::disk::{Call, Disk};

/// The most bytes of a piece. A reader whose client stalls holds two pieces at most (threat T24).
pub(super) const PIECE: usize = 64 << 10;

/// The buffers that one reader has at hand.
const SPARE: usize = 2;

/// Buffers of one reader: what it gave out comes back here, so that none is cleared twice.
#[derive(Clone, Default)]
pub(super) struct Pieces(Arc<Mutex<Vec<Box<[u8]>>>>);

/// A buffer with bytes of a file.
struct Piece {
    buffer: Box<[u8]>,
    filled: usize,
    home: Pieces,
}

impl Pieces {
    /// Reads up to `length` bytes of a file, at least one unless the file ends at `at`.
    pub(super) async fn read(
        &self,
        disk: &Arc<Disk>,
        file: &Arc<File>,
        at: u64,
        length: u64,
    ) -> io::Result<Bytes> {
        let length = usize::try_from(length).map_or(PIECE, |length| length.min(PIECE));
        let mut piece = self.piece(length);
        let target = &mut piece.buffer[..length];
        // What is in memory is read here and now: that is faster than to tell another thread.
        piece.filled = match disk.before(Call::Peek).map_or(Err(Errno::AGAIN), |()| peek(file, target, at)) {
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
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
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
        let mut spare = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(std::mem::take(&mut self.buffer));
        }
    }
}

/// Reads what is in memory of a file, and waits for no disk. Some file systems cannot tell.
pub(super) fn peek(file: &File, target: &mut [u8], at: u64) -> Result<usize, Errno> {
    preadv2(file, &mut [IoSliceMut::new(target)], at, ReadWriteFlags::NOWAIT)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::disk::DiskPace;
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
}
