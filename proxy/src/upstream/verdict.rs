//! What an answer that is not the one hoped for means.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;

use super::kind::{Denied, ErrorKind, Wrong};
use super::transport::Transport;

/// The failure in an answer. `trusted` is whether the host that answered is the one to say who may do
/// what; a 403 of some storage behind a redirect says nothing about an account at the registry.
pub(super) async fn failure(transport: &Transport, response: Response<Incoming>, trusted: bool) -> ErrorKind {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return ErrorKind::Wrong(Wrong::Unexpected(status));
    }
    let retry_after = retry_after(response.headers());
    let detail = transport.detail(response.into_body()).await;
    match status {
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Limited { retry_after, detail },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if trusted => {
            ErrorKind::Denied(Denied::Status { status, detail })
        }
        _ => ErrorKind::Status { status, retry_after, detail },
    }
}

/// The seconds in `Retry-After`; its other form, a date, depends on a clock that is not ours.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
