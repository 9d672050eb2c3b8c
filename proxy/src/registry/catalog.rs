//! `_catalog`: the repositories that there are, where the upstream lists them (a path of the distribution project).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderValue, Response, StatusCode};
use onetag_oci::Repository;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::call::Call;
use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::passed::{MAX_BYTES, local_link};
use crate::access::Action;

const PATH: &str = "/v2/_catalog";

#[derive(Deserialize, Serialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

/// Lists the repositories that the caller may read.
pub(super) async fn list(call: &Call<'_>) -> Result<Response<Body>, RegistryError> {
    let query = super::query::without(call.request.uri.query().unwrap_or_default(), &["ns"]);
    let query = Some(query).filter(|query| !query.is_empty());
    let found = call.resolver.upstream().catalog(query.as_deref(), MAX_BYTES).await?;
    if found.status() == StatusCode::NOT_FOUND {
        return Err(Endpoint::Catalog.absent());
    }
    let (parts, mut bytes) = found.into_parts();
    if !call.may_all(Action::Pull) {
        bytes = readable(call, &bytes)?;
    }
    let link = parts
        .headers
        .get(LINK)
        .and_then(|link| local_link(link, PATH, |rest| call.address_of(&format!("{PATH}{rest}"))));
    let mut response = Response::new(Body::full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().extend(link.map(|link| (LINK, link)));
    Ok(response)
}

/// The list without what the caller may not read; a page may be shorter then, and its Link is what it was.
fn readable(call: &Call<'_>, bytes: &[u8]) -> Result<Bytes, RegistryError> {
    let wrong = |_| RegistryError::new(Code::BadUpstream, "the upstream registry's catalog is none");
    let mut catalog: Catalog = serde_json::from_slice(bytes).map_err(wrong)?;
    let may = |name: &String| name.parse::<Repository>().is_ok_and(|inner| call.may(Action::Pull, &inner));
    catalog.repositories.iter_mut().for_each(|names| names.retain(may));
    serde_json::to_vec(&catalog).map(Bytes::from).map_err(wrong)
}
