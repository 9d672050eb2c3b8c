//! Small documents that are only passed on.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderValue, Response, StatusCode, Uri};

use onetag_oci::Repository;

use crate::upstream::Upstream;

use super::error::{Code, RegistryError};

/// The most bytes of such a document.
const MAX_BYTES: usize = 4 << 20;

/// Asks the upstream for `/v2/<home>/<path>` with the client's own query, and passes the answer on as what
/// it must be, whatever the upstream calls it. The repository that was asked for may differ from its home.
pub(super) async fn pass(
    upstream: &Upstream,
    uri: &Uri,
    (repository, home): (&Repository, &Repository),
    path: &str,
    media_type: &'static str,
) -> Result<Response<Bytes>, RegistryError> {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let path = format!("/v2/{home}/{path}{query}");
    let (mut parts, bytes) = upstream.small(home, &path, MAX_BYTES).await?.into_parts();
    if parts.status == StatusCode::NOT_FOUND {
        return Err(RegistryError::new(Code::NameUnknown, "the upstream has nothing of this kind here"));
    }
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Some(link) = parts.headers.get(LINK) {
        let link = local_link(link, repository, home);
        parts.headers.remove(LINK);
        if let Some(link) = link {
            parts.headers.insert(LINK, link);
        }
    }
    Ok(Response::from_parts(parts, bytes))
}

/// A Link that stays with onetag: what stands before `/v2/<repository>/`, be it the upstream's host or a
/// path prefix, is not the client's to know.
fn local_link(link: &HeaderValue, repository: &Repository, home: &Repository) -> Option<HeaderValue> {
    let (target, parameters) = link.to_str().ok()?.strip_prefix('<')?.split_once('>')?;
    let (_, rest) = target.split_once(&format!("/v2/{home}/"))?;
    HeaderValue::from_str(&format!("</v2/{repository}/{rest}>{parameters}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_never_leads_around_onetag() {
        let repository = "team/app".parse().unwrap();
        let local = |link| local_link(&HeaderValue::from_static(link), &repository, &repository);
        let expected = r#"</v2/team/app/tags/list?last=b>; rel="next""#;
        for link in [
            expected,
            r#"<https://registry.example/v2/team/app/tags/list?last=b>; rel="next""#,
            r#"</prefix/v2/team/app/tags/list?last=b>; rel="next""#,
        ] {
            assert_eq!(local(link).unwrap(), expected);
        }
        assert_eq!(local(r#"</v2/other/tags/list>; rel="next""#), None);
        assert_eq!(local("nonsense"), None);
    }
}
