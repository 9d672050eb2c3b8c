use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::uri::Authority;
use ipnet::IpNet;
use thiserror::Error;

use super::text::{Text, text_setting};

/// A host, and perhaps a port, as it stands in a `Host` header; in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

/// Why a text is not a [`HostName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a host; write \"registry.example.com\" or \"registry.example.com:5000\"")]
pub struct HostError;

impl HostName {
    /// As it stands in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for HostName {
    const NOUN: &'static str = "host";
}

impl FromStr for HostName {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let authority: Authority = text.to_ascii_lowercase().parse().map_err(|_| HostError)?;
        let host = authority.host();
        let has_port = matches!(authority.port_u16(), Some(1..)) || text.len() == host.len();
        let fits = super::url::can_be_host(host) && has_port && !text.contains('@');
        if fits { Ok(Self(authority.as_str().into())) } else { Err(HostError) }
    }
}

text_setting!(HostName);

/// An address, or all addresses of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

/// Why a text is not a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not an address or a network; write \"10.0.0.1\" or \"10.0.0.0/8\"")]
pub struct NetworkError;

impl Network {
    /// Whether an address is one of it; an IPv4 address in an IPv6 one counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Text for Network {
    const NOUN: &'static str = "network";
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse::<IpNet>()).map(|net| Self(net.trunc())).map_err(|_| NetworkError)
    }
}

text_setting!(Network);
