//! The registry under test, as one check sees it.

use http::Uri;
use testkit::client::{Body, Login, Response};
use testkit::{Image, sha256};

use super::verdict::{Verdict, header, holds, status};

/// What a client that takes everything accepts.
const ACCEPT: (&str, &str) = (
    "accept",
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json",
);

pub(super) const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");

/// A registry's address, a login, and a repository that only this check uses.
#[derive(Clone)]
pub(super) struct Subject {
    url: String,
    login: Login,
    pub(super) repository: String,
}

impl Subject {
    pub(super) fn new(url: &str, login: Login, repository: &str) -> Self {
        Self { url: url.to_owned(), login, repository: repository.to_owned() }
    }

    /// The same registry with another repository of this check.
    pub(super) fn other(&self, name: &str) -> Self {
        Self::new(&self.url, self.login.clone(), &format!("{}/{name}", self.repository))
    }

    /// Bytes that no other check has.
    pub(super) fn unique(&self, label: &str) -> Vec<u8> {
        format!("{label} of {}\n", self.repository).into_bytes()
    }

    /// An image that no other check has.
    pub(super) fn image(&self, label: &str) -> Image {
        Image::builder("linux/amd64").file("content", &self.unique(label)).build()
    }

    /// A request for a path below the repository's.
    pub(super) async fn ask(&self, method: &str, path: &str) -> Verdict<Response> {
        self.send(method, &self.below(path), &[ACCEPT], "").await
    }

    /// A request for an address, or for a path of the host.
    pub(super) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Verdict<Response> {
        let url =
            if target.starts_with('/') { format!("{}{target}", self.origin()) } else { target.to_owned() };
        let answer = self.login.request(method, &url, headers, body).await;
        answer.map_err(|error| format!("{method} {url}: {error}"))
    }

    /// The path of something below the repository's.
    pub(super) fn below(&self, path: &str) -> String {
        format!("/v2/{}/{path}", self.repository)
    }

    fn origin(&self) -> &str {
        self.url.trim_end_matches('/')
    }

    /// The host and port by which the registry is known.
    pub(super) fn authority(&self) -> String {
        let url: Uri = self.url.parse().expect("an address");
        url.authority().expect("an address with a host").to_string()
    }

    /// Opens an upload; where it goes on.
    pub(super) async fn open(&self) -> Verdict<String> {
        let opened = self.send("POST", &self.below("blobs/uploads/"), &[("content-length", "0")], "").await?;
        status(&opened, &[202])?;
        Ok(header(&opened, "location")?.to_owned())
    }

    /// Ends an upload with the last of its bytes, if any are left.
    pub(super) async fn close(&self, location: &str, digest: &str, body: Vec<u8>) -> Verdict<Response> {
        self.send("PUT", &with_digest(location, digest), &[OCTETS], body).await
    }

    /// Whether an upload ended well: 201, and a location from which the blob can be pulled.
    pub(super) async fn pullable(&self, done: &Response, bytes: &[u8]) -> Verdict {
        status(done, &[201])?;
        holds(&self.send("GET", header(done, "location")?, &[ACCEPT], "").await?, bytes)
    }

    pub(super) async fn push_blob(&self, bytes: &[u8]) -> Verdict<String> {
        let digest = sha256(bytes);
        let location = self.open().await?;
        status(&self.close(&location, &digest, bytes.to_vec()).await?, &[201])?;
        Ok(digest)
    }

    /// Pushes a manifest alone.
    pub(super) async fn push_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Verdict<Response> {
        let typed = [("content-type", media_type)];
        self.send("PUT", &self.below(&format!("manifests/{reference}")), &typed, bytes.to_vec()).await
    }

    /// Pushes an image with its blobs; under its digest where there is no tag.
    pub(super) async fn push(&self, tag: Option<&str>, image: &Image) -> Verdict<Response> {
        for blob in image.blobs() {
            self.push_blob(blob).await?;
        }
        let digest = image.digest();
        let done = self.push_manifest(tag.unwrap_or(&digest), &image.media_type, &image.manifest).await?;
        status(&done, &[201])?;
        Ok(done)
    }
}

/// The location with `digest` added to its query, which stays as it is.
pub(super) fn with_digest(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}
