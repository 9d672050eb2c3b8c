//! What clients send, and what upstreams send for them to see: targets of `crate::fuzzing`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use http::header::{HeaderName, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri};
use onetag_oci::Repository;

use super::endpoint::{Endpoint, Session};
use super::external::External;
use super::fields::Fields;
use super::notification::Notification;
use super::sealed::{Seal, is_wrapped};
use super::{host, passed, query, range};
use crate::resolve::{ByteRange, Change};

/// A path: what is accepted is written back as it came, and nobody can read it in two ways.
pub(crate) fn endpoint(data: &[u8]) -> bool {
    let Ok(path) = str::from_utf8(data) else { return false };
    let Ok(endpoint) = Endpoint::parse(path) else { return false };
    let written = path_of(&endpoint);
    let plain = path.replacen("%3A", ":", 1).replacen("%3a", ":", 1);
    assert_eq!(written.trim_end_matches('/'), plain.trim_end_matches('/'), "another path");
    assert_eq!(Endpoint::parse(&written).ok(), Some(endpoint), "another endpoint");
    assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "what is no plain text");
    assert!(!written.contains(['%', '\\', '?', '#']) && !written.contains("//"), "two readings");
    assert!(written.split('/').all(|segment| !matches!(segment, "." | "..")), "a way up");
    true
}

fn path_of(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Ping => "/v2/".into(),
        Endpoint::Catalog => "/v2/_catalog".into(),
        Endpoint::Manifest(repository, reference) => format!("/v2/{repository}/manifests/{reference}"),
        Endpoint::Blob(repository, digest) => format!("/v2/{repository}/blobs/{digest}"),
        Endpoint::Uploads(repository) => format!("/v2/{repository}/blobs/uploads/"),
        Endpoint::Upload(repository, session) => {
            format!("/v2/{repository}/blobs/uploads/{}", session.as_str())
        }
        Endpoint::Tags(repository) => format!("/v2/{repository}/tags/list"),
        Endpoint::Referrers(repository, digest) => format!("/v2/{repository}/referrers/{digest}"),
    }
}

/// The value of `Range`: whatever the size of a blob is, the bytes are within it and were asked for.
pub(crate) fn range(data: &[u8]) -> bool {
    let Some(range) = read_range(data) else { return false };
    let (text, edges) = match range {
        ByteRange::From(first) => (format!("bytes={first}-"), [first, first]),
        ByteRange::Between(first, last) => (format!("bytes={first}-{last}"), [first, last]),
        ByteRange::Last(count) => (format!("bytes=-{count}"), [count, count]),
    };
    assert_eq!(read_range(text.as_bytes()), Some(range), "another range after writing");
    let around = edges.iter().flat_map(|at| [at.saturating_sub(1), *at, at.saturating_add(1)]);
    for size in around.chain([0, 1, u64::MAX]) {
        let Some((first, end)) = range.within(size) else { continue };
        assert!(first < end && end <= size, "not within {size}");
        assert!(match range {
            ByteRange::From(from) => (first, end) == (from, size),
            ByteRange::Between(from, last) => first == from && end - 1 <= last,
            ByteRange::Last(count) => end == size && end - first <= count,
        });
    }
    true
}

fn read_range(value: &[u8]) -> Option<ByteRange> {
    let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_bytes(value).ok()?)]);
    range::read(&headers, &HeaderValue::from_static("\"etag\""))
}

/// A request: the host that it is for is a host and perhaps a port.
pub(crate) fn host(data: &[u8]) -> bool {
    let Some(request) = request(data) else { return false };
    let Ok(Some(host::Host { authority: text, host })) =
        host::host(&request, &Fields::of(&request.headers).host)
    else {
        return false;
    };
    assert!(!host.is_empty() && !text.contains(['@', '/', '?', '#', '\\', '%', ',']), "no plain host");
    let port = text.strip_prefix(host).expect("the host first");
    let digits = port.strip_prefix(':').unwrap_or("0");
    assert!(
        port.is_empty() || digits.bytes().all(|byte| byte.is_ascii_digit()),
        "a port of other than digits"
    );
    assert!(digits.parse::<u16>().is_ok(), "no port");
    true
}

/// A request that came through a proxy: of one that is trusted, an address that can stand before a path; of others,
/// nothing.
pub(crate) fn forwarded(data: &[u8]) -> bool {
    const TRUSTED: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let Some(request) = request(data) else { return false };
    let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
    let external = External { url: None, trusted };
    assert_eq!(external.base(&request, OTHER), "", "anybody is believed");
    let base = external.base(&request, TRUSTED);
    if base.is_empty() {
        return false;
    }
    let address = format!("{base}/v2/app");
    assert!(HeaderValue::from_str(&address).is_ok(), "it cannot stand in a header");
    let uri: Uri = address.parse().expect("a URL");
    assert!(matches!(uri.scheme_str(), Some("http" | "https")), "another scheme");
    let authority = uri.authority().expect("a host");
    assert!(!authority.host().is_empty() && !authority.as_str().contains('@'), "no plain host");
    assert!(uri.path().ends_with("/v2/app") && uri.query().is_none(), "another path");
    assert!(uri.path().split('/').all(|segment| segment != ".."), "a way up");
    true
}

/// The target of a request on the first line, then a header on each.
fn request(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut request = Request::builder().uri(lines.next()?);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let value = line[colon + 1..].trim_ascii();
        request = request.header(HeaderName::from_bytes(&line[..colon]).ok()?, value);
    }
    request.body(()).ok().map(|request| request.into_parts().0)
}

/// A name on the first line, then a query: without the parameters of that name it has none of them, and all others
/// as they were.
pub(crate) fn query(data: &[u8]) -> bool {
    let Some((name, text)) = str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else {
        return false;
    };
    let rest = query::without(text, &[name]);
    assert_eq!(query::parameter(&rest, name), None, "it is still there");
    assert_eq!(query::without(&rest, &[name]), rest, "less the second time");
    let mut pairs = text.split('&');
    let kept = rest.split('&').filter(|pair| !pair.is_empty());
    assert!({ kept }.all(|pair| pairs.any(|other| other == pair)), "what did not stand there");
    if name != "digest" {
        let digests = |text| query::parameters(text, "digest").map(String::from).collect::<Vec<_>>();
        assert_eq!(digests(&rest), digests(text), "less than was asked for");
    }
    query::parameter(text, name).is_some()
}

/// A site, a repository, a Location, and a name that a client made up, a line each: only what was wrapped is
/// unwrapped, for the same site and repository.
pub(crate) fn upload_name(data: &[u8]) -> bool {
    static SEAL: LazyLock<Seal> = LazyLock::new(|| Seal::new().expect("random bytes"));
    let Ok(text) = str::from_utf8(data) else { return false };
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (site, repository, location, invented) = (line(), line(), line(), line());
    let Some(session) = Session::new(invented) else { return false };
    assert!(!session.as_str().contains(['/', '%', '?', '#', '\\', '\0']), "more than one segment");
    let Ok(repository) = repository.parse::<Repository>() else { return false };
    assert_eq!(SEAL.unwrap(site, &repository, invented), None, "an invented name is believed");
    let Ok(location) = location.parse::<Uri>() else { return false };
    let name = SEAL.wrap(site, &repository, &location);
    assert!(is_wrapped(&name), "not known as ours");
    assert_eq!(SEAL.unwrap(site, &repository, &name), Some(location), "another Location");
    assert_eq!(SEAL.unwrap(&format!("{site}x"), &repository, &name), None, "at another site");
    assert_eq!(SEAL.unwrap(site, &"other/x".parse().expect("a name"), &name), None, "in another repository");
    assert_eq!(SEAL.unwrap(site, &repository, &format!("{name}{invented}")), None, "with something behind");
    true
}

/// The value of `Link`: where a client is sent, it is here.
pub(crate) fn link(data: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(data) else { return false };
    let link = passed::local_link(&value, "/v2/app/", |rest| format!("https://r.example/v2/hub/app/{rest}"));
    let Some(link) = link else { return false };
    let text = link.to_str().expect("plain text");
    assert!(text.starts_with("<https://r.example/v2/hub/app/"), "a Link to elsewhere");
    assert_eq!(text.matches('<').count(), 1, "a second Link");
    true
}

/// The body of a notification of a registry.
pub(crate) fn notification(data: &[u8]) -> bool {
    let Ok(read) = Notification::parse(data) else { return false };
    assert_eq!(Notification::parse(data).ok().as_ref(), Some(&read), "another notification");
    assert_eq!(read.example.is_some(), read.skipped > 0, "an example of nothing");
    assert!(read.example.is_none_or(|example| example.chars().count() <= 100), "a long example");
    for change in &read.changes {
        let whole = Change::Repository(change.repository().clone());
        assert!(!matches!(change, Change::Tag(..)) || !read.changes.contains(&whole), "said twice");
    }
    !read.changes.is_empty()
}
