//! A stream that is verified on its way: its last bytes leave only once all of it is what the digest names
//! (decision 2 of the threats). Thus complete always means right.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use onetag_oci::{Digest, Hasher};

use super::feed::{BlobError, FeedBody, Opened};
use super::rate::{Rate, WINDOW};

/// How many bytes at the end of a blob are held back until its digest is known to be right.
pub(super) const TAIL: u64 = 64 << 10;

/// The most bytes of a blob that does not tell its size, where it is not kept. Real layers are smaller, and
/// what has no end has one here (threat T26).
const MAX_UNANNOUNCED: u64 = 64 << 30;

/// A blob from some byte on, with all that is needed to judge the whole of it.
pub(super) struct Verified {
    digest: Digest,
    body: FeedBody,
    total: Option<u64>,
    /// Of all bytes before `received`.
    hasher: Hasher,
    received: u64,
    rate: Rate,
    /// The most bytes of a blob that does not tell its size.
    most: u64,
    /// The bytes that came and did not leave yet, which end at `received`.
    held: BytesMut,
    is_right: bool,
}

impl Verified {
    /// A blob from its first byte on.
    pub(super) fn whole(digest: Digest, opened: Opened) -> Self {
        let hasher = digest.hasher();
        Self::rest(digest, opened, hasher, 0, BytesMut::new())
    }

    /// The rest of a blob, from byte `from` on; `hasher` has seen all before. Of those bytes, the last are
    /// `held`: they have not left yet.
    pub(super) fn rest(digest: Digest, opened: Opened, hasher: Hasher, from: u64, held: BytesMut) -> Self {
        let Opened { total, body } = opened;
        let (rate, most) = (Rate::over(WINDOW), MAX_UNANNOUNCED);
        Self { digest, body, total, hasher, received: from, rate, most, held, is_right: false }
    }

    /// The next bytes that may leave; none at the end of a blob that is right.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        loop {
            let free = self.free();
            if free > 0 {
                return Ok(Some(self.held.split_to(free).freeze()));
            }
            if self.is_right {
                return Ok(None);
            }
            let began = Instant::now();
            match self.body.frame().await {
                Some(frame) => {
                    let data = frame?.into_data().unwrap_or_default();
                    self.rate.note(began.elapsed(), data.len())?;
                    if let Some(data) = self.take(data)? {
                        return Ok(Some(data));
                    }
                }
                None => self.judge()?,
            }
        }
    }

    /// Takes bytes in, and gives them back where nothing is to be held.
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, BlobError> {
        self.received += data.len() as u64;
        if let Some(said) = self.total.filter(|total| self.received > *total) {
            return Err(BlobError::Length { said, found: self.received });
        }
        if self.total.is_none() && self.received > self.most {
            return Err(BlobError::Endless(self.most));
        }
        self.hasher.update(&data);
        let before_the_tail = self.total.is_some_and(|total| self.received <= total.saturating_sub(TAIL));
        if self.held.is_empty() && before_the_tail && !data.is_empty() {
            return Ok(Some(data));
        }
        self.held.extend_from_slice(&data);
        Ok(None)
    }

    /// How many of the held bytes may leave.
    fn free(&self) -> usize {
        let held = self.held.len() as u64;
        let to_hold = match self.total {
            _ if self.is_right => 0,
            Some(total) => self.received.saturating_sub(total.saturating_sub(TAIL)),
            None => TAIL,
        };
        usize::try_from(held.saturating_sub(to_hold)).unwrap_or(0)
    }

    fn judge(&mut self) -> Result<(), BlobError> {
        if let Some(said) = self.total.filter(|total| *total != self.received) {
            return Err(BlobError::Length { said, found: self.received });
        }
        judge(&self.digest, self.hasher.clone())?;
        self.is_right = true;
        Ok(())
    }
}

/// Whether what a hasher has seen is what the digest names.
pub(super) fn judge(digest: &Digest, hasher: Hasher) -> Result<(), BlobError> {
    let found = hasher.finish();
    if found == *digest { Ok(()) } else { Err(BlobError::Digest(found)) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::stream::{self, StreamExt};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A stream of so many KiB, each after a wait.
    fn verified(pieces: usize, wait: Duration) -> Verified {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(wait).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1024])))
        });
        let body = BodyExt::map_err(StreamBody::new(pieces), |never| match never {});
        let opened = Opened { total: None, body: Box::pin(body) };
        Verified::whole(Digest::sha256(&vec![0; 100 << 10]), opened)
    }

    async fn end(mut verified: Verified) -> Result<(), BlobError> {
        while verified.next().await?.is_some() {}
        Ok(())
    }

    #[tokio::test]
    async fn a_blob_that_does_not_tell_its_size_has_an_end() {
        let right = Verified { most: 100 << 10, ..verified(100, Duration::ZERO) };
        end(right).await.unwrap();
        let endless = Verified { most: 100 << 10, ..verified(usize::MAX, Duration::ZERO) };
        assert!(matches!(end(endless).await, Err(BlobError::Endless(102_400))));
    }

    #[tokio::test]
    async fn a_blob_that_drips_is_broken_off() {
        let window = Duration::from_millis(100);
        let fast = Verified { rate: Rate::over(window), ..verified(100, Duration::from_millis(2)) };
        end(fast).await.unwrap();
        let dripping = Verified { rate: Rate::over(window), ..verified(1, Duration::from_millis(1200)) };
        assert!(matches!(end(dripping).await, Err(BlobError::Slow { bytes: 1024, .. })));
    }
}
