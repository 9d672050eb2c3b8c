use testkit::client::{self, Client, Response};
use testkit::{Onetag, Registry};

use super::serve;

/// Where all images lie, unless a test says otherwise.
pub(crate) const REPOSITORY: &str = "team/app";

/// What a client that knows everything accepts.
pub(crate) const ACCEPT: (&str, &str) = (
    "accept",
    "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*",
);

/// A registry with onetag in front.
pub(crate) struct Site {
    pub(crate) registry: Registry,
    pub(crate) onetag: Onetag,
}

/// The path of a manifest in [`REPOSITORY`].
pub(crate) fn manifest_path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

impl Site {
    /// An empty registry, and onetag with these arguments in front of it.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::over(Registry::start().await, args)
    }

    /// An empty registry, and onetag with this configuration and these arguments in front of it.
    pub(crate) async fn configured(settings: &str, args: &[&str]) -> Self {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
        std::fs::write(file.path(), settings).expect("a written file");
        let path = file.path().to_str().expect("a path in UTF-8");
        Self::start(&[&["--config", path], args].concat()).await
    }

    /// Onetag with these arguments in front of this registry.
    pub(crate) fn over(registry: Registry, args: &[&str]) -> Self {
        let onetag = serve(&registry.url(), args);
        Self { registry, onetag }
    }

    /// The address of a path at onetag.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.onetag.url())
    }

    /// GET of any path.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        client::get(&self.url(path), headers).await.expect("onetag answers")
    }

    /// HEAD of any path.
    pub(crate) async fn head(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        client::head(&self.url(path), headers).await.expect("onetag answers")
    }

    /// GET of a manifest in [`REPOSITORY`], by tag or digest.
    pub(crate) async fn manifest(&self, reference: &str) -> Response {
        self.get(&manifest_path(reference), &[ACCEPT]).await
    }

    /// GET of a blob in [`REPOSITORY`].
    pub(crate) async fn blob(
        &self,
        digest: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response, client::Error> {
        Client::plain().get(&self.url(&format!("/v2/{REPOSITORY}/blobs/{digest}")), headers).await
    }
}
