//! Whether the upstream is to be asked at all: not while it is down, nor while it wants to be left alone.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Uri};

use crate::telemetry::UpstreamKind;

use super::breaker::{Breaker, Trial};
use super::destination::Destinations;
use super::detail::Detail;
use super::error::UpstreamError;
use super::kind::{ErrorKind, Phase};
use super::retry_after::Gate;

/// What the attempts so far have told about the upstream.
pub(super) struct Health {
    pub(super) breaker: Arc<Breaker>,
    pub(super) gates: Gates,
    pub(super) destinations: Arc<Destinations>,
}

/// The limits of the upstream's rate. That of lists may be lower, and pulls go on without them.
#[derive(Default)]
pub(super) struct Gates {
    lists: Gate,
    others: Gate,
}

impl Gates {
    /// The gate before requests of this kind. A limit of the registry's rate is not one of its storage's.
    fn of(&self, kind: UpstreamKind) -> Option<&Gate> {
        match kind {
            UpstreamKind::Blob | UpstreamKind::Token | UpstreamKind::Probe => None,
            UpstreamKind::Other => Some(&self.lists),
            UpstreamKind::Manifest | UpstreamKind::Head | UpstreamKind::Config => Some(&self.others),
        }
    }

    /// Shuts what a 429 to a request of this kind is about. Whoever limits manifests is not asked for lists.
    fn shut(&self, kind: UpstreamKind, wait: Duration) {
        self.lists.shut(wait);
        if kind != UpstreamKind::Other {
            self.others.shut(wait);
        }
    }
}

impl Health {
    /// Whether a request of this kind may go out.
    pub(super) async fn admit(&self, kind: UpstreamKind) -> Result<Option<Trial<'_>>, ErrorKind> {
        self.breaker.look()?;
        match self.gates.of(kind).and_then(Gate::left) {
            Some(left) => Err(ErrorKind::Limited { retry_after: Some(left), detail: Detail::default() }),
            None => self.breaker.admit().await,
        }
    }

    /// Learns from an attempt of this kind that came to its end.
    pub(super) fn note(&self, kind: UpstreamKind, error: Option<&UpstreamError>) {
        let Some(error) = error else { return self.breaker.answered() };
        match (self.is_own(error), error.kind()) {
            (true, what) if is_outage(what) => self.breaker.failed(error),
            // It says nothing about what the upstream would have said.
            (_, ErrorKind::Tls(_)) if !error.is_redirected() => {}
            (true, ErrorKind::Limited { retry_after: Some(wait), .. }) => {
                self.gates.shut(kind, *wait);
                self.breaker.answered();
            }
            // Whoever redirects is there. A token server elsewhere tells nothing about the upstream.
            (own, _) if own || error.is_redirected() => self.breaker.answered(),
            _ => {}
        }
    }

    /// Whether it was the upstream itself that failed.
    fn is_own(&self, error: &UpstreamError) -> bool {
        let uri = error.failed_at().url().parse::<Uri>();
        uri.is_ok_and(|uri| self.destinations.is_upstream(&uri))
    }
}

/// Whether a failure is that of an upstream which is not there.
fn is_outage(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Connect(_) | ErrorKind::Broken(_) => true,
        ErrorKind::Timeout { phase, .. } => !matches!(phase, Phase::Place | Phase::Client),
        ErrorKind::Status { status, .. } => is_gateways(*status),
        _ => false,
    }
}

/// Whether a status is one with which a gateway says that there is nobody behind it, for now.
pub(super) fn is_gateways(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}
