//! Where an upstream may send us: token realms and redirects (threats T4, T5, T6).
//!
//! The upstream itself was chosen by the operator and may be anywhere. A host that it names is reached
//! only when it is no deeper inside than the upstream's own: the internet must not steer requests into a
//! private network, nor a private network onto this machine. How deep that is, the upstream's address tells
//! where its name does not: many a name that looks public is that of a private network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

use http::Uri;
use onetag_config::UpstreamUrl;

/// Why a host that the upstream named is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not an absolute `http` or `https` URL.
    #[error("it is no http or https URL")]
    Malformed,
    /// `user@host` hides where a URL leads.
    #[error("it holds an account before the host")]
    Userinfo,
    /// From TLS to none.
    #[error("it leads from https to http")]
    Unencrypted,
    /// A host that is deeper inside than the upstream itself.
    #[error("its host is loopback, private or a single label, and the upstream's is not")]
    Inside,
    /// Addresses that no registry has: link-local, metadata services, multicast.
    #[error("its host is link-local, a metadata service, or no plain address")]
    Special,
    /// A realm elsewhere than the first one (threat T5).
    #[error("its host is not that of the realm that this upstream named first; restart to accept it")]
    Moved,
    /// More hops than are followed.
    #[error("there are more than {0} in a row")]
    TooMany(usize),
}

/// What credentials are bound to: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    https: bool,
    host: Box<str>,
    port: u16,
}

/// How far inside a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Public,
    Private,
    Loopback,
    Special,
}

/// The hosts that one upstream may send us to.
pub(super) struct Destinations {
    upstream: Origin,
    /// By the name of the upstream's host.
    reach: Reach,
    /// By its addresses, as they were found first: a name that leads inside later does not take others there.
    found: OnceLock<Reach>,
}

impl Destinations {
    pub(super) fn new(url: &UpstreamUrl) -> Self {
        let https = url.scheme() == onetag_config::value::Scheme::Https;
        let upstream = Origin { https, host: url.host().into(), port: url.port() };
        Self { reach: reach(&upstream.host), found: OnceLock::new(), upstream }
    }

    /// Whether `uri` is at the upstream itself: the same scheme, host and port.
    pub(super) fn is_upstream(&self, uri: &Uri) -> bool {
        Origin::of(uri).is_ok_and(|origin| origin == self.upstream)
    }

    /// The origin of a URL that the upstream named, if it may be connected to.
    pub(super) fn admit(&self, uri: &Uri) -> Result<Origin, Refused> {
        let origin = Origin::of(uri)?;
        if self.upstream.https && !origin.https {
            return Err(Refused::Unencrypted);
        }
        if origin.host == self.upstream.host {
            return Ok(origin);
        }
        self.judge(reach(&origin.host)).map(|()| origin)
    }

    /// Of the addresses of a host, those that may be connected to; an error when that is none of them. The
    /// upstream itself may be anywhere.
    pub(super) fn admit_addresses(
        &self,
        host: &str,
        mut addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        if host.eq_ignore_ascii_case(&self.upstream.host) {
            let least = addresses.iter().map(|address| reach_of(address.ip())).min();
            if let Some(least) = least {
                self.found.get_or_init(|| least);
            }
            return Ok(addresses);
        }
        let mut refusal = None;
        addresses.retain(|address| match self.judge(reach_of(address.ip())) {
            Ok(()) => true,
            Err(refused) => {
                refusal = Some(refused);
                false
            }
        });
        match refusal {
            Some(refused) if addresses.is_empty() => Err(refused),
            _ => Ok(addresses),
        }
    }

    fn judge(&self, reach: Reach) -> Result<(), Refused> {
        let own = self.found.get().map_or(self.reach, |&found| found.max(self.reach));
        match reach {
            Reach::Special => Err(Refused::Special),
            reach if reach > own => Err(Refused::Inside),
            _ => Ok(()),
        }
    }
}

impl Origin {
    pub(super) fn of(uri: &Uri) -> Result<Self, Refused> {
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Refused::Malformed),
        };
        let authority = uri.authority().ok_or(Refused::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(Refused::Userinfo);
        }
        if authority.host().is_empty() {
            return Err(Refused::Malformed);
        }
        let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
        Ok(Self { https, host: authority.host().to_ascii_lowercase().into(), port })
    }

    pub(super) fn is_https(&self) -> bool {
        self.https
    }
}

fn reach(host: &str) -> Reach {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if let Ok(address) = bare.parse() {
        return reach_of(address);
    }
    let last_label = bare.rsplit('.').next().unwrap_or_default();
    // `127.1`, `0x7f000001`: what resolvers take for an address and parsers do not.
    let odd_address = last_label.starts_with("0x") || last_label.bytes().all(|byte| byte.is_ascii_digit());
    match bare {
        "metadata.google.internal" => Reach::Special,
        _ if odd_address => Reach::Special,
        _ if last_label == "localhost" => Reach::Loopback,
        _ if last_label.len() == bare.len() => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_of_v4(v4),
        IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| reach_of_v6(v6), reach_of_v4),
    }
}

fn reach_of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        _ if address.is_loopback() => Reach::Loopback,
        // 100.100.100.200 is the metadata service of one cloud, inside the range for carriers.
        [100, 100, 100, 200] | [0 | 224.., ..] | [169, 254, ..] => Reach::Special,
        [100, 64..=127, ..] => Reach::Private,
        _ if address.is_private() => Reach::Private,
        _ => Reach::Public,
    }
}

fn reach_of_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        _ if address.is_loopback() => Reach::Loopback,
        _ if address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local() => {
            Reach::Special
        }
        // The metadata service of one cloud.
        [0xfd00, 0x0ec2, ..] => Reach::Special,
        _ if address.is_unique_local() => Reach::Private,
        _ => Reach::Public,
    }
}

/// The IPv4 address in a mapped, compatible or NAT64 address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}
