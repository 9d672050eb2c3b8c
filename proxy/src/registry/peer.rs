//! Who is at the other end of a connection.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::Identity;

/// The peer of a connection, the same for all of its requests.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it comes from; an IPv4 address is one, also where it arrived within IPv6.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// Who it is by the certificate that it showed, which was verified.
    pub identity: Option<Arc<Identity>>,
}
