use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::value::{CredentialSource, GrantTtl, Limit, Secret, StaleGrant, Timeout, UpstreamUrl, path};

/// The section `[upstream]`: the registry that stands behind the proxy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// Where the registry is; the one setting without a default.
    pub url: Option<UpstreamUrl>,
    /// A PEM file of certificate authorities that are trusted besides those of the system.
    #[serde(serialize_with = "path::serialize")]
    pub ca_file: Option<PathBuf>,
    /// A PEM file with a certificate that onetag shows to the registry.
    #[serde(serialize_with = "path::serialize")]
    pub client_certificate: Option<PathBuf>,
    /// A PEM file with the private key of that certificate.
    #[serde(serialize_with = "path::serialize")]
    pub client_key: Option<PathBuf>,
    /// With whose credentials the registry is asked: onetag's own, or those of each caller.
    pub credentials: CredentialSource,
    /// For how long the registry's yes to a caller is believed; only with the callers' credentials.
    pub grant_ttl: GrantTtl,
    /// How much longer it is believed while the registry fails.
    pub stale_grant: StaleGrant,
    /// The account at the registry.
    pub username: Option<String>,
    /// Its password; `password_file` keeps it out of the configuration.
    pub password: Option<Secret>,
    /// A file that holds the password, and nothing else.
    #[serde(serialize_with = "path::serialize")]
    pub password_file: Option<PathBuf>,
    /// A Docker `config.json`, or the directory that holds one. Without it the usual place is searched:
    /// `$DOCKER_CONFIG`, then `~/.docker`.
    #[serde(serialize_with = "path::serialize")]
    pub docker_config: Option<PathBuf>,
    /// Whether credentials are looked up in the Docker configuration when none are set here.
    pub use_docker_config: bool,
    /// How long a connection may take, with its TLS handshake.
    pub connect_timeout: Timeout,
    /// How long the registry may take to send the headers of its answer.
    pub header_timeout: Timeout,
    /// How long a body may stand still before it is given up.
    pub idle_body_timeout: Timeout,
    /// How many manifest and config requests may be under way at once.
    pub max_in_flight: Limit,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            url: None,
            ca_file: None,
            client_certificate: None,
            client_key: None,
            credentials: CredentialSource::Proxy,
            grant_ttl: GrantTtl::secs(60),
            stale_grant: StaleGrant::secs(60 * 60),
            username: None,
            password: None,
            password_file: None,
            docker_config: None,
            use_docker_config: true,
            connect_timeout: Timeout::secs(5),
            header_timeout: Timeout::secs(30),
            idle_body_timeout: Timeout::secs(60),
            max_in_flight: Limit::new(256),
        }
    }
}
