//! What an answer that is not the one hoped for means.

use http::{HeaderValue, Response, StatusCode};
use hyper::body::Incoming;

use super::kind::{Denied, ErrorKind, Wrong};
use super::retry_after;
use super::transport::Transport;

/// The failure in an answer. With `challenges`, those that a refusal is to be told with, the host that
/// answered is the one to say who may do what; a 403 of some storage behind a redirect says nothing about an
/// account at the registry.
pub(super) async fn failure(
    transport: &Transport,
    response: Response<Incoming>,
    challenges: Option<Box<[HeaderValue]>>,
) -> ErrorKind {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return ErrorKind::Wrong(Wrong::Unexpected(status));
    }
    let retry_after = retry_after::read(response.headers());
    let detail = transport.detail(response.into_body()).await;
    match (status, challenges) {
        (StatusCode::TOO_MANY_REQUESTS, _) => ErrorKind::Limited { retry_after, detail },
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(challenges)) => {
            ErrorKind::Denied(Denied::Status { status, detail, challenges })
        }
        _ => ErrorKind::Status { status, retry_after, detail },
    }
}
