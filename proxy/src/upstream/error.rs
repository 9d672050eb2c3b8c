//! A failed request: what was asked, what failed, whose fault it is, and whether asking again may help.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri};
use onetag_config::UpstreamUrl;

use crate::telemetry::UpstreamOutcome;

use super::kind::{Denied, ErrorKind, Phase};

/// A failed request to the upstream; cheap to clone, as callers share results.
///
/// Its text is for the operator: it names what was asked, and of whom, and what failed. It never holds a
/// secret or a query string.
#[derive(Clone)]
pub struct UpstreamError(Arc<Failure>);

struct Failure {
    asked: Asked,
    /// Where a redirect led, when it failed there.
    redirected: Option<Asked>,
    kind: ErrorKind,
}

/// A request as errors and logs name it: without its query, which may be a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    method: Method,
    url: Box<str>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The way to the registry.
    Network,
    /// The registry.
    Registry,
    /// The settings: credentials, certificate authorities.
    Settings,
    /// Nobody's but our own limit.
    Ours,
    /// The client: the body that it sends.
    Client,
}

impl UpstreamError {
    pub(super) fn new(asked: Asked, kind: ErrorKind) -> Self {
        Self(Arc::new(Failure { asked, redirected: None, kind }))
    }

    pub(super) fn redirected(asked: Asked, to: Asked, kind: ErrorKind) -> Self {
        Self(Arc::new(Failure { asked, redirected: Some(to), kind }))
    }

    /// What was asked.
    pub fn asked(&self) -> &Asked {
        &self.0.asked
    }

    /// Where it failed: at what was asked, or where a redirect led.
    pub(super) fn failed_at(&self) -> &Asked {
        self.0.redirected.as_ref().unwrap_or(&self.0.asked)
    }

    /// Whether it failed where a redirect led.
    pub(super) fn is_redirected(&self) -> bool {
        self.0.redirected.is_some()
    }

    /// What failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self.kind() {
            ErrorKind::Connect(_)
            | ErrorKind::Broken(_)
            | ErrorKind::Timeout { phase: Phase::Connect, .. } => Fault::Network,
            ErrorKind::Timeout { phase: Phase::Place | Phase::Client, .. } => Fault::Ours,
            ErrorKind::Timeout { phase: Phase::Headers | Phase::Body, .. }
            | ErrorKind::Status { .. }
            | ErrorKind::Limited { .. }
            | ErrorKind::Open { .. }
            | ErrorKind::Wrong(_)
            | ErrorKind::Redirect(_)
            | ErrorKind::Denied(Denied::Challenge | Denied::Realm(_)) => Fault::Registry,
            ErrorKind::Tls(_) | ErrorKind::Denied(_) => Fault::Settings,
            ErrorKind::Client(_) => Fault::Client,
        }
    }

    /// Whether the same request may succeed a little later: a failure to connect, a broken connection, a
    /// timeout, a 5xx, a 429, or an upstream that is known to be down.
    pub fn is_transient(&self) -> bool {
        match self.kind() {
            ErrorKind::Connect(_)
            | ErrorKind::Broken(_)
            | ErrorKind::Timeout { .. }
            | ErrorKind::Limited { .. }
            | ErrorKind::Open { .. } => true,
            ErrorKind::Status { status, .. } => status.is_server_error(),
            _ => false,
        }
    }

    /// How long the upstream wants to be left alone, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind() {
            ErrorKind::Status { retry_after, .. } | ErrorKind::Limited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What the upstream asks of the caller whom it refused: the values of `WWW-Authenticate`, at most eight
    /// of 4 KiB. Only where the request was on behalf of a caller; what onetag itself is asked for is nothing
    /// that a caller could answer.
    pub fn challenges(&self) -> &[HeaderValue] {
        match self.kind() {
            ErrorKind::Denied(Denied::Status { challenges, .. }) => challenges,
            _ => &[],
        }
    }

    /// Whether the upstream wants credentials of the caller, or better ones.
    pub fn is_challenge(&self) -> bool {
        let denied = match self.kind() {
            ErrorKind::Denied(Denied::Status { status, challenges, .. }) => Some((status, challenges)),
            _ => None,
        };
        denied
            .is_some_and(|(status, challenges)| *status == StatusCode::UNAUTHORIZED && !challenges.is_empty())
    }

    /// Whether it refuses, whatever credentials there are.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.kind(), ErrorKind::Denied(_)) && !self.is_challenge()
    }

    /// How a metric counts it; not at all where the upstream has no part in it.
    pub(super) fn outcome(&self) -> Option<UpstreamOutcome> {
        let outcome = match self.kind() {
            ErrorKind::Connect(_) | ErrorKind::Tls(_) | ErrorKind::Broken(_) | ErrorKind::Status { .. } => {
                UpstreamOutcome::Failed
            }
            ErrorKind::Timeout { .. } => UpstreamOutcome::Timeout,
            ErrorKind::Denied(_) => UpstreamOutcome::Denied,
            ErrorKind::Limited { .. } => UpstreamOutcome::Limited,
            ErrorKind::Open { .. } => UpstreamOutcome::Refused,
            ErrorKind::Wrong(_) | ErrorKind::Redirect(_) => UpstreamOutcome::Wrong,
            ErrorKind::Client(_) => return None,
        };
        Some(outcome)
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { asked, redirected, kind } = &*self.0;
        match redirected {
            Some(to) => write!(f, "{asked}: redirected to {}: {kind}", to.url),
            None => write!(f, "{asked}: {kind}"),
        }
    }
}

impl fmt::Debug for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// No source: the text holds the whole chain.
impl Error for UpstreamError {}

impl Asked {
    pub(super) fn new(method: Method, uri: &Uri) -> Self {
        let scheme = uri.scheme_str().unwrap_or_default();
        let host = uri.authority().map_or("", http::uri::Authority::as_str);
        Self { method, url: format!("{scheme}://{host}{}", uri.path()).into() }
    }

    /// The upstream as such, where there is no more to say.
    pub(super) fn at(method: Method, url: &UpstreamUrl) -> Self {
        Self { method, url: url.to_string().into() }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Scheme, host and path.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}
