//! What the files hold, and the settings of rustls that come of it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::aws_lc_rs::digest;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, InconsistentKeys, RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::error::TlsError;

/// The most that is read of a file, in bytes: enough for thousands of authorities.
const MAX_FILE: u64 = 4 << 20;

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked for one.
    None,
    /// Who shows one must show one that verifies.
    Optional,
    /// Who shows none is not served.
    Required,
}

/// Where certificate, key and authority are, and what the latter is for.
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) client_auth: ClientAuth,
}

/// The bytes of the files as they were at one time.
pub(super) struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// How a certificate's time stands to the time now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    Now,
    Past,
    Future,
}

/// Two readings with the same fingerprint found the same bytes, or failed alike.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Files {
    pub(super) fn read(&self) -> Result<Material, TlsError> {
        let client_ca = match (self.client_auth, &self.client_ca) {
            (ClientAuth::None, _) => None,
            (_, Some(file)) => Some(read(file)?),
            (_, None) => return Err(TlsError::NoClientCa),
        };
        Ok(Material { certificate: read(&self.certificate)?, key: read(&self.key)?, client_ca })
    }

    /// The settings for new connections, and how the certificate's time stands.
    pub(super) fn settings(&self, material: &Material) -> Result<(ServerConfig, Validity), TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = self.certified(material, &provider)?;
        let validity = validity(&certified);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Setup)?;
        let verifier = self.verifier(material, provider)?;
        let asks_clients = verifier.is_some();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if asks_clients {
            // A resumed session would outlive the client's certificate.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Setup)?;
        }
        Ok((config, validity))
    }

    fn certified(&self, material: &Material, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let file = || self.key.clone();
        let chain = certificates(&self.certificate, &material.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&material.key).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsError::NoKey { file: file() },
            source => TlsError::Malformed { file: file(), source },
        })?;
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|source| TlsError::Unfit { file: file(), source })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(TlsError::KeyMismatch { key: file(), certificate: self.certificate.clone() })
            }
            Err(source) => Err(TlsError::Unfit { file: self.certificate.clone(), source }),
        }
    }

    fn verifier(
        &self,
        material: &Material,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (Some(file), Some(pem)) = (&self.client_ca, &material.client_ca) else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(file, pem)? {
            let added = roots.add(certificate);
            added.map_err(|source| TlsError::Unfit { file: file.clone(), source })?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match self.client_auth {
            ClientAuth::Required => builder,
            ClientAuth::Optional | ClientAuth::None => builder.allow_unauthenticated(),
        };
        let built = builder.build();
        built.map(Some).map_err(|source| TlsError::ClientCa { file: file.clone(), source })
    }
}

impl Fingerprint {
    pub(super) fn of(read: &Result<Material, TlsError>) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        match read {
            Ok(material) => {
                for bytes in [Some(&material.certificate), Some(&material.key), material.client_ca.as_ref()] {
                    let bytes = bytes.map_or(&[][..], Vec::as_slice);
                    hash.update(&bytes.len().to_le_bytes());
                    hash.update(bytes);
                }
            }
            Err(error) => hash.update(error.to_string().as_bytes()),
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hash.finish().as_ref());
        Self(fingerprint)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(TlsError::TooLarge { file: file.to_owned(), limit: MAX_FILE });
    }
    Ok(bytes)
}

/// All certificates of a file, in their order.
fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::NoCertificate { file: file.to_owned() }),
        Ok(found) => Ok(found),
        Err(source) => Err(TlsError::Malformed { file: file.to_owned(), source }),
    }
}

/// rustls tells of the time before it misses an authority, so none is needed to ask for it.
fn validity(certified: &CertifiedKey) -> Validity {
    let Some(parsed) = certified.cert.first().and_then(|cert| ParsedCertificate::try_from(cert).ok()) else {
        return Validity::Now;
    };
    let roots = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], UnixTime::now(), &[]) {
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Validity::Past,
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Validity::Future,
        _ => Validity::Now,
    }
}
