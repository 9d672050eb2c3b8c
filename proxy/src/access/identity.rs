//! Who a client certificate names.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer as _, X509Certificate};

use super::caller::Groups;

/// The most groups that a certificate may name.
const MAX_GROUPS: usize = 64;

const MAX_NAME: usize = 255;

/// The subject of a client certificate that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user: the common name.
    pub user: Arc<str>,
    /// The user's groups: the organisations.
    pub groups: Groups,
}

impl Identity {
    /// The identity of a certificate, as Kubernetes reads it: the common name is the user and each organisation a
    /// group. None where there is not exactly one common name, where there are more than 64 groups, or where a
    /// name is empty, longer than 255 bytes, has control characters, or space around it.
    ///
    /// Nothing is verified here: whether the certificate is to be believed is decided by who accepts it.
    pub fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
        let subject = certificate.subject();
        let mut users = subject.iter_common_name();
        let user = name(users.next()?)?;
        if !rest.is_empty() || users.next().is_some() || subject.iter_organization().count() > MAX_GROUPS {
            return None;
        }
        Some(Self { user, groups: subject.iter_organization().map(name).collect::<Option<_>>()? })
    }
}

fn name(attribute: &AttributeTypeAndValue<'_>) -> Option<Arc<str>> {
    let text = attribute.as_str().ok()?;
    let is_fit = (1..=MAX_NAME).contains(&text.len())
        && !text.contains(char::is_control)
        && text.trim().len() == text.len();
    is_fit.then(|| text.into())
}
