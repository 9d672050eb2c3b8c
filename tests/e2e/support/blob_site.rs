use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::client::{self, Response};
use testkit::{Onetag, Registry};

use super::{REPOSITORY, eventually, refusal, serve};

const SETTINGS: &str = "onetag.toml";

/// A registry, and onetag with a data directory in front of it.
pub(crate) struct BlobSite {
    pub(crate) registry: Registry,
    pub(crate) onetag: Onetag,
    data: tempfile::TempDir,
}

/// Bytes that repeat nowhere within the sizes of these tests, so that no piece can pass for another.
pub(crate) fn distinct_bytes(size: usize) -> Vec<u8> {
    (0..size.div_ceil(8) as u64)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(size)
        .collect()
}

/// The status and the code of a refusal; panics without showing the body of what is none, which may be a blob.
#[track_caller]
pub(crate) fn refused(got: &Response) -> (u16, String) {
    assert!(got.status >= 400, "{} with {} bytes", got.status, got.body.len());
    let (status, code, _) = refusal(got);
    (status, code)
}

/// Onetag with this data directory, and the settings in it if there are any.
fn start(registry: &Registry, data: &Path) -> Onetag {
    let settings = data.join(SETTINGS);
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (data, config) = (text(data), text(&settings));
    let args = ["--data-dir", &data, "--config", &config];
    serve(&registry.url(), if settings.exists() { &args } else { &args[..2] })
}

impl BlobSite {
    pub(crate) async fn start() -> Self {
        Self::configured("").await
    }

    /// The same with these settings.
    pub(crate) async fn configured(settings: &str) -> Self {
        let (registry, data) = (Registry::start().await, tempfile::tempdir().expect("a directory"));
        if !settings.is_empty() {
            std::fs::write(data.path().join(SETTINGS), settings).expect("a writable directory");
        }
        let onetag = start(&registry, data.path());
        Self { registry, onetag, data }
    }

    /// Kills onetag and starts it again.
    pub(crate) fn restart(&mut self) {
        self.onetag.kill();
        self.onetag.wait(Duration::from_secs(5));
        self.onetag = start(&self.registry, self.data.path());
    }

    /// Puts a blob of this size into [`REPOSITORY`].
    pub(crate) fn put(&self, size: usize) -> (Vec<u8>, String) {
        let blob = distinct_bytes(size);
        let digest = self.registry.put_blob(REPOSITORY, &blob);
        (blob, digest)
    }

    pub(crate) fn url(&self, repository: &str, digest: &str) -> String {
        format!("{}/v2/{repository}/blobs/{digest}", self.onetag.url())
    }

    /// GET of a blob in [`REPOSITORY`].
    pub(crate) async fn get(&self, digest: &str, headers: &[(&str, &str)]) -> Response {
        client::get(&self.url(REPOSITORY, digest), headers).await.expect("an answer")
    }

    /// GET of a blob in [`REPOSITORY`] that may break off.
    pub(crate) async fn try_get(&self, digest: &str) -> Result<Response, client::Error> {
        client::get(&self.url(REPOSITORY, digest), &[]).await
    }

    pub(crate) async fn get_from(&self, repository: &str, digest: &str) -> Response {
        client::get(&self.url(repository, digest), &[]).await.expect("an answer")
    }

    pub(crate) async fn head(&self, digest: &str, headers: &[(&str, &str)]) -> Response {
        client::head(&self.url(REPOSITORY, digest), headers).await.expect("an answer")
    }

    /// Where the blobs are.
    pub(crate) fn directory(&self) -> PathBuf {
        self.data.path().join("blobs")
    }

    /// Where a blob is, or will be.
    pub(crate) fn path(&self, digest: &str) -> PathBuf {
        let (algorithm, hex) = digest.split_once(':').expect("a digest");
        self.directory().join(algorithm).join(&hex[..2]).join(hex)
    }

    /// How many blobs there are on disk.
    pub(crate) fn files(&self) -> usize {
        let list = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
        let folders = list(&self.directory().join("sha256"));
        folders.map(|folder| list(&folder.path()).count()).sum()
    }

    /// How many files arrive.
    pub(crate) fn arriving(&self) -> usize {
        std::fs::read_dir(self.directory().join("arriving")).map_or(0, Iterator::count)
    }

    /// Waits until a blob is in the cache, and nothing arrives.
    pub(crate) async fn kept(&self, digest: &str) {
        let path = self.path(digest);
        eventually("the blob is kept", || async {
            path.exists() && self.counted("blob_arrivals").await == 0
        })
        .await;
    }

    /// The value of a series, without `onetag_`.
    pub(crate) async fn counted(&self, series: &str) -> usize {
        let url = format!("{}/metrics", self.onetag.admin_url());
        let text = client::get(&url, &[]).await.expect("the admin listener answers").text();
        let start = format!("onetag_{series} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&start)).expect("it is counted");
        value.parse().expect("a whole number")
    }
}
