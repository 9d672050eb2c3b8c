//! By which name a client calls onetag (threat T14).

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Version};

use super::error::{Code, RegistryError};

/// The authority that a request is for: that of its target, else its `Host` (RFC 9112, section 3.3). HTTP/1.0 may
/// have none.
pub(super) fn authority(request: &Parts) -> Result<Option<Authority>, RegistryError> {
    let wrong =
        || RegistryError::new(Code::BadRequest, "the request has no Host, several, or one that is none");
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(parse(host).ok_or_else(wrong)?),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(wrong()),
    };
    if let Some(authority) = request.uri.authority() {
        return if is_plain(authority) { Ok(Some(authority.clone())) } else { Err(wrong()) };
    }
    if host.is_none() && request.version == Version::HTTP_11 { Err(wrong()) } else { Ok(host) }
}

fn parse(host: &HeaderValue) -> Option<Authority> {
    let authority: Authority = host.to_str().ok()?.parse().ok()?;
    is_plain(&authority).then_some(authority)
}

/// Whether it is a host and perhaps a port, and nothing else.
pub(super) fn is_plain(authority: &Authority) -> bool {
    let (text, host) = (authority.as_str(), authority.host());
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    !host.is_empty() && host.bytes().all(known) && (text.len() == host.len() || is_port(&text[host.len()..]))
}

/// Whether it is a colon and a port; the parser of numbers would take a sign as well.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').unwrap_or_default();
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(uri: &str, hosts: &[&str]) -> Result<Option<String>, Code> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let read = authority(&parts).map_err(|error| error.code());
        read.map(|authority| authority.map(|authority| authority.to_string()))
    }

    #[test]
    fn t14_a_request_is_for_one_host_or_refused() {
        assert_eq!(read("/v2/", &["a.example:5000"]), Ok(Some("a.example:5000".into())));
        assert_eq!(read("/v2/", &["[::1]:5000"]), Ok(Some("[::1]:5000".into())));
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
            &["a b"],
            &["a,b"],
        ] {
            assert_eq!(read("/v2/", hosts), Err(Code::BadRequest), "{hosts:?}");
        }
        assert_eq!(read("http://u@b/v2/", &["a"]), Err(Code::BadRequest));
    }
}
