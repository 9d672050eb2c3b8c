//! One exchange with a host: a request, and the headers or all of its answer, bounded in time and size.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::cause::Cause;
use super::connection;
use super::connector::{self, ConnectTimeout, HttpClient, Payload};
use super::destination::Refused;
use super::detail::{Detail, MAX_ERROR_BYTES};
use super::kind::{ErrorKind, Phase, Wrong};
use super::names::Names;
use super::setup::SetupError;
use super::tls::Tls;
use super::upload::{Upload, UploadBody};

/// How long it is worth waiting for the rest of an unwanted body to keep its connection.
const DISCARD: Duration = Duration::from_secs(1);

/// Sends requests, without credentials of its own and without following anything.
#[derive(Clone)]
pub(super) struct Transport {
    client: HttpClient,
    connect_timeout: Duration,
    header_timeout: Duration,
    idle_timeout: Duration,
}

impl Transport {
    /// A transport that shows the certificate in `identity`, a file and that of its key, to the upstream.
    pub(super) fn new(
        config: &onetag_config::Upstream,
        identity: Option<(&Path, &Path)>,
        names: Names,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            client: connector::client(config, Tls::new(config, identity)?, names)?,
            connect_timeout: config.connect_timeout.get(),
            header_timeout: config.header_timeout.get(),
            idle_timeout: config.idle_body_timeout.get(),
        })
    }

    /// How long a body may stand still.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// How long the headers of an answer may take.
    pub(super) fn header_timeout(&self) -> Duration {
        self.header_timeout
    }

    /// Sends a request that may be repeated, and waits for the headers of its answer.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ErrorKind> {
        let started = Instant::now();
        let mut stale_left = connector::MAX_IDLE;
        let answer = loop {
            match self.send_once(request.clone().map(Either::Left), self.no_headers()).await {
                // The peer closed an idle connection: that is no failure, and each one fails only once.
                Err(Unsent::Failed(error)) if connection::was_reused(&error) && stale_left > 0 => {
                    stale_left -= 1;
                }
                Err(Unsent::Failed(error)) => break Err(self.classify(error)),
                Err(Unsent::Overdue(kind)) => break Err(kind),
                Ok(response) => break Ok(response),
            }
        };
        note(request.method(), request.uri(), started, &answer);
        answer
    }

    /// Sends a request once, its body as it comes, and waits for the headers of its answer for as long as there
    /// is progress, and for `patience` after the end of the body.
    pub(super) async fn send_upload(
        &self,
        request: Request<UploadBody>,
        upload: &Upload,
        patience: Duration,
    ) -> Result<Response<Incoming>, ErrorKind> {
        let started = Instant::now();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = self.send_once(request.map(Either::Right), upload.overdue(patience)).await;
        let answer = answer.map_err(|unsent| match unsent {
            // Where the body failed, that is why the connection did.
            Unsent::Failed(error) => upload.fault().unwrap_or_else(|| self.classify(error)),
            Unsent::Overdue(kind) => kind,
        });
        note(&method, &uri, started, &answer);
        answer
    }

    /// Sends a request; `overdue` ends the wait for its answer.
    async fn send_once(
        &self,
        mut request: Request<Payload>,
        overdue: impl Future<Output = ErrorKind>,
    ) -> Result<Response<Incoming>, Unsent> {
        let mut connection = capture_connection(&mut request);
        let mut response = self.client.request(request);
        // The connector bounds the time to a connection; the time to the headers begins after it.
        tokio::select! {
            biased;
            answer = &mut response => return answer.map_err(Unsent::Failed),
            _ = connection.wait_for_connection_metadata() => {}
        }
        tokio::select! {
            biased;
            answer = response => answer.map_err(Unsent::Failed),
            kind = overdue => Err(Unsent::Overdue(kind)),
        }
    }

    async fn no_headers(&self) -> ErrorKind {
        sleep(self.header_timeout).await;
        ErrorKind::Timeout { phase: Phase::Headers, limit: self.header_timeout }
    }

    /// A whole body of at most `limit` bytes.
    pub(super) async fn gather(&self, body: Incoming, limit: usize) -> Result<Bytes, ErrorKind> {
        let too_large = || ErrorKind::Wrong(Wrong::TooLarge { limit: limit as u64 });
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        // All of a small body gets the time of one pause: a peer that drips must not last for hours.
        let gathered = timeout(self.idle_timeout, Limited::new(body, limit).collect()).await;
        match gathered.map_err(|_| self.idle())? {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(ErrorKind::Broken(Cause::from_box(error))),
        }
    }

    /// Reads what is left of an unwanted body, so that its connection can be used again.
    pub(super) async fn discard(&self, body: Incoming) {
        self.rest(body).await;
    }

    /// The body of a refusal; nothing where it is large or slow.
    pub(super) async fn rest(&self, body: Incoming) -> Bytes {
        let gathered = timeout(DISCARD, self.gather(body, MAX_ERROR_BYTES)).await;
        gathered.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// What the body of an error answer says.
    pub(super) async fn detail(&self, body: Incoming) -> Detail {
        Detail::read(&self.rest(body).await)
    }

    /// A body that stood still for too long.
    pub(super) fn idle(&self) -> ErrorKind {
        ErrorKind::Timeout { phase: Phase::Body, limit: self.idle_timeout }
    }

    fn classify(&self, error: legacy::Error) -> ErrorKind {
        let connect = error.is_connect();
        let cause = Cause::from(error);
        if cause.find::<ConnectTimeout>().is_some() {
            ErrorKind::Timeout { phase: Phase::Connect, limit: self.connect_timeout }
        } else if let Some(refused) = cause.find::<Refused>() {
            ErrorKind::Redirect(*refused)
        } else if cause.find::<rustls::Error>().is_some() {
            ErrorKind::Tls(cause)
        } else if connect {
            ErrorKind::Connect(cause)
        } else if cause.find::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            ErrorKind::Wrong(Wrong::NotHttp(cause))
        } else {
            ErrorKind::Broken(cause)
        }
    }
}

/// Tells the log what came of a request, and its connection that it carried an answer.
fn note(method: &Method, uri: &Uri, started: Instant, answer: &Result<Response<Incoming>, ErrorKind>) {
    let (host, path) = (uri.host().unwrap_or_default(), uri.path());
    let millis = started.elapsed().as_millis();
    match answer {
        Ok(response) => {
            connection::note_answer(response);
            let status = response.status().as_u16();
            debug!(%method, host, path, status, millis, "upstream answered");
        }
        Err(error) => debug!(%method, host, path, millis, %error, "upstream failed"),
    }
}

/// Why there is no answer.
enum Unsent {
    Failed(legacy::Error),
    Overdue(ErrorKind),
}
