//! The cache on real files, fed by scripts.

mod arrivals;
mod cuts;
mod disk;
mod files;
mod hangs;
mod script;
mod sending;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use onetag_oci::{Digest, Repository};
use prometheus::IntGauge;
use tempfile::TempDir;

use crate::telemetry::Metrics;

use super::cache::Pace;
use super::disk::{Before, Call, DiskPace};
use super::{BlobBody, BlobError, BlobSettings, Blobs, Follower, Found, Joined, Part};
use script::Script;

const MIB: usize = 1 << 20;

/// Bytes that repeat nowhere within the sizes of these tests.
fn bytes(size: usize) -> Vec<u8> {
    let words = (0..size.div_ceil(8) as u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    words.flat_map(u64::to_le_bytes).take(size).collect()
}

fn repository() -> Repository {
    "team/app".parse().unwrap()
}

/// A cache in a directory of its own.
struct Stage {
    blobs: Arc<Blobs>,
    directory: TempDir,
    metrics: Arc<Metrics>,
}

const SETTINGS: BlobSettings = BlobSettings { max_bytes: 1 << 30, finish: true };

impl Stage {
    fn new() -> Self {
        Self::with(SETTINGS)
    }

    fn with(settings: BlobSettings) -> Self {
        Self::over(tempfile::tempdir().unwrap(), settings, |_| true)
    }

    /// A cache whose writes fail at each offset that `works` says no to.
    fn over(
        directory: TempDir,
        settings: BlobSettings,
        works: impl Fn(u64) -> bool + Send + Sync + 'static,
    ) -> Self {
        let full = move |call| match call {
            Call::Write(at) if !works(at) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        };
        Self::on(directory, settings, Duration::from_secs(5), Box::new(full))
    }

    /// A cache whose disk does what `before` says, and is waited for so long.
    fn on(directory: TempDir, settings: BlobSettings, patience: Duration, before: Before) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let pace = Pace {
            first_wait: Duration::from_millis(1),
            patience: Duration::from_secs(10),
            window: Duration::from_millis(300),
            disk: DiskPace { patience, keeping: patience, after_failure: Duration::from_secs(2) },
        };
        let opened = Blobs::open_with(directory.path(), settings, Arc::clone(&metrics), pace, Some(before));
        Self { blobs: Arc::new(opened.unwrap()), directory, metrics }
    }

    /// The same directory in another process, as it were.
    fn restarted(self) -> Self {
        let Self { directory, .. } = self;
        Self::over(directory, SETTINGS, |_| true)
    }

    fn join(&self, script: &Arc<Script>) -> Follower {
        match self.blobs.join(&script.digest, &repository(), false, &script.feed()) {
            Joined::Started(follower) | Joined::Joined(follower) => follower,
            _ => panic!("it cannot be joined"),
        }
    }

    /// Joins the arrival, and reads it from `first` up to `end`.
    fn reader(
        &self,
        script: &Arc<Script>,
        first: u64,
        end: Option<u64>,
    ) -> impl Future<Output = Result<Vec<u8>, BlobError>> + Send + 'static {
        let (follower, blobs) = (self.join(script), Arc::clone(&self.blobs));
        let part = Part { digest: script.digest.clone(), first, end, feed: script.feed() };
        async move { read(BlobBody::following(&blobs, follower, part)).await }
    }

    /// Joins the arrival, and reads it whole.
    async fn pull(&self, script: &Arc<Script>) -> Result<Vec<u8>, BlobError> {
        self.reader(script, 0, None).await
    }

    async fn found(&self, digest: &Digest) -> Option<(Arc<File>, u64)> {
        match self.blobs.find(digest).await {
            Found::Here { file, size } => Some((file, size)),
            Found::Missing => None,
            Found::Slow => panic!("too slow"),
        }
    }

    /// Whether the cache has exactly these bytes.
    async fn has(&self, script: &Arc<Script>) -> bool {
        let Some((file, size)) = self.found(&script.digest).await else { return false };
        let part = Part { digest: script.digest.clone(), first: 0, end: Some(size), feed: script.feed() };
        read(BlobBody::of_file(&self.blobs, file, part)).await.unwrap() == script.blob
    }

    /// Puts a blob into the cache.
    async fn fill(&self, blob: &[u8]) -> Arc<Script> {
        let script = Script::of(blob);
        assert!(self.pull(&script).await.unwrap() == blob);
        self.settled().await;
        script
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs.directory.path(digest)
    }

    fn arriving(&self) -> usize {
        std::fs::read_dir(self.directory.path().join("arriving")).map_or(0, Iterator::count)
    }

    /// Waits until nothing arrives any more, and nothing is left of it.
    async fn settled(&self) {
        comes_to(&self.metrics.blob_arrivals, 0).await;
        eventually(|| self.arriving() == 0).await;
    }
}

async fn comes_to(gauge: &IntGauge, value: i64) {
    eventually(|| gauge.get() == value).await;
}

async fn eventually(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "never came");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// All bytes of a body.
async fn read(mut body: BlobBody) -> Result<Vec<u8>, BlobError> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        read.extend_from_slice(&frame?.into_data().unwrap());
    }
    Ok(read)
}
