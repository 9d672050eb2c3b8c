//! What keeps an upstream from being set up.

use std::io;
use std::path::PathBuf;

use super::cause::Cause;

/// A setting with which no upstream can be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no upstream without an address.
    #[error("upstream.url is not set")]
    NoUrl,
    /// No request can have its path.
    #[error("upstream.url cannot be asked: {0}")]
    Url(#[from] http::Error),
    /// A file that a setting names cannot be read.
    #[error("{setting}: cannot read {}: {error}", .path.display())]
    File {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds no certificate or key that can be used.
    #[error("{setting}: nothing usable in {}: {reason}", .path.display())]
    Unusable {
        /// The setting's name.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        reason: Cause,
    },
    /// An `https` upstream could never be verified.
    #[error("upstream.ca_file is not set and the system has no certificate authorities{0}")]
    NoRoots(String),
    /// A password is of no use without its account, and the other way round.
    #[error("upstream.username and upstream.password (or upstream.password_file) belong together")]
    HalfCredentials,
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}
