//! The tag list: as the upstream has it, or without the tags that are members of others.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderValue, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::resolve::{Page, TagPage};

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::passed::pass;
use super::query;
use super::relay::header;
use super::routes::Names;

const JSON: &str = "application/json";

#[derive(Deserialize, Serialize)]
struct List {
    name: String,
    tags: Option<Vec<String>>,
}

/// Answers a request for a repository's tags.
pub(super) async fn list(
    call: &Call<'_>,
    names: &Names,
    endpoint: &Endpoint,
) -> Result<Response<Body>, RegistryError> {
    if let Some(page) = call.resolver.visible_tags(&names.inner, page(call)?).await? {
        return Ok(respond(call, names, page));
    }
    let list = pass(call, names, &names.inner, ("tags/list", JSON), endpoint).await?;
    if names.outer == names.inner {
        return Ok(list.map(Body::full));
    }
    let (parts, bytes) = list.into_parts();
    let bytes = match serde_json::from_slice::<List>(&bytes) {
        Ok(list) => json(&List { name: names.outer.to_string(), ..list }),
        Err(_) => bytes,
    };
    Ok(Response::from_parts(parts, Body::full(bytes)))
}

/// The part of the list that is asked for (distribution-spec, section Listing tags).
fn page(call: &Call<'_>) -> Result<Page, RegistryError> {
    let query = call.request.uri.query().unwrap_or_default();
    let wrong = |_| RegistryError::new(Code::PageInvalid, "n has to be a number");
    let n = query::parameter(query, "n").map(|n| n.parse().map_err(wrong)).transpose()?;
    Ok(Page { n, last: query::parameter(query, "last").map(String::from) })
}

fn respond(call: &Call<'_>, names: &Names, page: TagPage) -> Response<Body> {
    let last = page.tags.last().filter(|_| page.more).cloned();
    let count = page.tags.len();
    let body = json(&List { name: names.outer.to_string(), tags: Some(page.tags) });
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    if let Some(last) = last {
        let last = utf8_percent_encode(&last, NON_ALPHANUMERIC);
        let next = call.address(names, &format!("tags/list?n={count}&last={last}"));
        let link = format!("<{next}>; rel=\"next\"");
        response.headers_mut().insert(LINK, header(link));
    }
    response
}

fn json(list: &List) -> Bytes {
    serde_json::to_vec(list).map(Bytes::from).unwrap_or_default()
}
