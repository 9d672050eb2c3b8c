use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::value::{ClientAuth, path};

/// The section `[tls]`: TLS towards clients. Without a certificate there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file with the certificate, and behind it those that lead to its authority.
    #[serde(serialize_with = "path::serialize")]
    pub certificate: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    #[serde(serialize_with = "path::serialize")]
    pub key: Option<PathBuf>,
    /// A PEM file of the authorities whose certificates clients may show.
    #[serde(serialize_with = "path::serialize")]
    pub client_ca: Option<PathBuf>,
    /// Whether they have to show one; see [`Tls::client_auth`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
}

impl Tls {
    /// Whether clients have to show a certificate: they do where there are authorities for it, unless it is said
    /// otherwise.
    pub fn client_auth(&self) -> ClientAuth {
        let usual = if self.client_ca.is_some() { ClientAuth::Required } else { ClientAuth::None };
        self.client_auth.unwrap_or(usual)
    }
}
