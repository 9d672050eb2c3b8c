//! A certificate for loopback, made for one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::engine::Protocol;
use crate::error::Error;

/// The files of a server, and what trusts them.
pub(crate) struct Certificates {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Writes both files into a folder.
    pub(crate) fn write(folder: &Path) -> Result<Self, Error> {
        let failed = |error: rcgen::Error| Error::prepare("a certificate", error);
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "onetag load test");
        params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()));
        let certificate = params.self_signed(&key).map_err(failed)?;
        let made = Self { certificate: folder.join("server.crt"), key: folder.join("server.key") };
        let write =
            |path: &Path, text: String| fs::write(path, text).map_err(Error::io(path.display().to_string()));
        write(&made.certificate, certificate.pem())?;
        write(&made.key, key.serialize_pem())?;
        Ok(made)
    }
}

/// What a client trusts and offers: the authorities in a file, TLS 1.3 with `TLS13_AES_128_GCM_SHA256` alone, so that
/// all servers have the same work.
pub(crate) fn client(authorities: &Path, protocol: Protocol) -> Result<Arc<ClientConfig>, Error> {
    let about = authorities.display().to_string();
    let mut roots = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(authorities).map_err(|error| Error::prepare(&about, error))?;
    for certificate in read {
        let certificate = certificate.map_err(|error| Error::prepare(&about, error))?;
        roots.add(certificate).map_err(|error| Error::prepare(&about, error))?;
    }
    if roots.is_empty() {
        return Err(Error::prepare(&about, "there is no certificate in it"));
    }
    let provider = rustls::crypto::CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::prepare("TLS 1.3", error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}
