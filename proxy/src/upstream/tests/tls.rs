use std::sync::Arc;

use testkit::{Authority, Registry};

use super::super::{Credentials, ErrorKind, Fault, SetupError, Upstream};
use super::{APP, Site, image, settings};
use crate::telemetry::Metrics;

fn setup(config: &onetag_config::Upstream) -> Result<Upstream, SetupError> {
    Upstream::new(config, Credentials::anonymous(), Arc::new(Metrics::new().unwrap()))
}

#[tokio::test]
async fn an_authority_is_trusted_when_its_file_is_named() {
    let authority = Authority::new();
    let registry = Registry::builder().tls(&authority).start().await;
    registry.push(APP, "latest", &image());
    let folder = tempfile::tempdir().unwrap();
    let ca_file = Some(authority.write_ca(folder.path()));
    let trusting = onetag_config::Upstream { ca_file, ..settings(&registry.url()) };
    assert!(Site::new(&trusting).manifest("latest").await.unwrap().is_some());
    let other = Authority::new();
    let ca_file = Some(other.write_ca(folder.path()));
    let site = Site::new(&onetag_config::Upstream { ca_file, ..settings(&registry.url()) });
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls(_)), "{error}");
    assert_eq!((error.fault(), error.is_transient()), (Fault::Settings, false));
    let text = error.to_string();
    assert!(text.contains("latest: TLS failed: invalid peer certificate"), "{text}");
    assert_eq!(site.counted("manifest", "failed"), 1);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let registry = Registry::builder().tls_expired(&authority).start().await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = Some(authority.write_ca(folder.path()));
    let site = Site::new(&onetag_config::Upstream { ca_file, ..settings(&registry.url()) });
    let error = site.manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls(_)), "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn a_setup_that_fails_names_the_setting_and_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let with = |path: &std::path::Path| onetag_config::Upstream {
        ca_file: Some(path.to_owned()),
        ..settings("https://registry.example.com")
    };
    let text = setup(&with(&missing)).unwrap_err().to_string();
    assert!(
        text.starts_with(&format!("upstream.ca_file: cannot read {}: No such file", missing.display())),
        "{text}"
    );
    let text = setup(&with(&empty)).unwrap_err().to_string();
    assert!(text.starts_with(&format!("upstream.ca_file: nothing usable in {}", empty.display())), "{text}");
    let none = onetag_config::Upstream::default();
    assert_eq!(setup(&none).unwrap_err().to_string(), "upstream.url is not set");
}
