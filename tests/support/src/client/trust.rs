//! Whom a client trusts, who it says it is, and which protocol it offers.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::tls::Identity;

/// HTTP/2 as TLS names it.
pub(super) const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1; over TLS nothing is offered.
    Http1,
    /// HTTP/2 alone; in the clear without asking first.
    Http2,
    /// Over TLS whichever of the two the server prefers.
    Negotiated,
}

/// The certificates that a client holds.
#[derive(Clone)]
pub(super) struct Trust {
    roots: Option<Arc<RootCertStore>>,
    identity: Option<Identity>,
}

impl Trust {
    pub(super) fn nobody() -> Self {
        Self { roots: None, identity: None }
    }

    pub(super) fn of(ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(certificate.expect("a certificate in PEM")).expect("a certificate that can be a root");
        }
        Self { roots: Some(Arc::new(roots)), identity: None }
    }

    pub(super) fn with_identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    pub(super) fn tls(&self, protocol: Protocol) -> ClientConfig {
        let roots = self.roots.as_ref().expect("https needs Client::trusting");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows these versions")
            .with_root_certificates(Arc::clone(roots));
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => config
                .with_client_auth_cert(vec![identity.certificate_der()], identity.key_der())
                .expect("the key is the certificate's"),
        };
        config.alpn_protocols = match protocol {
            Protocol::Http1 => Vec::new(),
            Protocol::Http2 => vec![H2.to_vec()],
            Protocol::Negotiated => vec![H2.to_vec(), HTTP1.to_vec()],
        };
        config
    }
}
