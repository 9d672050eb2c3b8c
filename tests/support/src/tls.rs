//! A certificate authority for tests.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// An authority that nobody trusts until told to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
}

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS #8).
    pub key: String,
}

enum Validity {
    Now,
    Past,
}

impl Authority {
    /// A fresh authority with a key of its own.
    #[expect(clippy::new_without_default, reason = "each is another one: a default would mislead")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "testkit authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a self-signed certificate");
        Self { ca_pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// The authority's certificate in PEM.
    pub fn ca_pem(&self) -> String {
        self.ca_pem.clone()
    }

    /// Writes the authority's certificate to `ca.crt` in `directory`.
    pub fn write_ca(&self, directory: &Path) -> PathBuf {
        write(directory, "ca.crt", &self.ca_pem)
    }

    /// A server's identity for 127.0.0.1, `::1` and localhost.
    pub fn server_identity(&self) -> Identity {
        self.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth, &Validity::Now)
    }

    /// The same with a certificate that expired long ago.
    pub fn expired_server_identity(&self) -> Identity {
        self.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth, &Validity::Past)
    }

    /// A client's identity with `name` as its common name.
    pub fn client_identity(&self, name: &str) -> Identity {
        self.issue(name, ExtendedKeyUsagePurpose::ClientAuth, &Validity::Now)
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose, validity: &Validity) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![
            SanType::DnsName("localhost".try_into().expect("an ASCII name")),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress("::1".parse().expect("an address")),
        ];
        params.extended_key_usages = vec![usage];
        if let Validity::Past = validity {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a signed certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Identity {
    /// Writes `NAME.crt` and `NAME.key` to `directory` and returns their paths.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = write(directory, &format!("{name}.crt"), &self.certificate);
        (certificate, write(directory, &format!("{name}.key"), &self.key))
    }

    pub(crate) fn certificate_der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM from rcgen")
    }

    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM from rcgen")
    }

    /// Serves HTTP/1.1 over TLS with this identity.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider knows these versions")
                .with_no_client_auth()
                .with_single_cert(vec![self.certificate_der()], self.key_der())
                .expect("the key is the certificate's");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the directory can be written");
    path
}
