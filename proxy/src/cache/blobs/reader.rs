//! One reader of a blob: from a file, behind an arrival, or by itself where the cache failed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use onetag_oci::Digest;
use prometheus::IntCounter;
use tokio::sync::watch;

use super::arrival::{Abandoned, Progress, State};
use super::cache::Blobs;
use super::disk::{Call, Disk};
use super::feed::{BlobError, Feed, Opened};
use super::piece::{PIECE, Pieces};
use super::sending::Outlet;
use super::verified::Verified;

pub(super) struct Reader {
    pub(super) digest: Digest,
    pub(super) source: Source,
    /// The next byte to give out.
    pub(super) at: u64,
    /// The byte after the last; none where the size is not known.
    pub(super) end: Option<u64>,
    pub(super) feed: Arc<dyn Feed>,
    pub(super) pieces: Pieces,
    pub(super) outlet: Outlet,
    /// Counts what the upstream sends wrongly.
    pub(super) wrong: IntCounter,
}

/// Where the bytes come from.
pub(super) enum Source {
    /// A file with the right content.
    File(Arc<Blobs>, Arc<File>),
    Arrival(Arc<Blobs>, watch::Receiver<Progress>),
    Onward(Box<Onward>),
}

/// A stream of the reader's own.
pub(super) struct Onward {
    verified: Verified,
    /// The offset of its next byte, which may be before the one that the reader is at.
    position: u64,
}

/// What an arrival has for a reader.
enum Next {
    Bytes(Arc<File>, u64),
    Whole(Arc<File>, u64),
    GoOn(Progress, Arc<Abandoned>),
}

impl Reader {
    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        loop {
            let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
            if left == 0 {
                return Ok(None);
            }
            let (blobs, file, free) = match &mut self.source {
                Source::File(blobs, file) => (Arc::clone(blobs), Arc::clone(file), left),
                Source::Onward(onward) => {
                    let next = onward.next(self.at).await.inspect_err(|error| self.wrong(error))?;
                    return Ok(next.map(|bytes| self.give(bytes, left)));
                }
                Source::Arrival(blobs, progress) => {
                    let blobs = Arc::clone(blobs);
                    match next(progress, self.at).await? {
                        Next::Bytes(file, free) => (blobs, file, free),
                        Next::Whole(file, size) => {
                            self.end = Some(self.end.map_or(size, |end| end.min(size)));
                            self.source = Source::File(blobs, file);
                            continue;
                        }
                        Next::GoOn(progress, abandoned) => {
                            self.source = self.go_on(&blobs.disk, &progress, &abandoned).await?;
                            continue;
                        }
                    }
                }
            };
            if let Some(stand_in) = self.outlet.stand_in(&blobs, &file, self.at, left.min(free)) {
                return Ok(Some(self.give(stand_in, left)));
            }
            let error = match self.pieces.read(&blobs.disk, &file, self.at, left.min(free)).await {
                Ok(bytes) if !bytes.is_empty() => return Ok(Some(self.give(bytes, left))),
                Ok(_) => io::ErrorKind::UnexpectedEof.into(),
                Err(error) => error,
            };
            blobs.disk_failed("a blob cannot be read", &error);
            self.source = self.anew().await?;
        }
    }

    fn wrong(&self, error: &BlobError) {
        if error.is_wrong() {
            self.wrong.inc();
        }
        // A failure of the upstream is told where the upstream is asked.
        if !matches!(error, BlobError::Feed(_)) {
            tracing::warn!(%error, digest = %self.digest, "a blob is broken off");
        }
    }

    fn give(&mut self, mut bytes: Bytes, left: u64) -> Bytes {
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.at += bytes.len() as u64;
        bytes
    }

    /// Goes on where the cache gave up: with the tail of what is in the file, then with the upstream.
    async fn go_on(
        &mut self,
        disk: &Arc<Disk>,
        progress: &Progress,
        abandoned: &Abandoned,
    ) -> Result<Source, BlobError> {
        let (position, from) = (progress.free(), progress.written);
        let Ok(held) = read_held(disk, progress.file.as_ref(), position, from).await else {
            return self.anew().await;
        };
        let taken = abandoned.opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        let opened = match taken {
            Some(opened) => opened,
            None => self.feed.open(from).await?.ok_or(BlobError::Gone)?,
        };
        let total = progress.total.or(opened.total);
        if let (Some(said), Some(found)) = (total, opened.total.filter(|found| Some(*found) != total)) {
            return Err(BlobError::Length { said, found });
        }
        let opened = Opened { total, ..opened };
        let hasher = abandoned.hasher.clone();
        let verified = Verified::rest(self.digest.clone(), opened, hasher, from, held);
        Ok(Source::Onward(Box::new(Onward { verified, position })))
    }

    /// The disk failed: the blob is fetched from its start, since only the whole of it can be judged.
    async fn anew(&mut self) -> Result<Source, BlobError> {
        let opened = self.feed.open(0).await?.ok_or(BlobError::Gone)?;
        Ok(Source::onward(self.digest.clone(), opened))
    }
}

impl Source {
    /// A stream of the whole blob.
    pub(super) fn onward(digest: Digest, opened: Opened) -> Self {
        Self::Onward(Box::new(Onward { verified: Verified::whole(digest, opened), position: 0 }))
    }
}

impl Onward {
    /// The next bytes from offset `at` on.
    async fn next(&mut self, at: u64) -> Result<Option<Bytes>, BlobError> {
        while let Some(mut bytes) = self.verified.next().await? {
            let start = self.position;
            self.position += bytes.len() as u64;
            if self.position > at {
                bytes.advance(usize::try_from(at.saturating_sub(start)).unwrap_or(0));
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// Waits until an arrival has something for a reader at offset `at`.
async fn next(arrival: &mut watch::Receiver<Progress>, at: u64) -> Result<Next, BlobError> {
    loop {
        let now = arrival.borrow_and_update().clone();
        let free = now.free();
        match (&now.state, &now.file) {
            (State::Failed(error), _) => return Err(error.clone()),
            (State::Absent, _) => return Err(BlobError::Gone),
            (State::Whole, Some(file)) => return Ok(Next::Whole(Arc::clone(file), now.written)),
            (_, Some(file)) if free > at => return Ok(Next::Bytes(Arc::clone(file), free - at)),
            (State::Abandoned(abandoned), _) => {
                let abandoned = Arc::clone(abandoned);
                return Ok(Next::GoOn(now, abandoned));
            }
            _ => arrival.changed().await.map_err(|_| BlobError::Lost)?,
        }
    }
}

/// The bytes of a file that were held back; no more than a tail.
async fn read_held(disk: &Arc<Disk>, file: Option<&Arc<File>>, from: u64, to: u64) -> io::Result<BytesMut> {
    let length = usize::try_from(to - from).map_or(PIECE, |length| length.min(PIECE));
    let mut held = BytesMut::zeroed(length);
    let Some(file) = file.filter(|_| length > 0).cloned() else { return Ok(held) };
    let before = Arc::clone(disk);
    let read = move || {
        before.before(Call::Read)?;
        file.read_exact_at(&mut held, from).map(|()| held)
    };
    disk.run(read).await
}
