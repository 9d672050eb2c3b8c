//! The distribution project's registry, as a real upstream.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use rustix::process::Signal;

use super::child::Running;
use super::docker_settings::{DockerRegistryBuilder, PROGRAM};
use crate::background::wait_for;
use crate::client::{Login, Response};
use crate::digest::sha256;
use crate::image::{Image, Index};

const START_LIMIT: Duration = Duration::from_secs(15);

/// A running `docker-registry` on a free port with its content in a temporary directory; killed when dropped.
pub struct DockerRegistry {
    url: String,
    login: Login,
    // Declared before the directory, so that the program is gone when its files go.
    running: Running,
    _directory: TempDir,
}

impl DockerRegistry {
    /// The user of a registry that asks for a password.
    pub const USER: &str = "testkit";
    /// The password of that user.
    pub const PASSWORD: &str = "secret";

    /// An open registry; `None` when the program is not installed (see [`super::require`]).
    pub fn start() -> Option<Self> {
        Self::builder().start()
    }

    /// A registry that notifies `url` of what happens, with `Authorization: Bearer TOKEN`.
    pub fn start_notifying(url: &str, token: &str) -> Option<Self> {
        let settings = format!(
            "notifications:\n  endpoints:\n    - name: testkit\n      url: {url}\n      headers:\n        \
             Authorization: [Bearer {token}]\n      timeout: 5s\n      threshold: 5\n      backoff: 100ms\n"
        );
        Self::builder().settings(&settings).start()
    }

    /// A registry that asks for [`Self::USER`] and [`Self::PASSWORD`].
    pub fn start_with_basic() -> Option<Self> {
        Self::builder().basic().start()
    }

    /// Sets up a registry with access control or TLS.
    pub fn builder() -> DockerRegistryBuilder {
        DockerRegistryBuilder::new()
    }

    /// Starts the program with the configuration that lies in `directory`.
    pub(super) fn launch(directory: TempDir, scheme: &str, login: Login) -> Self {
        let mut command = Command::new(PROGRAM);
        let config = directory.path().join(DockerRegistryBuilder::CONFIG);
        command.arg("serve").arg(config).env("OTEL_TRACES_EXPORTER", "none");
        let mut address = None;
        let running = Running::start(command, START_LIMIT, |line| {
            let said = line.split_once("listening on ").map(|(_, rest)| rest);
            address = said.and_then(|rest| rest.split(['"', ',', ' ']).next()).map(str::to_owned);
            address.is_some()
        });
        let url = format!("{scheme}://{}", address.expect("seen above"));
        Self { url, login, running, _directory: directory }
    }

    /// `http://127.0.0.1:PORT`, or with `https`.
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
        let (login, media_type) = (self.login.clone(), media_type.map(str::to_owned));
        wait_for(async move {
            let headers: Vec<_> =
                media_type.as_deref().map(|value| ("content-type", value)).into_iter().collect();
            login.request(&method, &url, &headers, body).await.expect("the registry answers")
        })
    }
}
