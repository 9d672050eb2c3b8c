//! By which name a client calls onetag (threat T14).

use std::net::Ipv6Addr;

use http::request::Parts;
use http::{HeaderValue, Version};

use super::error::{Code, RegistryError};
use super::fields::Lines;

/// A host and perhaps a port, and nothing else (RFC 3986, section 3.2, without user and escapes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Host<'a> {
    /// With the port, if there is one.
    pub(super) authority: &'a str,
    /// Without it; an IPv6 address in its brackets.
    pub(super) host: &'a str,
}

impl<'a> Host<'a> {
    /// Reads a text; none where it is anything else.
    pub(super) fn read(authority: &'a str) -> Option<Self> {
        let end = if let Some(rest) = authority.strip_prefix('[') {
            let length = rest.find(']')?;
            rest[..length].parse::<Ipv6Addr>().ok()?;
            length + 2
        } else {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            authority.bytes().position(|byte| !known(byte)).unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(end);
        (!host.is_empty() && (port.is_empty() || is_port(port))).then_some(Self { authority, host })
    }
}

/// The authority that a request is for: that of its target, else its `Host` (RFC 9112, section 3.3). HTTP/1.0 may
/// have none.
pub(super) fn host<'a>(request: &'a Parts, lines: &Lines<'a>) -> Result<Option<Host<'a>>, RegistryError> {
    let wrong =
        || RegistryError::new(Code::BadRequest, "the request has no Host, several, or one that is none");
    let host = match lines {
        Lines::None => None,
        Lines::One(host) => Some(parse(host).ok_or_else(wrong)?),
        Lines::Several(_) => return Err(wrong()),
    };
    if let Some(authority) = request.uri.authority() {
        return Host::read(authority.as_str()).map(Some).ok_or_else(wrong);
    }
    if host.is_none() && request.version == Version::HTTP_11 { Err(wrong()) } else { Ok(host) }
}

fn parse(host: &HeaderValue) -> Option<Host<'_>> {
    Host::read(host.to_str().ok()?)
}

/// Whether it is a colon and a port; the parser of numbers would take a sign as well.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').unwrap_or_default();
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::HOST;

    use super::super::fields::Fields;
    use super::*;

    fn read(uri: &str, hosts: &[&str]) -> Result<Option<String>, Code> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let read = host(&parts, &Fields::of(&parts.headers).host).map_err(|error| error.code());
        read.map(|host| host.map(|host| host.authority.to_owned()))
    }

    #[test]
    fn t14_a_request_is_for_one_host_or_refused() {
        assert_eq!(read("/v2/", &["a.example:5000"]), Ok(Some("a.example:5000".into())));
        assert_eq!(read("/v2/", &["[::1]:5000"]), Ok(Some("[::1]:5000".into())));
        assert_eq!(Host::read("[::1]:5000").map(|host| host.host), Some("[::1]"));
        assert_eq!(Host::read("a.example").map(|host| host.host), Some("a.example"));
        assert_eq!(read("http://b.example/v2/", &["a.example"]), Ok(Some("b.example".into())));
        for hosts in [
            &[][..],
            &["a", "b"],
            &[""],
            &["a/b"],
            &["u@a"],
            &["a:"],
            &["a:99999"],
            &["a:+80"],
            &["[::1]x:80"],
            &["[::1"],
            &["[]"],
            &["[::x]:80"],
            &["a%20:80"],
            &[":80"],
            &["a b"],
            &["a,b"],
        ] {
            assert_eq!(read("/v2/", hosts), Err(Code::BadRequest), "{hosts:?}");
        }
        assert_eq!(read("http://u@b/v2/", &["a"]), Err(Code::BadRequest));
    }
}
