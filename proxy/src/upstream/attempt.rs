//! One attempt at a question: the challenge answered, redirects followed.

use std::sync::Arc;

use http::{Response, StatusCode, Uri};
use hyper::body::Incoming;

use crate::flight::Flights;
use crate::telemetry::{Metrics, UpstreamKind};

use super::ask::Ask;
use super::auth::{Auth, Proof};
use super::challenge;
use super::destination::{Destinations, Refused};
use super::error::UpstreamError;
use super::health::Health;
use super::kind::ErrorKind;
use super::pace::Pace;
use super::redirect::{self, MAX_HOPS};
use super::right::Right;
use super::throttle::Throttle;
use super::transport::Transport;
use super::verdict;
use super::watch::Watch;

/// All that an attempt needs.
pub(super) struct Attempts {
    pub(super) transport: Transport,
    pub(super) auth: Auth,
    pub(super) destinations: Arc<Destinations>,
    pub(super) health: Health,
    pub(super) metrics: Arc<Metrics>,
    /// The question that tells what the upstream asks for.
    pub(super) hello: Ask,
    /// That question, once for all that wait for the answer.
    pub(super) introductions: Flights<(), Result<(), UpstreamError>>,
    /// How fast a client must take a stream.
    pub(super) pace: Pace,
    /// Warnings that something is asked for again.
    pub(super) retries_told: Throttle,
}

/// What the last host on the way answered; any status.
pub(super) struct Answer {
    pub(super) uri: Uri,
    pub(super) response: Response<Incoming>,
}

impl Attempts {
    /// Fails while the upstream is down.
    pub(super) fn admit(&self, ask: &Ask) -> Result<(), UpstreamError> {
        self.health.breaker.look().map_err(|kind| self.refuse(ask, kind))
    }

    /// Begins an attempt, if the upstream may be asked now.
    pub(super) async fn begin(&self, ask: &Ask) -> Result<Watch<'_>, UpstreamError> {
        let trial = self.health.admit(ask).await.map_err(|kind| self.refuse(ask, kind))?;
        // A write lasts for as long as its client takes: meanwhile, others may try.
        let trial = trial.filter(|_| ask.kind != UpstreamKind::Write);
        Ok(Watch::start(&self.metrics, ask.kind).with(trial))
    }

    /// Nothing is sent, and that is counted.
    fn refuse(&self, ask: &Ask, kind: ErrorKind) -> UpstreamError {
        self.metrics.upstream_refused(ask.kind);
        ask.failed(&ask.uri, kind)
    }

    /// Ends an attempt: counts it, and learns from it.
    pub(super) fn end(&self, ask: &Ask, watch: Watch<'_>, error: Option<&UpstreamError>) {
        self.health.note(ask, error);
        watch.stop(error);
    }

    /// Asks once.
    ///
    /// Authorization goes to the upstream's own origin only; a 401 from there is answered once.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, UpstreamError> {
        let mut proof = self.ahead(ask).await?;
        let mut uri = ask.uri.clone();
        let (mut challenged, mut hops) = (false, 0);
        loop {
            let own = self.destinations.is_upstream(&uri);
            let request = ask.request(&uri, proof.as_ref().filter(|_| own));
            let response = self.transport.send(request).await.map_err(|kind| ask.failed(&uri, kind))?;
            if own && !challenged && response.status() == StatusCode::UNAUTHORIZED {
                challenged = true;
                let Some(better) = self.answer(ask, &response, proof.as_ref()).await? else {
                    return Ok(Answer { uri, response });
                };
                proof = Some(better);
                self.transport.discard(response.into_body()).await;
                continue;
            }
            let target = redirect::target(&response, &uri, &self.destinations);
            let refused = |refused| ask.failed(&uri, ErrorKind::Redirect(refused));
            let Some(target) = target.map_err(refused)? else {
                return Ok(Answer { uri, response });
            };
            hops += 1;
            if hops > MAX_HOPS {
                return Err(refused(Refused::TooMany(MAX_HOPS)));
            }
            self.transport.discard(response.into_body()).await;
            uri = target;
        }
    }

    /// What to send before there is a challenge.
    pub(super) async fn ahead(&self, ask: &Ask) -> Result<Option<Proof>, UpstreamError> {
        match &ask.right {
            Right::Nobodys => Ok(None),
            Right::Own(scope) => self.auth.ahead(scope).await,
            Right::Callers(caller) => Ok(caller.proof()),
        }
    }

    /// What to send in answer to a 401; `None` when there is nothing better than what was refused.
    pub(super) async fn answer(
        &self,
        ask: &Ask,
        response: &Response<Incoming>,
        refused: Option<&Proof>,
    ) -> Result<Option<Proof>, UpstreamError> {
        match &ask.right {
            Right::Own(scope) => self.auth.answer(response.headers(), refused, scope, &ask.asked()).await,
            Right::Nobodys | Right::Callers(_) => Ok(None),
        }
    }

    /// The failure in an answer that is not the one hoped for.
    pub(super) async fn failure(&self, ask: &Ask, Answer { uri, response }: Answer) -> UpstreamError {
        let told = if ask.is_on_behalf() { challenge::told(response.headers()) } else { Box::default() };
        let own = self.destinations.is_upstream(&uri);
        ask.failed(&uri, verdict::failure(&self.transport, response, own.then_some(told)).await)
    }
}
