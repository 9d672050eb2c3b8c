//! Redirects of a download, for instance to object storage (wire rule 9, threats T4 and T6).

use http::header::LOCATION;
use http::{Response, StatusCode, Uri};

use super::destination::{Destinations, Origin, Refused};

/// The most redirects in a row that are followed.
pub(super) const MAX_HOPS: usize = 5;

/// Where an answer to a GET or HEAD of `from` redirects to; `None` when it is no redirect.
pub(super) fn target<B>(
    response: &Response<B>,
    from: &Uri,
    destinations: &Destinations,
) -> Result<Option<Uri>, Refused> {
    if is_redirect(response.status()) { location(response, from, destinations).map(Some) } else { Ok(None) }
}

/// The Location of an answer to a request to `from`, if it may be connected to.
pub(super) fn location<B>(
    response: &Response<B>,
    from: &Uri,
    destinations: &Destinations,
) -> Result<Uri, Refused> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = resolve(from, location.ok_or(Refused::Malformed)?).ok_or(Refused::Malformed)?;
    let origin = destinations.admit(&target)?;
    if Origin::of(from)?.is_https() && !origin.is_https() {
        return Err(Refused::Unencrypted);
    }
    Ok(target)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// A Location, which may be relative to the URL that answered (RFC 3986, section 5.2, without dot
/// segments: the server that receives a path resolves its own).
fn resolve(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?.trim();
    let scheme = from.scheme_str()?;
    let authority = from.authority()?;
    let absolute = if has_scheme(location) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", from.path())
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    absolute.parse().ok()
}

fn has_scheme(location: &str) -> bool {
    location.find(':').is_some_and(|colon| !location[..colon].contains(['/', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_relative() {
        let from: Uri = "https://a.example/v2/app/blobs/x?y=1".parse().unwrap();
        for (location, target) in [
            ("https://b.example/z?sig=1", "https://b.example/z?sig=1"),
            ("HTTPS://b.example/z", "https://b.example/z"),
            ("//b.example:81/z", "https://b.example:81/z"),
            ("/z", "https://a.example/z"),
            ("z?u=http://c", "https://a.example/v2/app/blobs/z?u=http://c"),
            ("?z", "https://a.example/v2/app/blobs/x?z"),
            ("/z#fragment", "https://a.example/z"),
        ] {
            assert_eq!(resolve(&from, location).unwrap(), target, "{location}");
        }
        assert_eq!(resolve(&from, "https://"), None);
    }
}
