//! The upstream's answer to what was written, as clients see it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::call::Call;
use super::error::Code;
use crate::upstream::Written;

/// The most characters of an error's code and message that are passed on, and the most errors.
const MAX_CODE: usize = 64;
const MAX_MESSAGE: usize = 512;
const MAX_ERRORS: usize = 8;

#[derive(Deserialize, Serialize)]
struct Errors {
    errors: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// A success or a refusal; `absent` is what a 404 means here.
pub(super) fn answer(written: &Written, call: &Call<'_>, absent: Code) -> Response<Body> {
    if written.status.is_success() { success(written) } else { refusal(written, call, absent) }
}

/// A success without a body, and without a Location: that is the caller's to write.
pub(super) fn success(written: &Written) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = written.status;
    *response.headers_mut() = written.headers.clone();
    if written.status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
    }
    response
}

/// A refusal, in the upstream's words as far as they are those of the specification (section Error codes).
pub(super) fn refusal(written: &Written, call: &Call<'_>, absent: Code) -> Response<Body> {
    let status = written.status;
    let mut errors = serde_json::from_slice::<Errors>(&written.body).unwrap_or(Errors { errors: Vec::new() });
    errors.errors.truncate(MAX_ERRORS);
    errors.errors.retain(|error| is_code(&error.code));
    for error in &mut errors.errors {
        error.message = error.message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect();
    }
    if errors.errors.is_empty() {
        let message = format!("the upstream registry answered {}", status.as_u16());
        errors.errors.push(Entry { code: code_of(status, absent).into(), message });
    }
    let bytes = serde_json::to_vec(&errors).unwrap_or_default();
    tracing::debug!(%status, path = call.request.uri.path(), "the upstream refuses");
    let mut response = Response::new(Body::full(Bytes::from(bytes)));
    *response.status_mut() = status;
    *response.headers_mut() = written.headers.clone();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether it is one word of the form that codes have.
fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_CODE
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// The code for a status whose answer names none.
fn code_of(status: StatusCode, absent: Code) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => absent.name(),
        StatusCode::METHOD_NOT_ALLOWED => "UNSUPPORTED",
        StatusCode::PAYLOAD_TOO_LARGE => "SIZE_INVALID",
        StatusCode::RANGE_NOT_SATISFIABLE => "BLOB_UPLOAD_INVALID",
        _ => "UNKNOWN",
    }
}

/// A header's value of a text that was judged before.
pub(super) fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
