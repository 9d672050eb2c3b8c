//! TLS to the upstream: which authorities are trusted, and which certificate is shown.

use std::path::Path;
use std::sync::Arc;

use onetag_config::value::Scheme;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::cause::Cause;
use super::setup::SetupError;

/// How TLS is spoken with the upstream, and with all other hosts.
pub(super) struct Tls {
    /// With onetag's own certificate, where it has one.
    pub(super) upstream: ClientConfig,
    /// Without: a host that the upstream names is not to be opened by a certificate that was meant for the
    /// upstream (threat T6).
    pub(super) others: ClientConfig,
}

impl Tls {
    /// As the settings want it; `identity` are the files of onetag's own certificate and its key.
    pub(super) fn new(
        config: &onetag_config::Upstream,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, SetupError> {
        let https = config.url.as_ref().is_some_and(|url| url.scheme() == Scheme::Https);
        let roots = roots(config.ca_file.as_deref(), https)?;
        // The provider is named because another one may be the process's default, or none.
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let others = builder.clone().with_no_client_auth();
        let Some((certificate, key)) = identity else { return Ok(Self { upstream: others.clone(), others }) };
        let chain = certificates("upstream.client_certificate", certificate)?;
        let unusable = |reason| unusable("upstream.client_key", key, reason);
        let secret = PrivateKeyDer::from_pem_slice(&read("upstream.client_key", key)?)
            .map_err(|error| unusable(error.into()))?;
        let upstream =
            builder.with_client_auth_cert(chain, secret).map_err(|error| unusable(error.into()))?;
        Ok(Self { upstream, others })
    }
}

/// The system's certificate authorities, and those in `ca_file`.
fn roots(ca_file: Option<&Path>, https: bool) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let setting = "upstream.ca_file";
        let added = certificates(setting, path)?.into_iter().try_for_each(|der| roots.add(der));
        added.map_err(|error| unusable(setting, path, error.into()))?;
    }
    if https && roots.is_empty() {
        let errors = system.errors.iter().fold(String::new(), |text, error| format!("{text}; {error}"));
        return Err(SetupError::NoRoots(errors));
    }
    Ok(roots)
}

/// The certificates in a PEM file; there is at least one.
fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let pem = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.and_then(|found| {
        if found.is_empty() { Err(rustls_pki_types::pem::Error::NoItemsFound) } else { Ok(found) }
    });
    found.map_err(|error| unusable(setting, path, error.into()))
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|error| SetupError::File { setting, path: path.to_owned(), error })
}

fn unusable(setting: &'static str, path: &Path, reason: Cause) -> SetupError {
    SetupError::Unusable { setting, path: path.to_owned(), reason }
}
