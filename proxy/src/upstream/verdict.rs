//! What an answer that is not the one hoped for means.

use http::{Response, StatusCode};
use hyper::body::Incoming;

use super::kind::{Denied, ErrorKind, Wrong};
use super::retry_after;
use super::transport::Transport;

/// The failure in an answer. `trusted` is whether the host that answered is the one to say who may do
/// what; a 403 of some storage behind a redirect says nothing about an account at the registry.
pub(super) async fn failure(transport: &Transport, response: Response<Incoming>, trusted: bool) -> ErrorKind {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return ErrorKind::Wrong(Wrong::Unexpected(status));
    }
    let retry_after = retry_after::read(response.headers());
    let detail = transport.detail(response.into_body()).await;
    match status {
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Limited { retry_after, detail },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if trusted => {
            ErrorKind::Denied(Denied::Status { status, detail })
        }
        _ => ErrorKind::Status { status, retry_after, detail },
    }
}
