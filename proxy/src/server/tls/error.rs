//! What can be wrong with the files of TLS.

use std::io;
use std::path::PathBuf;

use rustls::server::VerifierBuilderError;
use rustls_pki_types::pem;

/// Why a listener's certificate, key or authority cannot be used. Each names its file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is not there, or may not be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No such file is that large.
    #[error("{}: larger than {limit} bytes", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// A section begins and does not end, or holds something else than base64.
    #[error("{}: is not well-formed PEM: {source}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// No certificate is in it.
    #[error("{}: holds no certificate in PEM", file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// No private key is in it.
    #[error("{}: holds no private key in PEM; an encrypted one cannot be used", file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// The certificate or the key in it is of no use.
    #[error("{}: cannot be used: {source}", file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Certificate and key are of different pairs.
    #[error("{}: is not the key of the certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The certificate's time is over; this keeps it only from taking the place of another one.
    #[error("{}: the certificate has expired", file.display())]
    Expired {
        /// The file.
        file: PathBuf,
    },
    /// The certificates in it cannot stand for authorities.
    #[error("{}: cannot verify clients: {source}", file.display())]
    ClientCa {
        /// The file.
        file: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
    /// Clients are to be verified, and nothing says by what.
    #[error("certificates of clients are asked for, and no authority is named that they are verified by")]
    NoClientCa,
    /// The cryptography of this machine fails.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}
