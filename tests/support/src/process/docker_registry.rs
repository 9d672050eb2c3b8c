//! The distribution project's registry, as a real upstream.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tempfile::TempDir;

use rustix::process::Signal;

use super::child::Running;
use super::require::require;
use crate::background::wait_for;
use crate::client::{self, Response};
use crate::digest::sha256;
use crate::image::{Image, Index};

const PROGRAM: &str = "docker-registry";
const START_LIMIT: Duration = Duration::from_secs(15);

/// A running `docker-registry` on a free port with its content in a temporary directory; killed when dropped.
pub struct DockerRegistry {
    url: String,
    basic: bool,
    // Declared before the directory, so that the program is gone when its files go.
    running: Running,
    _directory: TempDir,
}

impl DockerRegistry {
    /// The user of a registry from [`Self::start_with_basic`].
    pub const USER: &str = "testkit";
    /// The password of that user.
    pub const PASSWORD: &str = "secret";
    /// bcrypt, as htpasswd writes it, of [`Self::PASSWORD`].
    const HTPASSWD: &str = "testkit:$2b$04$UvUVetrAc99GN54M4CQ1X.RLNaeREDC0cc9hHunk4U6bHYqkufTpq\n";

    /// An open registry; `None` when the program is not installed (see [`require`]).
    pub fn start() -> Option<Self> {
        Self::launch(false, "")
    }

    /// A registry that notifies `url` of what happens, with `Authorization: Bearer TOKEN`.
    pub fn start_notifying(url: &str, token: &str) -> Option<Self> {
        let settings = format!(
            "notifications:\n  endpoints:\n    - name: testkit\n      url: {url}\n      headers:\n        \
             Authorization: [Bearer {token}]\n      timeout: 5s\n      threshold: 5\n      backoff: 100ms\n"
        );
        Self::launch(false, &settings)
    }

    /// A registry that asks for [`Self::USER`] and [`Self::PASSWORD`].
    pub fn start_with_basic() -> Option<Self> {
        Self::launch(true, "")
    }

    /// `settings` is further YAML for its configuration.
    fn launch(basic: bool, settings: &str) -> Option<Self> {
        if !require(PROGRAM) {
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = write_config(directory.path(), basic, settings);
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(config).env("OTEL_TRACES_EXPORTER", "none");
        let mut address = None;
        let running = Running::start(command, START_LIMIT, |line| {
            let said = line.split_once("listening on ").map(|(_, rest)| rest);
            address = said.and_then(|rest| rest.split(['"', ',', ' ']).next()).map(str::to_owned);
            address.is_some()
        });
        let url = format!("http://{}", address.expect("seen above"));
        Some(Self { url, basic, running, _directory: directory })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Halts it (SIGSTOP), until [`Self::resume`]. The system goes on accepting connections for it.
    pub fn halt(&mut self) {
        self.running.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&mut self) {
        self.running.signal(Signal::CONT);
    }

    /// Pushes an image under `tag` (by digest when empty) and returns its digest. Blocks.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        for blob in image.blobs() {
            self.push_blob(repository, blob);
        }
        self.push_manifest(repository, tag, &image.media_type, &image.manifest)
    }

    /// Pushes an index with all that it leads to under `tag` (by digest when empty) and returns its digest. Blocks.
    pub fn push_index(&self, repository: &str, tag: &str, index: &Index) -> String {
        for image in &index.images {
            self.push(repository, "", image);
        }
        for nested in &index.indexes {
            self.push_index(repository, "", nested);
        }
        for blob in &index.blobs {
            self.push_blob(repository, blob);
        }
        self.push_manifest(repository, tag, &index.media_type, &index.manifest)
    }

    /// Pushes a blob and returns its digest. Blocks.
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let opened = self.send("POST", &format!("{}/v2/{repository}/blobs/uploads/", self.url), None, &[]);
        assert_eq!(opened.status, 202, "{}", opened.text());
        let location = opened.header("location").expect("an upload has a location");
        let location =
            if location.starts_with('/') { format!("{}{location}", self.url) } else { location.to_owned() };
        let separator = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{separator}digest={digest}");
        let done = self.send("PUT", &target, Some("application/octet-stream"), bytes);
        assert_eq!(done.status, 201, "{}", done.text());
        digest
    }

    /// Pushes a manifest under `tag` (by digest when empty) and returns its digest. Blocks.
    pub fn push_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let reference = if tag.is_empty() { &digest } else { tag };
        let target = format!("{}/v2/{repository}/manifests/{reference}", self.url);
        let done = self.send("PUT", &target, Some(media_type), bytes);
        assert_eq!(done.status, 201, "{}", done.text());
        digest
    }

    /// Deletes a manifest by its digest. Blocks.
    pub fn delete_manifest(&self, repository: &str, digest: &str) {
        let done =
            self.send("DELETE", &format!("{}/v2/{repository}/manifests/{digest}", self.url), None, &[]);
        assert_eq!(done.status, 202, "{}", done.text());
    }

    fn send(&self, method: &str, url: &str, media_type: Option<&str>, body: &[u8]) -> Response {
        let (method, url, body) = (method.to_owned(), url.to_owned(), body.to_vec());
        let media_type = media_type.map(str::to_owned);
        let authorization = self
            .basic
            .then(|| format!("Basic {}", BASE64.encode(format!("{}:{}", Self::USER, Self::PASSWORD))));
        wait_for(async move {
            let media_type = media_type.as_deref().map(|value| ("content-type", value));
            let authorization = authorization.as_deref().map(|value| ("authorization", value));
            let headers: Vec<_> = media_type.into_iter().chain(authorization).collect();
            client::request(&method, &url, &headers, body).await.expect("the registry answers")
        })
    }
}

fn write_config(directory: &Path, basic: bool, settings: &str) -> std::path::PathBuf {
    let storage = directory.join("content");
    let mut config = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
         http:\n  addr: 127.0.0.1:0\n  secret: testkit\n{settings}",
        storage.display()
    );
    if basic {
        let htpasswd = directory.join("htpasswd");
        std::fs::write(&htpasswd, DockerRegistry::HTPASSWD).expect("the directory can be written");
        write!(config, "auth:\n  htpasswd:\n    realm: testkit\n    path: {}\n", htpasswd.display())
            .expect("a string takes any text");
    }
    let path = directory.join("config.yml");
    std::fs::write(&path, config).expect("the directory can be written");
    path
}
