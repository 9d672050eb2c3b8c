//! Whether the upstream is to be asked at all: not while it is down, nor while it wants to be left alone.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Uri};

use crate::telemetry::UpstreamKind;

use super::ask::Ask;
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
    /// The gate before a question. A limit of the registry's rate is not one of its storage's, nor that of
    /// pushes, which are not repeated here, one of pulls.
    fn of(&self, ask: &Ask) -> Option<&Gate> {
        match ask.kind {
            // A limit is one account's. Each caller runs into its own, and shuts nobody else out.
            _ if ask.is_on_behalf() => None,
            UpstreamKind::Blob | UpstreamKind::Token | UpstreamKind::Probe | UpstreamKind::Write => None,
            UpstreamKind::Other => Some(&self.lists),
            UpstreamKind::Manifest | UpstreamKind::Head | UpstreamKind::Config => Some(&self.others),
        }
    }

    /// Shuts what a 429 to a question is about. Whoever limits manifests is not asked for lists.
    fn shut(&self, ask: &Ask, wait: Duration) {
        if ask.is_on_behalf() || ask.kind == UpstreamKind::Write {
            return;
        }
        self.lists.shut(wait);
        if ask.kind != UpstreamKind::Other {
            self.others.shut(wait);
        }
    }
}

impl Health {
    /// Whether a question may go out.
    pub(super) async fn admit(&self, ask: &Ask) -> Result<Option<Trial<'_>>, ErrorKind> {
        self.breaker.look()?;
        match self.gates.of(ask).and_then(Gate::left) {
            Some(left) => Err(ErrorKind::Limited { retry_after: Some(left), detail: Detail::default() }),
            None => self.breaker.admit().await,
        }
    }

    /// Learns from an attempt at a question that came to its end.
    pub(super) fn note(&self, ask: &Ask, error: Option<&UpstreamError>) {
        // Storage where an upload goes on tells nothing about the upstream.
        if !self.destinations.is_upstream(&ask.uri) {
            return;
        }
        let Some(error) = error else { return self.breaker.answered() };
        match (self.is_own(error), error.kind()) {
            (true, what) if is_outage(what) => self.breaker.failed(error),
            // It says nothing about what the upstream would have said.
            (_, ErrorKind::Tls(_)) if !error.is_redirected() => {}
            (_, ErrorKind::Client(_)) => {}
            (true, ErrorKind::Limited { retry_after: Some(wait), .. }) => {
                self.gates.shut(ask, *wait);
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
