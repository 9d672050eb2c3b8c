//! Opening a blob's stream, and opening it again where it was cut.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use super::ask::Ask;
use super::attempt::{Answer, Attempts};
use super::blob_stream::Stream;
use super::body::UpstreamBody;
use super::content_range::ContentRange;
use super::error::UpstreamError;
use super::headers::{identity, pick};
use super::kind::{ErrorKind, Wrong};
use super::places::Place;
use super::retry::Retry;
use super::watch::Watch;

/// The headers of a blob that a client may see.
const PASSED: [HeaderName; 7] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    ACCEPT_RANGES,
    ETAG,
    LAST_MODIFIED,
    HeaderName::from_static("docker-content-digest"),
];

/// What a blob's answer says without its bytes.
const PASSED_WITHOUT_BODY: [HeaderName; 1] = [CONTENT_RANGE];

/// A blob that can be asked for again.
#[derive(Clone)]
pub(super) struct BlobSource {
    pub(super) attempts: Arc<Attempts>,
    pub(super) ask: Ask,
}

impl BlobSource {
    /// The answer to a client: 200, 206, 404 or 416. A body holds its place until it has come to its end.
    pub(super) async fn open(self, place: Place) -> Result<Response<UpstreamBody>, UpstreamError> {
        let mut retry = Retry::new(&self.attempts.retries_told);
        let answer = loop {
            match self.open_once().await {
                Err(error) => retry.pause(error).await?,
                Ok(answer) => break answer,
            }
        };
        let (parts, incoming) = answer.response.into_parts();
        let found = matches!(parts.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        let names: &[HeaderName] = if found { &PASSED } else { &PASSED_WITHOUT_BODY };
        let headers = pick(&parts.headers, names);
        let body = if !found {
            self.attempts.transport.discard(incoming).await;
            UpstreamBody::empty()
        } else if self.ask.method == Method::HEAD {
            UpstreamBody::empty()
        } else {
            let rest = rest(parts.status, &headers, incoming.size_hint().exact());
            let least = self.attempts.pace;
            UpstreamBody::new(Stream::new(self, place, incoming, rest), least)
        };
        let mut response = Response::new(body);
        *response.status_mut() = parts.status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// One attempt, counted.
    async fn open_once(&self) -> Result<Answer, UpstreamError> {
        let mut watch = self.attempts.begin(&self.ask).await?;
        let result = self.ask_checked(&mut watch).await;
        self.attempts.end(&self.ask, watch, result.as_ref().err());
        result
    }

    async fn ask_checked(&self, watch: &mut Watch<'_>) -> Result<Answer, UpstreamError> {
        let answer = self.attempts.ask(&self.ask).await?;
        watch.headers();
        let ranged = self.ask.header(RANGE).is_some();
        match answer.response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT if !self.is_range(&answer.response) => {
                return Err(self.ask.failed(&answer.uri, ErrorKind::Wrong(Wrong::Range)));
            }
            StatusCode::OK => {}
            StatusCode::PARTIAL_CONTENT if ranged => {}
            StatusCode::RANGE_NOT_SATISFIABLE if ranged => return Ok(answer),
            StatusCode::NOT_FOUND => {
                watch.absent();
                return Ok(answer);
            }
            _ => return Err(self.attempts.failure(&self.ask, answer).await),
        }
        match identity(answer.response.headers()) {
            Ok(()) => Ok(answer),
            Err(wrong) => Err(self.ask.failed(&answer.uri, ErrorKind::Wrong(wrong))),
        }
    }

    /// Whether a success holds the bytes that its range says, if one was asked for: nobody after this can tell.
    fn is_range(&self, response: &Response<Incoming>) -> bool {
        let (Some(asked), headers) = (self.ask.header(RANGE), response.headers()) else { return true };
        if response.status() == StatusCode::OK {
            // The whole. Of a part, named a success by mistake, the range still tells.
            return !headers.contains_key(CONTENT_RANGE);
        }
        let length = response.body().size_hint().exact().filter(|_| self.ask.method != Method::HEAD);
        ContentRange::answers(asked, headers, length)
    }

    /// The rest of a blob whose stream was cut, after a wait.
    pub(super) async fn resume(self, rest: ContentRange, wait: Duration) -> Result<Incoming, UpstreamError> {
        tokio::time::sleep(wait).await;
        let again = Self { ask: self.ask.without(IF_RANGE).with(RANGE, rest.header()), ..self };
        let answer = again.open_once().await?;
        if answer.response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(again.attempts.failure(&again.ask, answer).await);
        }
        let Answer { uri, response } = answer;
        if ContentRange::read(response.headers()) == Some(rest) {
            Ok(response.into_body())
        } else {
            Err(again.ask.failed(&uri, ErrorKind::Wrong(Wrong::Range)))
        }
    }
}

/// The bytes to come, where an answer tells them; only such a body can be resumed.
fn rest(status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> Option<ContentRange> {
    let length = length?;
    if status == StatusCode::OK {
        return Some(ContentRange { first: 0, last: length.checked_sub(1)? });
    }
    ContentRange::read(headers).filter(|range| range.length() == length)
}
