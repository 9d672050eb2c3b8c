//! The set-up of every test: a registry with one tag per architecture, and onetag in front of it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::thread;

use bytes::Bytes;
use serde_json::Value;
use testkit::image::media_type::{DOCKER_LIST, OCI_INDEX};
use testkit::image::{Image, buildx, sha256};
use testkit::process::{DockerRegistry, Onetag};
use testkit::{client, wait_for};

const REPOSITORY: &str = "team/app";

/// The architectures that the registry of a [`Site`] holds, each under a tag of its own.
pub(crate) const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// The architecture that a client asks for when it is told nothing.
pub(crate) const HOST: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// A registry that does not exist: only a mirror can answer for it.
pub(crate) const ELSEWHERE: &str = "registry.invalid";

/// What a single-architecture tag points at.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// A Docker manifest, as `docker push` writes it.
    Docker,
    /// An OCI manifest, as podman and buildah write it.
    Oci,
    /// An OCI index of one image and its attestation, as buildx writes it.
    Buildx,
}

/// A registry that holds `team/app:latest` for amd64 and `team/app:latest-arm` for arm64, with onetag
/// in front.
pub(crate) struct Site {
    onetag: Onetag,
    index: Bytes,
    _upstream: DockerRegistry,
}

impl Site {
    /// Starts both, with images that no other test has; `None` if no registry is installed.
    pub(crate) fn start(form: Form) -> Option<Self> {
        let seed = fresh_seed();
        Self::holding(form, ARCHITECTURES.map(|architecture| image(form, architecture, seed)))
    }

    /// Like [`Site::start`], with the amd64 and the arm64 image given.
    pub(crate) fn holding(form: Form, [amd64, arm64]: [Image; 2]) -> Option<Self> {
        let upstream = DockerRegistry::start()?;
        push(&upstream, form, "latest", &amd64);
        push(&upstream, form, "latest-arm", &arm64);
        let binary = Path::new(env!("CARGO_BIN_EXE_onetag"));
        let onetag = Onetag::start(binary, &["--upstream", upstream.url()]);
        let index = fetch_index(&onetag);
        let site = Self { onetag, index, _upstream: upstream };
        // Even a client that takes one of them must have taken it from a merged index.
        for architecture in ARCHITECTURES {
            site.child(architecture);
        }
        Some(site)
    }

    /// The tag as a client names it, through onetag.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{REPOSITORY}:latest", self.address())
    }

    /// The merged index by its digest, as a client names it.
    pub(crate) fn reference_by_digest(&self) -> String {
        format!("{}/{REPOSITORY}@{}", self.address(), self.digest())
    }

    /// Host and port of onetag.
    pub(crate) fn address(&self) -> String {
        self.onetag.address().to_string()
    }

    /// The merged index as onetag serves it.
    pub(crate) fn index(&self) -> &[u8] {
        &self.index
    }

    /// The digest of the merged index, computed from its bytes.
    pub(crate) fn digest(&self) -> String {
        sha256(&self.index)
    }

    /// The digest of the entry for linux and `architecture` in the merged index.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn child(&self, architecture: &str) -> String {
        let index: Value = serde_json::from_slice(&self.index).expect("the index is JSON");
        let entries = index["manifests"].as_array().expect("an index lists manifests");
        let entry = entries.iter().find(|entry| entry["platform"]["architecture"] == architecture);
        entry.and_then(|entry| entry["digest"].as_str()).expect("an entry for it").to_owned()
    }
}

/// The tag in another registry, for which a client has onetag as its mirror.
pub(crate) fn reference_in(registry: &str) -> String {
    format!("{registry}/{REPOSITORY}:latest")
}

impl Drop for Site {
    #[expect(clippy::print_stderr, reason = "a client says little about why it failed, onetag's log more")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("onetag's log:\n{}", self.onetag.stderr_text());
        }
    }
}

fn push(registry: &DockerRegistry, form: Form, tag: &str, image: &Image) {
    match form {
        Form::Docker | Form::Oci => registry.push(REPOSITORY, tag, image),
        Form::Buildx => registry.push_index(REPOSITORY, tag, &buildx(image)),
    };
}

fn fetch_index(onetag: &Onetag) -> Bytes {
    let url = format!("{}/v2/{REPOSITORY}/manifests/latest", onetag.url());
    let accept = [("accept", OCI_INDEX), ("accept", DOCKER_LIST)];
    let answer = wait_for(async move { client::get(&url, &accept).await }).expect("onetag answers");
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), onetag.stderr_text());
    answer.body
}

/// An image with its architecture in the file `/arch`.
fn image(form: Form, architecture: &str, seed: u64) -> Image {
    let variant = if architecture == "arm64" { "/v8" } else { "" };
    let builder = Image::builder(&format!("linux/{architecture}{variant}"));
    let builder = if matches!(form, Form::Docker) { builder.docker() } else { builder.oci() };
    builder.file("/arch", architecture.as_bytes()).seed(seed).build()
}

/// A random seed, because docker and containerd keep content by digest.
fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
