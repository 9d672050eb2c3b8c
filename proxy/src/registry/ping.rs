//! `GET /v2/`: whether this is a registry, and what it wants of its callers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::body::Body;
use super::call::Call;
use super::error::RegistryError;

/// Answers for onetag itself, or with the upstream's own challenge, from which alone some clients learn where to get
/// a token (wire rule 5, and "Newer clients").
pub(super) async fn answer(call: &Call<'_>) -> Result<Response<Body>, RegistryError> {
    if call.has_to_log_in() {
        return Err(RegistryError::login("log in: this registry is not for everybody"));
    }
    if !call.is_decided_here() {
        call.resolver.ping().await?;
    }
    let mut response = Response::new(Body::full(Bytes::from_static(b"{}")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
