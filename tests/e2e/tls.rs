//! An upstream behind TLS.

use testkit::image::media_type::DOCKER_LIST;
use testkit::{Authority, Onetag, Registry, client};

use crate::support::{ACCEPT, Legacy, manifest_path, refusal, serve_with, served_as};

/// A registry over TLS, a directory with its authority's certificate, and one of another name that stands for
/// those of the system.
struct Stage {
    registry: Registry,
    ca: String,
    system: String,
    _directory: tempfile::TempDir,
}

impl Stage {
    async fn new(authority: &Authority, registry: testkit::registry::Builder) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).to_str().expect("a path in UTF-8").to_owned();
        std::fs::write(path("system.crt"), Authority::new().server_identity().certificate).expect("a file");
        authority.write_ca(directory.path());
        let (ca, system) = (path("ca.crt"), path("system.crt"));
        let registry = registry.start().await;
        Legacy::docker().push(&registry, "latest");
        Self { registry, ca, system, _directory: directory }
    }

    fn serve(&self, args: &[&str]) -> Onetag {
        let upstream = self.registry.url();
        serve_with(&[&["--upstream", &*upstream], args].concat(), &[("SSL_CERT_FILE", &self.system)])
    }

    fn serve_trusting(&self) -> Onetag {
        self.serve(&["--upstream-ca", &self.ca])
    }
}

async fn pull(onetag: &Onetag) -> client::Response {
    client::get(&format!("{}{}", onetag.url(), manifest_path("latest")), &[ACCEPT]).await.expect("an answer")
}

#[tokio::test]
async fn an_upstream_whose_authority_is_trusted_is_pulled_from() {
    let authority = Authority::new();
    let stage = Stage::new(&authority, Registry::builder().tls(&authority)).await;
    assert!(stage.registry.url().starts_with("https://"));
    served_as(&pull(&stage.serve_trusting()).await, DOCKER_LIST, Legacy::docker().merged());
}

#[tokio::test]
async fn tokens_are_fetched_over_tls_too() {
    let authority = Authority::new();
    let builder = Registry::builder().tls(&authority).bearer(Some(("user", "password")));
    let stage = Stage::new(&authority, builder).await;
    let account = ["--upstream-username", "user", "--upstream-password", "password"];
    let onetag = stage.serve(&[&["--upstream-ca", &*stage.ca][..], &account].concat());
    served_as(&pull(&onetag).await, DOCKER_LIST, Legacy::docker().merged());
}

#[tokio::test]
async fn an_unknown_authority_is_told_as_such() {
    let authority = Authority::new();
    let stage = Stage::new(&authority, Registry::builder().tls(&authority)).await;
    let (status, code, message) = refusal(&pull(&stage.serve(&[])).await);
    assert_eq!((status, &*code), (502, "UNAVAILABLE"));
    assert!(message.contains("TLS") && message.contains("UnknownIssuer"), "{message}");
    assert_eq!(stage.registry.requests().len(), 0);
}

#[tokio::test]
async fn an_expired_certificate_is_told_as_such() {
    let authority = Authority::new();
    let stage = Stage::new(&authority, Registry::builder().tls_expired(&authority)).await;
    let (status, code, message) = refusal(&pull(&stage.serve_trusting()).await);
    assert_eq!((status, &*code), (502, "UNAVAILABLE"));
    assert!(message.contains("TLS") && message.contains("expired"), "{message}");
    assert_eq!(stage.registry.requests().len(), 0);
}

#[tokio::test]
async fn an_upstream_without_tls_is_not_spoken_to_when_https_is_configured() {
    let authority = Authority::new();
    let stage = Stage::new(&authority, Registry::builder()).await;
    let https = stage.registry.url().replace("http://", "https://");
    let onetag =
        serve_with(&["--upstream", &https, "--upstream-ca", &stage.ca], &[("SSL_CERT_FILE", &stage.system)]);
    let (status, _, message) = refusal(&pull(&onetag).await);
    assert_eq!(status, 502, "{message}");
    assert!(message.contains("TLS"), "{message}");
    assert_eq!(stage.registry.requests().len(), 0);
}
