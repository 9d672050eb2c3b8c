use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::uri::Authority;
use thiserror::Error;

use super::text::{Text, text_setting};

/// Names of Docker Hub that people know, and that are not its registry.
const DOCKER_HUB: [&str; 2] = ["docker.io", "hub.docker.com"];

/// Where the registry of Docker Hub is.
const DOCKER_HUB_REGISTRY: &str = "registry-1.docker.io";

/// The scheme of an [`UpstreamUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// Where a registry is: a scheme, a host, and perhaps a port and a path that stands before `/v2/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamUrl {
    scheme: Scheme,
    authority: Authority,
    path_prefix: Box<str>,
}

/// Why a text is not an [`UpstreamUrl`]. No variant repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
    /// A name alone does not say whether TLS is wanted.
    #[error("has no scheme; write https://registry.example.com")]
    NoScheme,
    /// Another scheme than http and https.
    #[error("has a scheme that is not http or https; write https://registry.example.com")]
    OtherScheme,
    /// Nothing to connect to.
    #[error("has no host; write https://registry.example.com")]
    NoHost,
    /// No name server could know it.
    #[error("has a host that cannot exist; write https://registry.example.com")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("has a port that is not from 1 to 65535; write https://registry.example.com:5000")]
    Port,
    /// A user name, and perhaps a password.
    #[error(
        "holds credentials; use --upstream-username and --upstream-password-file (upstream.username and upstream.password_file)"
    )]
    Userinfo,
    /// A query or a fragment.
    #[error("has a query or a fragment (? or #); leave it out")]
    QueryOrFragment,
    /// The prefix is joined to paths, so it is plain: no escapes, no empty or dot segments.
    #[error("has a path of other than letters, digits and -._~; write it as in https://example.com/registry")]
    Path,
    /// The path of the API is added to each request.
    #[error("ends in /v2, which is added to each request; leave it out")]
    ApiPath,
    /// A web page or a name of Docker Hub.
    #[error("is a name of Docker Hub that is not its registry; write https://registry-1.docker.io")]
    DockerHub,
    /// Anything else.
    #[error("is not a URL; write https://registry.example.com")]
    Malformed,
}

impl UpstreamUrl {
    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port, which is 80 or 443 where none was written.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// The host, and the port where one was written: the value of a `Host` header.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// What people and clients call the registry: `docker.io` for Docker Hub's, else host and port.
    pub fn registry_name(&self) -> &str {
        if self.authority() == DOCKER_HUB_REGISTRY { DOCKER_HUB[0] } else { self.authority() }
    }

    /// The path before `/v2/`: empty, or with a slash at its start and none at its end.
    pub fn path_prefix(&self) -> &str {
        &self.path_prefix
    }

    /// Whether the host is this machine by its very name: `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let name = || host == "localhost" || host.ends_with(".localhost");
        host.parse::<IpAddr>().map_or_else(|_| name(), |address| address.is_loopback())
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path_prefix)
    }
}

impl Text for UpstreamUrl {
    const NOUN: &'static str = "URL";
    const QUOTED: bool = false;
}

impl FromStr for UpstreamUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        let scheme = read_scheme(scheme)?;
        if rest.contains(['?', '#']) {
            return Err(UrlError::QueryOrFragment);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok(Self { scheme, authority: read_authority(authority)?, path_prefix: read_prefix(path)? })
    }
}

fn read_scheme(text: &str) -> Result<Scheme, UrlError> {
    match text {
        _ if text.eq_ignore_ascii_case("https") => Ok(Scheme::Https),
        _ if text.eq_ignore_ascii_case("http") => Ok(Scheme::Http),
        _ => Err(UrlError::OtherScheme),
    }
}

/// An IP address, or labels of letters, digits, `-` and `_` that neither begin nor end with `-`.
pub(super) fn can_be_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(known) && !label.starts_with('-') && !label.ends_with('-')
    };
    bare.parse::<IpAddr>().is_ok() || host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn read_authority(text: &str) -> Result<Authority, UrlError> {
    if text.contains('@') {
        return Err(UrlError::Userinfo);
    }
    if text.is_empty() {
        return Err(UrlError::NoHost);
    }
    let authority: Authority = text.to_ascii_lowercase().parse().map_err(|_| UrlError::Malformed)?;
    let host = authority.host();
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if !can_be_host(host) {
        return Err(UrlError::Host);
    }
    if DOCKER_HUB.contains(&host) {
        return Err(UrlError::DockerHub);
    }
    // `Authority` takes ":" and ":99999" and has no port then.
    if text.len() > host.len() && matches!(authority.port_u16(), None | Some(0)) {
        return Err(UrlError::Port);
    }
    Ok(authority)
}

fn read_prefix(path: &str) -> Result<Box<str>, UrlError> {
    let prefix = path.trim_end_matches('/');
    if prefix.split('/').skip(1).any(|segment| !is_plain(segment)) {
        return Err(UrlError::Path);
    }
    if prefix.ends_with("/v2") {
        return Err(UrlError::ApiPath);
    }
    Ok(prefix.into())
}

fn is_plain(segment: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(legal)
}

text_setting!(UpstreamUrl);
