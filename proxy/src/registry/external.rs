//! The address by which clients reach onetag, for the Locations and Links that it tells them.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use onetag_config::Network;

use super::host::Host;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What is known of what stands in front of onetag.
#[derive(Debug, Default)]
pub struct External {
    /// The address that clients use, without a slash at its end.
    pub url: Option<String>,
    /// Whose word on that is believed.
    pub trusted: Vec<Network>,
}

impl External {
    /// What stands before a path of the API: nothing where a path alone leads back to onetag, which it does unless
    /// another proxy is in front.
    pub(super) fn base(&self, request: &Parts, peer: IpAddr) -> String {
        if let Some(url) = &self.url {
            return url.clone();
        }
        if self.trusted.iter().any(|network| network.contains(peer)) {
            return forwarded(&request.headers).unwrap_or_default();
        }
        String::new()
    }
}

/// The address that a trusted proxy was called by. Of several values the last one counts: the proxy itself wrote it,
/// and those before it may be the client's invention.
fn forwarded(headers: &HeaderMap) -> Option<String> {
    let element = last(headers, &FORWARDED);
    let (host, proto) = match &element {
        Some(element) => (parameter(element, "host"), parameter(element, "proto")),
        None => (last(headers, &X_HOST), last(headers, &X_PROTO)),
    };
    let host = host?;
    let host = Host::read(&host)?.authority;
    let proto = proto.filter(|proto| matches!(proto.as_str(), "http" | "https")).unwrap_or("http".into());
    let prefix = last(headers, &X_PREFIX).filter(|prefix| is_prefix(prefix)).unwrap_or_default();
    Some(format!("{proto}://{host}{}", prefix.trim_end_matches('/')))
}

fn last(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let line: &HeaderValue = headers.get_all(name).iter().next_back()?;
    Some(line.to_str().ok()?.rsplit(',').next()?.trim().to_owned())
}

/// A parameter of an element of `Forwarded` (RFC 7239, section 4).
fn parameter(element: &str, name: &str) -> Option<String> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase())
}

fn is_prefix(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.starts_with('/') && !text.starts_with("//") && !text.contains("..") && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn base(external: &External, peer: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::builder().uri("/v2/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        external.base(&parts, peer.parse().unwrap())
    }

    #[test]
    fn only_a_trusted_proxy_says_how_clients_call_it() {
        let external = External { url: None, trusted: vec!["10.0.0.0/8".parse().unwrap()] };
        let x = [("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example, r.example:8443")];
        assert_eq!(base(&external, "10.1.2.3", &x), "https://r.example:8443");
        assert_eq!(base(&external, "192.0.2.1", &x), "");
        let prefixed = [x[0], ("x-forwarded-host", "r.example"), ("x-forwarded-prefix", "/registry/")];
        assert_eq!(base(&external, "10.1.2.3", &prefixed), "https://r.example/registry");
        let standard = [("forwarded", r#"for=1.2.3.4;host=a, for=x;Host="r.example";proto=https"#), x[1]];
        assert_eq!(base(&external, "10.1.2.3", &standard), "https://r.example");
        for bad in ["u@r.example", "r.example/x", "", "a b", ":80", "r.example:x"] {
            assert_eq!(base(&external, "10.1.2.3", &[("x-forwarded-host", bad)]), "", "{bad}");
        }
        for bad in ["javascript:", "//evil", "/a/../b", "x"] {
            let headers = [("x-forwarded-host", "r"), ("x-forwarded-prefix", bad)];
            assert_eq!(base(&external, "10.1.2.3", &headers), "http://r", "{bad}");
        }
        let set = External { url: Some("https://set.example/r".into()), trusted: Vec::new() };
        assert_eq!(base(&set, "192.0.2.1", &x), "https://set.example/r");
    }
}
