//! Small documents that are only passed on.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderValue, Response, StatusCode};
use onetag_oci::Repository;

use super::call::Call;
use super::endpoint::Endpoint;
use super::error::RegistryError;
use super::query;
use super::routes::Names;

/// The most bytes of such a document.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// Asks the upstream for `/v2/<home>/<path>` with the client's own query, and passes the answer on as what
/// it must be, whatever the upstream calls it. The repository that was asked for may differ from its home.
pub(super) async fn pass(
    call: &Call<'_>,
    names: &Names,
    home: &Repository,
    (path, media_type): (&str, &'static str),
    endpoint: &Endpoint,
) -> Result<Response<Bytes>, RegistryError> {
    let query = query::without(call.request.uri.query().unwrap_or_default(), &["ns"]);
    let query = if query.is_empty() { query } else { format!("?{query}") };
    let asked = format!("/v2/{home}/{path}{query}");
    let (mut parts, bytes) = call.resolver.upstream().small(home, &asked, MAX_BYTES).await?.into_parts();
    if parts.status == StatusCode::NOT_FOUND {
        return Err(endpoint.absent());
    }
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Some(link) = parts.headers.remove(LINK) {
        let link = local_link(&link, &format!("/v2/{home}/"), |rest| call.address(names, rest));
        parts.headers.extend(link.map(|link| (LINK, link)));
    }
    Ok(Response::from_parts(parts, bytes))
}

/// A Link that stays with onetag: what stands before `there`, be it the upstream's host or a path prefix, is not the
/// client's to know; what stands behind it becomes an address here.
pub(super) fn local_link(
    link: &HeaderValue,
    there: &str,
    address: impl FnOnce(&str) -> String,
) -> Option<HeaderValue> {
    let (target, parameters) = link.to_str().ok()?.strip_prefix('<')?.split_once('>')?;
    let (_, rest) = target.split_once(there)?;
    if rest.contains('<') || parameters.contains(['<', '>']) {
        return None;
    }
    HeaderValue::from_str(&format!("<{}>{parameters}", address(rest))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_never_leads_around_onetag() {
        let here = |rest: &str| format!("/v2/r/team/app/{rest}");
        let local = |link| local_link(&HeaderValue::from_static(link), "/v2/team/app/", here);
        let expected = r#"</v2/r/team/app/tags/list?last=b>; rel="next""#;
        for link in [
            r#"</v2/team/app/tags/list?last=b>; rel="next""#,
            r#"<https://registry.example/v2/team/app/tags/list?last=b>; rel="next""#,
            r#"</prefix/v2/team/app/tags/list?last=b>; rel="next""#,
        ] {
            assert_eq!(local(link).unwrap(), expected);
        }
        assert_eq!(local(r#"</v2/other/tags/list>; rel="next""#), None);
        assert_eq!(local("nonsense"), None);
        assert_eq!(local(r#"</v2/team/app/tags/list>; rel="next", <https://r.example/>; rel="prev""#), None);
    }
}
