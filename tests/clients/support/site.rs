//! The set-up of every test: a registry with tags that belong together, and onetag in front of it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::thread;

use bytes::Bytes;
use serde_json::Value;
use testkit::client::{self, Response};
use testkit::image::media_type::{DOCKER_LIST, OCI_INDEX};
use testkit::image::{Image, Index, buildx, sha256};
use testkit::process::{DockerRegistry, Onetag};
use testkit::wait_for;

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

/// What the registry of a [`Site`] holds under a tag.
pub(crate) enum Content {
    /// One image.
    Image(Image),
    /// An index, with all that it lists.
    Index(Index),
}

/// A registry that holds `team/app:latest` and what belongs to it, with onetag in front.
pub(crate) struct Site {
    onetag: Onetag,
    index: Bytes,
    _upstream: DockerRegistry,
}

impl Site {
    /// Starts both, with `latest` for amd64 and `latest-arm` for arm64, which no other test has; `None` if
    /// no registry is installed.
    pub(crate) fn start(form: Form) -> Option<Self> {
        let seed = fresh_seed();
        Self::holding(form, ARCHITECTURES.map(|architecture| image(form, architecture, seed)))
    }

    /// Like [`Site::start`], with the amd64 and the arm64 image given.
    pub(crate) fn holding(form: Form, [amd64, arm64]: [Image; 2]) -> Option<Self> {
        let site = Self::of(&[("latest", content(form, amd64)), ("latest-arm", content(form, arm64))])?;
        // Even a client that takes one of them must have taken it from a merged index.
        for architecture in ARCHITECTURES {
            site.child(architecture);
        }
        Some(site)
    }

    /// Like [`Site::start`], with exactly these tags.
    pub(crate) fn of(tags: &[(&str, Content)]) -> Option<Self> {
        let upstream = DockerRegistry::start()?;
        for (tag, content) in tags {
            match content {
                Content::Image(image) => upstream.push(REPOSITORY, tag, image),
                Content::Index(index) => upstream.push_index(REPOSITORY, tag, index),
            };
        }
        let binary = Path::new(env!("CARGO_BIN_EXE_onetag"));
        let onetag = Onetag::start(binary, &["--upstream", upstream.url()]);
        let accept = [("accept", OCI_INDEX), ("accept", DOCKER_LIST)];
        let index = fetch(&onetag, "manifests/latest", &accept).body;
        Some(Self { onetag, index, _upstream: upstream })
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
        let entries = self.entries();
        let entry = entries.iter().find(|entry| entry["platform"]["architecture"] == architecture);
        entry.and_then(|entry| entry["digest"].as_str()).expect("an entry for it").to_owned()
    }

    /// The entries of the merged index, in its order.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let mut index: Value = serde_json::from_slice(&self.index).expect("the index is JSON");
        serde_json::from_value(index["manifests"].take()).expect("an index lists manifests")
    }

    /// What onetag answers to a plain GET of `path` in the repository.
    ///
    /// # Panics
    /// If the answer is not 200.
    pub(crate) fn fetch(&self, path: &str) -> Response {
        fetch(&self.onetag, path, &[])
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

fn content(form: Form, image: Image) -> Content {
    match form {
        Form::Docker | Form::Oci => Content::Image(image),
        Form::Buildx => Content::Index(buildx(&image)),
    }
}

fn fetch(onetag: &Onetag, path: &str, headers: &[(&'static str, &'static str)]) -> Response {
    let url = format!("{}/v2/{REPOSITORY}/{path}", onetag.url());
    let headers = headers.to_vec();
    let answer = wait_for(async move { client::get(&url, &headers).await }).expect("onetag answers");
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), onetag.stderr_text());
    answer
}

/// An image with its architecture in the file `/arch`.
fn image(form: Form, architecture: &str, seed: u64) -> Image {
    let variant = if architecture == "arm64" { "/v8" } else { "" };
    let builder = Image::builder(&format!("linux/{architecture}{variant}"));
    let builder = if matches!(form, Form::Docker) { builder.docker() } else { builder.oci() };
    builder.file("/arch", architecture.as_bytes()).seed(seed).build()
}

/// A random seed, because docker and containerd keep content by digest.
pub(crate) fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
