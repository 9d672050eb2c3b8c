//! Receiving: bytes go from the feed to the file, and are hashed on the way.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use onetag_oci::Hasher;

use super::arrival::State;
use super::directory::Temporary;
use super::disk::{Call, Disk};
use super::download::Download;
use super::evict::Reservation;
use super::feed::{BlobError, FeedBody, FeedError, Opened};
use super::rate::Rate;

/// How many bytes are written at once, if as many are there.
const WRITE: u64 = 256 << 10;

/// The longest wait between two attempts to resume is the first one so many times doubled.
const DOUBLINGS: u32 = 4;

/// The state of a download whose file is open.
pub(super) struct Receiving<'d> {
    pub(super) download: &'d Download,
    pub(super) temporary: Temporary,
    pub(super) reservation: Reservation,
    pub(super) total: Option<u64>,
    pub(super) written: u64,
    /// Has seen what is written.
    pub(super) hasher: Hasher,
    /// When bytes came last.
    pub(super) last_byte: Option<Instant>,
    /// Failures in a row.
    pub(super) failures: u32,
    pub(super) rate: Rate,
}

impl Receiving<'_> {
    /// Receives to the end of the blob, over as many streams as it takes.
    pub(super) async fn receive(&mut self, mut body: FeedBody) -> Result<(), State> {
        loop {
            let began = Instant::now();
            let (pieces, end) = gather(&mut body).await;
            let rate = self.rate.note(began.elapsed(), pieces.iter().map(Bytes::len).sum());
            self.write(pieces).await?;
            if self.total == Some(self.written) {
                return Ok(());
            }
            match end {
                None => rate.map_err(State::Failed)?,
                Some(Ok(())) => return self.ended().map_err(State::Failed),
                Some(Err(cut)) => {
                    rate.map_err(State::Failed)?;
                    let began = Instant::now();
                    body = self.resume(cut).await.map_err(State::Failed)?;
                    self.rate.note_absence(began.elapsed());
                }
            }
        }
    }

    fn ended(&self) -> Result<(), BlobError> {
        match self.total {
            Some(said) => Err(BlobError::Length { said, found: self.written }),
            None => Ok(()),
        }
    }

    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<(), State> {
        let count: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if count == 0 {
            return Ok(());
        }
        let end = self.written + count;
        if let Some(said) = self.total.filter(|total| end > *total) {
            return Err(State::Failed(BlobError::Length { said, found: end }));
        }
        if !self.reservation.cover(end) {
            return Err(self.download.abandoned(self.hasher.clone(), None));
        }
        (self.last_byte, self.failures) = (Some(Instant::now()), 0);
        self.put(pieces).await.map_err(|error| {
            self.download.blobs.disk_failed("a blob cannot be written", &error);
            // Where the disk hangs, this has seen all that was told, whatever is written yet.
            self.download.abandoned(self.hasher.clone(), None)
        })
    }

    /// Writes to the disk, once there is room.
    async fn put(&mut self, pieces: Vec<Bytes>) -> io::Result<()> {
        let blobs = &self.download.blobs;
        blobs.make_room().await?;
        let (disk, file) = (Arc::clone(&blobs.disk), Arc::clone(&self.temporary.file));
        let (hasher, from) = (self.hasher.clone(), self.written);
        let (hasher, written, failed) =
            blobs.disk.run(move || Ok(write(&disk, &file, &pieces, from, hasher))).await?;
        (self.hasher, self.written) = (hasher, written);
        self.download.tell(|progress| progress.written = written);
        failed.map_or(Ok(()), Err)?;
        blobs.disk.works();
        Ok(())
    }

    /// Opens the rest after a cut, for as long as there is hope: bytes have come not long ago.
    async fn resume(&mut self, mut cut: FeedError) -> Result<FeedBody, BlobError> {
        let pace = &self.download.blobs.pace;
        loop {
            let hope = self.last_byte.is_some_and(|last| last.elapsed() < pace.patience);
            if !cut.transient || !hope {
                return Err(cut.into());
            }
            tracing::warn!(error = %cut, from = self.written, digest = %self.download.digest, "to be resumed");
            tokio::time::sleep(pace.first_wait * 2_u32.pow(self.failures.min(DOUBLINGS))).await;
            self.failures += 1;
            match self.download.feed.open(self.written).await {
                Ok(Some(opened)) => return self.same(opened),
                Ok(None) => return Err(BlobError::Gone),
                Err(error) => cut = error,
            }
        }
    }

    /// The rest must be of a blob of the same size.
    fn same(&self, opened: Opened) -> Result<FeedBody, BlobError> {
        match (self.total, opened.total) {
            (Some(said), Some(found)) if said != found => Err(BlobError::Length { said, found }),
            _ => Ok(opened.body),
        }
    }
}

/// Writes pieces one after another; what is written, by a hasher and in bytes, and what stopped it.
fn write(
    disk: &Disk,
    file: &File,
    pieces: &[Bytes],
    mut written: u64,
    mut hasher: Hasher,
) -> (Hasher, u64, Option<io::Error>) {
    for piece in pieces {
        let put = disk.before(Call::Write(written)).and_then(|()| file.write_all_at(piece, written));
        if let Err(error) = put {
            return (hasher, written, Some(error));
        }
        hasher.update(piece);
        written += piece.len() as u64;
    }
    (hasher, written, None)
}

/// Waits for bytes and takes what else is there already; and how the stream ended, if it did.
async fn gather(body: &mut FeedBody) -> (Vec<Bytes>, Option<Result<(), FeedError>>) {
    let (mut pieces, mut count) = (Vec::new(), 0);
    let mut next = Some(body.frame().await);
    while let Some(frame) = next {
        match frame {
            None => return (pieces, Some(Ok(()))),
            Some(Err(error)) => return (pieces, Some(Err(error))),
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                count += data.len() as u64;
                pieces.push(data);
            }
        }
        next = if count < WRITE { body.frame().now_or_never() } else { None };
    }
    (pieces, None)
}
