//! `_catalog`: the repositories that there are, where the upstream lists them (a path of the distribution project).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::passed::{MAX_BYTES, local_link};
use super::query;
use super::relay::header;
use super::routes::Routes;
use crate::access::Action;

const PATH: &str = "/v2/_catalog";

/// How many pages of the upstream are read for one of a caller that may not read all, and how long each is.
const PAGES: usize = 20;
const PAGE: usize = 1_000;

#[derive(Deserialize, Serialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

/// Lists the repositories that the caller may read.
pub(super) async fn list(call: &Call<'_>, routes: &Routes) -> Result<Response<Body>, RegistryError> {
    let query = call.request.uri.query().unwrap_or_default();
    if !call.may_all(Action::Pull) {
        return readable(call, routes, query).await;
    }
    let query = query::without(query, &["ns"]);
    let (parts, bytes) = ask(call, Some(query).filter(|query| !query.is_empty())).await?.into_parts();
    let link = parts
        .headers
        .get(LINK)
        .and_then(|link| local_link(link, PATH, |rest| call.address_of(&format!("{PATH}{rest}"))));
    Ok(respond(bytes, link))
}

async fn ask(call: &Call<'_>, query: Option<String>) -> Result<Response<Bytes>, RegistryError> {
    let found = call.resolver.upstream().catalog(query.as_deref(), MAX_BYTES).await?;
    if found.status() == StatusCode::NOT_FOUND { Err(Endpoint::Catalog.absent()) } else { Ok(found) }
}

/// The part of the list that is asked for, of those names alone that the caller may read: neither a page's length nor
/// its Link tells of others. What lies behind [`PAGES`] pages without one is not listed.
async fn readable(call: &Call<'_>, routes: &Routes, query: &str) -> Result<Response<Body>, RegistryError> {
    let wrong = |_| RegistryError::new(Code::BadUpstream, "the upstream registry's catalog is none");
    let not_a_number = |_| RegistryError::new(Code::PageInvalid, "n has to be a number");
    let n: Option<usize> =
        query::parameter(query, "n").map(|n| n.parse().map_err(not_a_number)).transpose()?;
    let mut last = query::parameter(query, "last").map(String::from);
    let mut names: Vec<String> = Vec::new();
    for _ in 0..PAGES {
        let after = last.as_deref().map_or_else(String::new, |last| {
            format!("&last={}", utf8_percent_encode(last, NON_ALPHANUMERIC))
        });
        let page = ask(call, Some(format!("n={PAGE}{after}"))).await?;
        let is_last = !page.headers().contains_key(LINK);
        let page: Catalog = serde_json::from_slice(page.body()).map_err(wrong)?;
        let page = page.repositories.unwrap_or_default();
        last = page.last().cloned();
        let may = |name: &String| {
            name.parse().is_ok_and(|inner| {
                call.may(Action::Pull, &inner) && !routes.is_of_another(&call.route, &inner)
            })
        };
        names.extend(page.into_iter().filter(may));
        if is_last || last.is_none() || n.is_some_and(|n| names.len() > n) {
            break;
        }
    }
    let more = n.is_some_and(|n| names.len() > n);
    names.truncate(n.unwrap_or(names.len()));
    let link = names.last().filter(|_| more).map(|last| {
        let last = utf8_percent_encode(last, NON_ALPHANUMERIC);
        let next = call.address_of(&format!("{PATH}?n={}&last={last}", names.len()));
        header(format!("<{next}>; rel=\"next\""))
    });
    let bytes = serde_json::to_vec(&Catalog { repositories: Some(names) }).map_err(wrong)?;
    Ok(respond(bytes.into(), link))
}

fn respond(bytes: Bytes, link: Option<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().extend(link.map(|link| (LINK, link)));
    response
}
