//! Requests that change something at the upstream. Each is sent once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use http_body::Body;
use hyper::body::Incoming;
use onetag_oci::Repository;

use crate::telemetry::UpstreamKind;

use super::ask::Ask;
use super::attempt::{Answer, Attempts};
use super::auth::Proof;
use super::client::{Upstream, belongs_to};
use super::connector::BoxError;
use super::error::UpstreamError;
use super::headers::pick;
use super::kind::{ErrorKind, Wrong};
use super::redirect;
use super::right::Right;
use super::scope::{Actions, Scope};
use super::upload::Upload;
use super::watch::Watch;

/// The headers of a client that say what its body is. How the body is framed, and all that is between a client
/// and onetag, is not passed on (threats T9 and T10).
const PASSED_ON: [HeaderName; 2] = [CONTENT_TYPE, CONTENT_RANGE];

/// The headers of an answer that a client may see; some may occur more than once.
const PASSED_BACK: [HeaderName; 7] = [
    RANGE,
    HeaderName::from_static("docker-upload-uuid"),
    HeaderName::from_static("docker-content-digest"),
    HeaderName::from_static("oci-subject"),
    HeaderName::from_static("oci-tag"),
    HeaderName::from_static("oci-chunk-min-length"),
    HeaderName::from_static("oci-chunk-max-length"),
];

/// A request that changes something.
#[derive(Debug, Clone)]
pub struct Write {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// What it is about.
    pub repository: Repository,
    /// What it does there.
    pub actions: Actions,
    /// The repository that a blob is mounted from, which must be readable.
    pub from: Option<Repository>,
    /// What the client says of the body; of these, `Content-Type` and `Content-Range` are sent.
    pub headers: HeaderMap,
    /// The most bytes of the body that are taken.
    pub limit: Option<u64>,
    /// How long the headers of the answer may take, counted from the end of the body.
    pub patience: Duration,
}

/// Where a write goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// A path below `/v2/<repository>/`, with its query.
    Path(String),
    /// Where the upstream said that an upload goes on, as [`Written::location`] gave it.
    Location(Uri),
}

/// What the upstream answered to a write: a success, or a refusal that is the client's to understand.
#[derive(Debug, Clone)]
pub struct Written {
    /// 2xx or 4xx, but never 401, 403 or 429.
    pub status: StatusCode,
    /// The headers that a client may see, with the `Content-Type` of the body where there is one.
    pub headers: HeaderMap,
    /// The `Location`, an absolute URL that may be connected to.
    pub location: Option<Uri>,
    /// What a 4xx says about itself, at most 64 KiB; else nothing.
    pub body: Bytes,
}

impl Upstream {
    /// Sends a request that changes something, its body as it comes. It is never repeated, but for a 401 to one
    /// without a body. Redirects are not followed.
    ///
    /// The length is sent where the body's size hint knows it. An answer that comes before the end of the body
    /// is given back at once, and the rest of the body is not read. What is wrong with the body itself is
    /// [`ErrorKind::Client`]. Dropped before its end, the request is broken off.
    pub async fn write<B>(&self, write: Write, body: B) -> Result<Written, UpstreamError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let Write { method, target, repository, actions, from, headers, limit, patience } = write;
        let scope = Scope::Repository { repository: repository.clone(), actions, from };
        let ask = self.ask_to_write(method, target, &repository, scope)?;
        let failed = |kind| ask.failed(&ask.uri, kind);
        let (idle, pace) = (self.attempts.transport.idle_timeout(), self.attempts.pace);
        let upload =
            Upload::new(body, limit, idle, pace).map_err(|fault| failed(ErrorKind::Client(fault)))?;
        let _place = self.in_time(&ask, self.places.write(&repository)).await?;
        let ask = described(ask.clone(), &headers, &upload);
        self.attempts.write(&ask, upload, patience).await
    }

    fn ask_to_write(
        &self,
        method: Method,
        target: Target,
        repository: &Repository,
        scope: Scope,
    ) -> Result<Ask, UpstreamError> {
        match target {
            Target::Path(path) => {
                let ask = self.ask(UpstreamKind::Write, method, &path, scope)?;
                let path = ask.uri.path();
                // The one path of the API that ends in a slash opens an upload.
                let path = path.strip_suffix('/').unwrap_or(path);
                if belongs_to(path, self.url.path_prefix(), repository) {
                    return Ok(ask);
                }
                Err(ask.failed(&ask.uri, ErrorKind::Wrong(Wrong::Path)))
            }
            Target::Location(uri) => {
                let ask = Ask::to(uri, UpstreamKind::Write, method, self.right(scope));
                match self.attempts.destinations.admit(&ask.uri) {
                    Ok(_) => Ok(ask),
                    Err(refused) => Err(ask.failed(&ask.uri, ErrorKind::Redirect(refused))),
                }
            }
        }
    }
}

/// The question with what is said of its body.
fn described(ask: Ask, headers: &HeaderMap, upload: &Upload) -> Ask {
    let ask = pick(headers, &PASSED_ON)
        .iter()
        .fold(ask, |ask, (name, value)| ask.with(name.clone(), value.clone()));
    // No body is said to be none; some servers want to be told.
    let wants_length = matches!(ask.method, Method::POST | Method::PUT | Method::PATCH);
    if wants_length && upload.is_over() { ask.with(CONTENT_LENGTH, HeaderValue::from(0)) } else { ask }
}

impl Attempts {
    async fn write(
        self: &Arc<Self>,
        ask: &Ask,
        upload: Upload,
        patience: Duration,
    ) -> Result<Written, UpstreamError> {
        let own = self.destinations.is_upstream(&ask.uri);
        if own && matches!(ask.right, Right::Own(_)) {
            self.introduce().await?;
        }
        let mut watch = self.begin(ask).await?;
        let result = self.write_watched(ask, own, &upload, patience, &mut watch).await;
        self.end(ask, watch, result.as_ref().err());
        result
    }

    /// Sends it, with Authorization to the upstream's own origin only (threat T4).
    async fn write_watched(
        &self,
        ask: &Ask,
        own: bool,
        upload: &Upload,
        patience: Duration,
        watch: &mut Watch<'_>,
    ) -> Result<Written, UpstreamError> {
        let proof = if own { self.ahead(ask).await? } else { None };
        let is_repeatable = upload.is_over();
        let mut response = self.send(ask, proof.as_ref(), upload, patience).await?;
        upload.hold();
        if own && response.status() == StatusCode::UNAUTHORIZED {
            // Also where it comes too late for this request: the client's own repetition finds a new token.
            let better = self.answer(ask, &response, proof.as_ref()).await?;
            if let Some(better) = better.filter(|_| is_repeatable) {
                self.transport.discard(response.into_body()).await;
                response = self.send(ask, Some(&better), upload, patience).await?;
            }
        }
        watch.headers();
        if response.status() == StatusCode::NOT_FOUND {
            watch.absent();
        }
        self.written(ask, response).await
    }

    async fn send(
        &self,
        ask: &Ask,
        proof: Option<&Proof>,
        upload: &Upload,
        patience: Duration,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let request = ask.carrying(upload.body(), &ask.uri, proof);
        let sent = self.transport.send_upload(request, upload, patience).await;
        sent.map_err(|kind| ask.failed(&ask.uri, kind))
    }

    async fn written(&self, ask: &Ask, response: Response<Incoming>) -> Result<Written, UpstreamError> {
        let status = response.status();
        let is_refusal = matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
        if is_refusal || !(status.is_success() || status.is_client_error()) {
            return Err(self.failure(ask, Answer { uri: ask.uri.clone(), response }).await);
        }
        let location = self.location(ask, &response)?;
        let (parts, body) = response.into_parts();
        let mut headers = pick_all(&parts.headers, &PASSED_BACK);
        let body = self.transport.rest(body).await;
        let body = if status.is_client_error() { body } else { Bytes::new() };
        if !body.is_empty() {
            headers.extend(pick(&parts.headers, &[CONTENT_TYPE]));
        }
        Ok(Written { status, headers, location, body })
    }

    /// Where it goes on. Only an upload that does go on needs to know: elsewhere, what a registry behind some
    /// gateway says of its own address may be of no use, and does no harm.
    fn location(&self, ask: &Ask, response: &Response<Incoming>) -> Result<Option<Uri>, UpstreamError> {
        if !response.headers().contains_key(LOCATION) {
            return Ok(None);
        }
        let goes_on = matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT);
        match redirect::location(response, &ask.uri, &self.destinations) {
            Ok(uri) => Ok(Some(uri)),
            Err(refused) if goes_on => Err(ask.failed(&ask.uri, ErrorKind::Redirect(refused))),
            Err(_) => Ok(None),
        }
    }
}

/// The headers in `names`, as often as they occur.
fn pick_all(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let of = |name: &HeaderName| {
        let name = name.clone();
        headers.get_all(&name).iter().map(move |value| (name.clone(), value.clone())).collect::<Vec<_>>()
    };
    names.iter().flat_map(of).collect()
}
