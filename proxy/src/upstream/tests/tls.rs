use std::io::{Read, Write as _};
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use testkit::{Authority, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{Credentials, ErrorKind, Fault, SetupError, Upstream};
use super::names::knows;
use super::server::listen;
use super::writes::send;
use super::{APP, Site, image, settings, with_account};
use crate::telemetry::Metrics;

fn setup(config: &onetag_config::Upstream) -> Result<Upstream, SetupError> {
    Upstream::new(config, Credentials::anonymous(), Arc::new(Metrics::new().unwrap()))
}

#[tokio::test]
async fn t36_an_authority_is_trusted_when_its_file_is_named_and_no_other_is() {
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
async fn t36_an_expired_certificate_is_refused() {
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

#[tokio::test]
async fn t36_a_certificate_of_another_name_is_refused() {
    let authority = Authority::new();
    let registry = Registry::builder().tls(&authority).start().await;
    let folder = tempfile::tempdir().unwrap();
    let port = registry.url().rsplit(':').next().unwrap().to_owned();
    let config = onetag_config::Upstream {
        ca_file: Some(authority.write_ca(folder.path())),
        ..with_account(&format!("https://registry.example.com:{port}"), "jo", "secret")
    };
    let site = Site::with(&config, None, knows(&[("registry.example.com", &["127.0.0.1"])]));
    for error in [site.manifest("latest").await.unwrap_err(), send(&site.upstream, "body").await.unwrap_err()]
    {
        assert!(matches!(error.kind(), ErrorKind::Tls(_)), "{error}");
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
    assert_eq!(registry.requests().len(), 0);
}

#[tokio::test]
async fn t36_nothing_is_said_in_plain_text_to_an_upstream_that_speaks_no_tls() {
    let (heard, mut words) = tokio::sync::mpsc::channel(8);
    let (address, _) = listen(move |mut stream| {
        let heard = heard.clone();
        async move {
            let mut first = vec![0; 4_096];
            let read = stream.read(&mut first).await.unwrap_or_default();
            let _broken = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            first.truncate(read);
            let _broken = stream.read_to_end(&mut first).await;
            heard.send(first).await.unwrap();
        }
    })
    .await;
    let site = Site::new(&with_account(&format!("https://{address}"), "jo", "secret"));
    for error in [site.manifest("latest").await.unwrap_err(), send(&site.upstream, "body").await.unwrap_err()]
    {
        assert!(matches!(error.kind(), ErrorKind::Tls(_)), "{error}");
        let words = words.recv().await.unwrap();
        assert_eq!(words[0], 0x16, "a TLS handshake");
        assert!(!words.windows(4).any(|part| part == b"/v2/" || part == b"HTTP"));
    }
}

/// A TLS server that says of each connection whether a certificate was shown, and answers all with `head`.
fn asking_for_a_certificate(
    authority: &Authority,
    folder: &Path,
    required: bool,
    head: String,
) -> (u16, std::sync::mpsc::Receiver<bool>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.ca_pem().as_bytes()).unwrap()).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
    let (certificate, key) = authority.server_identity().write(folder, "server");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (shown, certificates) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let config = Arc::new(config);
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut request = [0; 4_096];
            if tls.read(&mut request).is_err() {
                continue;
            }
            let _broken = tls.write_all(head.as_bytes());
            if shown.send(tls.conn.peer_certificates().is_some()).is_err() {
                return;
            }
        }
    });
    (port, certificates)
}

#[tokio::test]
async fn a_certificate_is_shown_to_the_upstream_and_to_no_host_that_it_names() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.client_identity("onetag").write(folder.path(), "client");
    let end = "content-length: 0\r\nconnection: close\r\n\r\n";
    let absent = format!("HTTP/1.1 404 Not Found\r\n{end}");
    let (storage, at_storage) = asking_for_a_certificate(&authority, folder.path(), false, absent);
    let redirect = format!("HTTP/1.1 307 Go On\r\nlocation: https://localhost:{storage}/x\r\n{end}");
    let (port, at_upstream) = asking_for_a_certificate(&authority, folder.path(), true, redirect);
    let config = onetag_config::Upstream {
        ca_file: Some(authority.write_ca(folder.path())),
        ..settings(&format!("https://127.0.0.1:{port}"))
    };
    let names = || knows(&[("localhost", &["127.0.0.1"])]);
    let site = Site::with(&config, Some((&certificate, &key)), names());
    assert!(site.manifest("latest").await.unwrap().is_none());
    assert!(at_upstream.recv().unwrap());
    assert!(!at_storage.recv().unwrap());
    let error = Site::with(&config, None, names()).manifest("latest").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls(_)), "{error}");
}

#[test]
fn a_certificate_without_its_key_is_no_setup() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.client_identity("onetag").write(folder.path(), "client");
    let (_, other) = authority.client_identity("other").write(folder.path(), "other");
    let with = |certificate: &Path, key: &Path| {
        let metrics = Arc::new(Metrics::new().unwrap());
        let config = settings("https://127.0.0.1");
        let look_up = knows(&[]);
        Upstream::with(&config, Credentials::anonymous(), metrics, Some((certificate, key)), look_up)
            .map(|_| ())
    };
    with(&certificate, &key).unwrap();
    for (certificate, key, setting) in [
        (&certificate, &other, "upstream.client_key: nothing usable in "),
        (&certificate, &certificate, "upstream.client_key: nothing usable in "),
        (&key, &key, "upstream.client_certificate: nothing usable in "),
        (&folder.path().join("none"), &key, "upstream.client_certificate: cannot read "),
    ] {
        let text = with(certificate, key).unwrap_err().to_string();
        assert!(text.starts_with(setting), "{text}");
    }
}

#[test]
fn a_setup_that_fails_names_the_setting_and_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let with = |path: &Path| onetag_config::Upstream {
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
