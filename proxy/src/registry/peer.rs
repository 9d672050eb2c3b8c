//! Who is at the other end of a connection.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;

/// The peer of a connection, the same for all of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it comes from; an IPv4 address is one, also where it arrived within IPv6.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// The certificate that it showed: its own, of the chain that was verified.
    pub certificate: Option<CertificateDer<'static>>,
}
