//! The count of one attempt.

use std::time::{Duration, Instant};

use crate::telemetry::{Metrics, UpstreamKind, UpstreamOutcome};

use super::breaker::Trial;
use super::error::UpstreamError;

/// Measures an attempt up to its headers and counts it once its outcome is known.
pub(super) struct Watch<'m> {
    metrics: &'m Metrics,
    kind: UpstreamKind,
    started: Instant,
    headers_after: Option<Duration>,
    absent: bool,
    /// Over once the outcome is known, or with an attempt that is given up.
    _trial: Option<Trial<'m>>,
}

impl<'m> Watch<'m> {
    pub(super) fn start(metrics: &'m Metrics, kind: UpstreamKind) -> Self {
        Self { metrics, kind, started: Instant::now(), headers_after: None, absent: false, _trial: None }
    }

    /// The same for an attempt that is a trial.
    pub(super) fn with(self, trial: Option<Trial<'m>>) -> Self {
        Self { _trial: trial, ..self }
    }

    /// The headers of the answer are here.
    pub(super) fn headers(&mut self) {
        self.headers_after = Some(self.started.elapsed());
    }

    /// The answer says that there is no such thing.
    pub(super) fn absent(&mut self) {
        self.absent = true;
    }

    /// Counts the attempt.
    pub(super) fn stop(self, error: Option<&UpstreamError>) {
        let outcome = match error {
            Some(error) => error.outcome(),
            None if self.absent => Some(UpstreamOutcome::Absent),
            None => Some(UpstreamOutcome::Ok),
        };
        let took = self.headers_after.unwrap_or_else(|| self.started.elapsed());
        if let Some(outcome) = outcome {
            self.metrics.upstream(self.kind, outcome, took);
        }
    }
}
