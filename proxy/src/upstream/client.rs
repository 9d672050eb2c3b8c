//! What an upstream can be asked for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, IF_RANGE, LINK, RANGE};
use http::response::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use onetag_config::UpstreamUrl;
use onetag_oci::{Digest, MAX_DOCUMENT_BYTES, MediaType, Reference, Repository};
use serde::de::IgnoredAny;
use tokio::time::timeout;

use crate::flight::Flights;
use crate::telemetry::{Metrics, UpstreamKind};

use super::ask::Ask;
use super::attempt::Attempts;
use super::auth::Auth;
use super::body::UpstreamBody;
use super::breaker::Breaker;
use super::credentials::Credentials;
use super::destination::Destinations;
use super::error::{Asked, UpstreamError};
use super::gather::Absent;
use super::head::Head;
use super::headers::pick;
use super::health::{Gates, Health};
use super::kind::{ErrorKind, Phase, Wrong};
use super::manifest::{self, Manifest};
use super::names::{self, LookUp, Names};
use super::pace::Pace;
use super::places::{Place, Places};
use super::probe::Probe;
use super::retry;
use super::right::{Caller, Right};
use super::scope::Scope;
use super::setup::SetupError;
use super::stream::BlobSource;
use super::throttle::Throttle;
use super::token::Tokens;
use super::token_fetch::TokenFetch;
use super::transport::Transport;

/// The headers of a tag list or of referrers that are passed on.
const PASSED: [HeaderName; 3] = [CONTENT_TYPE, LINK, HeaderName::from_static("oci-filters-applied")];

/// A registry that stands behind onetag; cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    pub(super) url: Arc<UpstreamUrl>,
    pub(super) attempts: Arc<Attempts>,
    pub(super) places: Arc<Places>,
    /// On whose behalf it is asked; else it is on onetag's own.
    caller: Option<Caller>,
}

/// The part of a blob that a client asks for, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRange {
    /// The value of `Range`.
    pub range: HeaderValue,
    /// The value of `If-Range`.
    pub if_range: Option<HeaderValue>,
}

impl Upstream {
    /// Sets up the connection pool; connects to nothing yet.
    pub fn new(
        config: &onetag_config::Upstream,
        credentials: Credentials,
        metrics: Arc<Metrics>,
    ) -> Result<Self, SetupError> {
        let identity = config.client_certificate.as_deref().zip(config.client_key.as_deref());
        Self::with(config, credentials, metrics, identity, names::system())
    }

    /// The same with a certificate to show to the upstream, a file and that of its key, and with another way
    /// to find addresses.
    pub(super) fn with(
        config: &onetag_config::Upstream,
        credentials: Credentials,
        metrics: Arc<Metrics>,
        identity: Option<(&Path, &Path)>,
        look_up: LookUp,
    ) -> Result<Self, SetupError> {
        let url = config.url.clone().ok_or(SetupError::NoUrl)?;
        let destinations = Arc::new(Destinations::new(&url));
        let names = Names::new(look_up, Arc::clone(&destinations));
        let transport = Transport::new(config, identity, names)?;
        let credentials = Arc::new(credentials);
        let fetch = TokenFetch {
            transport: transport.clone(),
            credentials: Arc::clone(&credentials),
            metrics: Arc::clone(&metrics),
        };
        let auth = Auth::new(credentials, Tokens::new(fetch), Arc::clone(&destinations));
        let hello = Ask::at(&url, UpstreamKind::Probe, Method::GET, "/v2/", Right::Nobodys)?;
        let probe = Probe { transport: transport.clone(), ask: hello.clone() };
        let pace = Pace::new(transport.idle_timeout());
        let health = Health {
            breaker: Arc::new(Breaker::new(probe, Arc::clone(&metrics))),
            gates: Gates::default(),
            destinations: Arc::clone(&destinations),
        };
        Ok(Self {
            url: Arc::new(url),
            attempts: Arc::new(Attempts {
                transport,
                auth,
                destinations,
                health,
                metrics,
                hello,
                introductions: Flights::default(),
                pace,
                retries_told: Throttle::new(retry::TOLD_EVERY),
            }),
            places: Arc::new(Places::new(config.max_in_flight.get())),
            caller: None,
        })
    }

    /// The same with another pace of streams; before anything is asked.
    #[cfg(test)]
    pub(super) fn with_pace(mut self, pace: Pace) -> Self {
        Arc::get_mut(&mut self.attempts).expect("nothing is under way").pace = pace;
        self
    }

    /// The same upstream, asked with what a caller sent as `Authorization`, or with none, in place of
    /// onetag's own credentials. Connections, places and what is known of outages are shared.
    ///
    /// No token server is asked and no challenge is answered: a 401 or 403 is an error with the
    /// [challenges](UpstreamError::challenges) that it came with. A 429 shuts nobody else out.
    #[must_use]
    pub fn on_behalf(&self, authorization: Option<HeaderValue>) -> Self {
        Self { caller: Some(Caller::new(authorization)), ..self.clone() }
    }

    /// Whether a caller's credentials are used in place of onetag's own.
    pub fn is_on_behalf(&self) -> bool {
        self.caller.is_some()
    }

    /// The registry's address.
    pub fn url(&self) -> &UpstreamUrl {
        &self.url
    }

    /// A manifest or index; `None` when there is none.
    ///
    /// Exactly the four known types are asked for. The content has the digest of a digest reference.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<Manifest>, UpstreamError> {
        let ask = self.ask_for_manifest(UpstreamKind::Manifest, Method::GET, repository, reference)?;
        let _place = self.place(&ask, Some(repository)).await?;
        let read = |parts: &Parts, bytes| manifest::read(&parts.headers, bytes, reference);
        self.attempts.gather(&ask, MAX_DOCUMENT_BYTES, read).await.map(Result::ok)
    }

    /// What a reference names, without the bytes: the request of [`Self::manifest`] with HEAD.
    pub async fn head(&self, repository: &Repository, reference: &Reference) -> Result<Head, UpstreamError> {
        let ask = self.ask_for_manifest(UpstreamKind::Head, Method::HEAD, repository, reference)?;
        let _place = self.place(&ask, Some(repository)).await?;
        self.attempts.head(&ask).await
    }

    /// A blob of at most `limit` bytes, whole and verified; `None` when there is none.
    pub async fn small_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: usize,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let ask = self.ask(UpstreamKind::Config, Method::GET, &path, Scope::pull(repository))?;
        let _place = self.place(&ask, Some(repository)).await?;
        let verify = |_: &Parts, bytes: Bytes| manifest::verify(digest, &bytes).map(|()| bytes);
        self.attempts.gather(&ask, limit, verify).await.map(Result::ok)
    }

    /// A blob as a stream for a client. `method` is GET or HEAD.
    ///
    /// The status is 200, 206, 404 or 416, the headers are those that a client may see; only 200 and 206
    /// have a body. The content is not verified here.
    pub async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        method: Method,
        range: Option<BlobRange>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let mut ask = self.ask(UpstreamKind::Blob, method, &path, Scope::pull(repository))?;
        if let Some(BlobRange { range, if_range }) = range {
            ask = ask.with(RANGE, range);
            ask = if_range.into_iter().fold(ask, |ask, value| ask.with(IF_RANGE, value));
        }
        let place = self.in_time(&ask, self.places.stream(repository)).await?;
        BlobSource { attempts: Arc::clone(&self.attempts), ask }.open(place).await
    }

    /// Another small resource of a repository, of at most `limit` bytes, a JSON object and only to be
    /// passed on: its tags, its referrers. `path_and_query` starts with `/v2/<repository>/`.
    ///
    /// The status is 200 or 404; the body of a 404 is what it says about itself, or nothing.
    pub async fn small(
        &self,
        repository: &Repository,
        path_and_query: &str,
        limit: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let ask = self.ask(UpstreamKind::Other, Method::GET, path_and_query, Scope::pull(repository))?;
        if !belongs_to(ask.uri.path(), self.url.path_prefix(), repository) {
            return Err(ask.failed(&ask.uri, ErrorKind::Wrong(Wrong::Path)));
        }
        let _place = self.place(&ask, Some(repository)).await?;
        self.passed(&ask, limit).await
    }

    /// What the upstream says of something small that is only passed on.
    pub(super) async fn passed(&self, ask: &Ask, limit: usize) -> Result<Response<Bytes>, UpstreamError> {
        let pass = |parts: &Parts, bytes: Bytes| {
            if !is_json_object(&bytes) {
                return Err(Wrong::Json);
            }
            let mut response = Response::new(bytes);
            *response.headers_mut() = pick(&parts.headers, &PASSED);
            Ok(response)
        };
        let found = self.attempts.gather(ask, limit, pass).await?;
        Ok(found.unwrap_or_else(|Absent(body)| {
            let mut absent = Response::new(body);
            *absent.status_mut() = StatusCode::NOT_FOUND;
            absent
        }))
    }

    fn ask_for_manifest(
        &self,
        kind: UpstreamKind,
        method: Method,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Ask, UpstreamError> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let ask = self.ask(kind, method, &path, Scope::pull(repository))?;
        Ok(ask.accepting(MediaType::ACCEPT_MANIFESTS))
    }

    /// A question to the upstream by the right of the caller, or else of onetag itself in `scope`.
    pub(super) fn ask(
        &self,
        kind: UpstreamKind,
        method: Method,
        path_and_query: &str,
        scope: Scope,
    ) -> Result<Ask, UpstreamError> {
        let ask = Ask::at(&self.url, kind, method.clone(), path_and_query, self.right(scope));
        ask.map_err(|_| UpstreamError::new(Asked::at(method, &self.url), ErrorKind::Wrong(Wrong::Path)))
    }

    pub(super) fn right(&self, scope: Scope) -> Right {
        self.caller.clone().map_or(Right::Own(scope), Right::Callers)
    }

    pub(super) async fn place(
        &self,
        ask: &Ask,
        repository: Option<&Repository>,
    ) -> Result<Place, UpstreamError> {
        self.in_time(ask, self.places.small(repository)).await
    }

    /// Waits for a place among the requests under way, but not while the upstream is down.
    pub(super) async fn in_time<P>(
        &self,
        ask: &Ask,
        place: impl Future<Output = Option<P>>,
    ) -> Result<P, UpstreamError> {
        self.attempts.admit(ask)?;
        let limit = self.attempts.transport.header_timeout();
        let waited = timeout(limit, place).await.ok().flatten();
        waited.ok_or_else(|| ask.failed(&ask.uri, ErrorKind::Timeout { phase: Phase::Place, limit }))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.url).finish()
    }
}

/// A login page, say, is no answer of a registry (threat T27).
fn is_json_object(bytes: &[u8]) -> bool {
    // Of text that is skipped unseen, serde would not notice that it is none.
    let is_object = |text: &str| {
        text.trim_ascii_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
    };
    str::from_utf8(bytes).is_ok_and(is_object)
}

/// What the token is for and what is asked for must be the same repository (threat T11).
pub(super) fn belongs_to(path: &str, prefix: &str, repository: &Repository) -> bool {
    let rest = path.strip_prefix(&format!("{prefix}/v2/{repository}/"));
    rest.is_some_and(|rest| {
        !rest.contains('%') && rest.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
    })
}
