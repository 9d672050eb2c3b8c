//! What was measured, as data.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::machine::Machine;
use crate::compare::Comparison;
use crate::engine::{Class, Load, Pace, Protocol, Second};
use crate::run::Measured;

/// Everything that one call of the program measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The version of this program.
    pub(crate) version: &'static str,
    /// When it ended, in UTC.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) runs: Vec<Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comparison: Option<Comparison>,
}

/// One load against one server.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) scenario: String,
    pub(crate) server: String,
    pub(crate) protocol: Protocol,
    pub(crate) tls: bool,
    /// Requests per second that were due; none: as many as were answered.
    pub(crate) rate_wanted: Option<f64>,
    /// Requests under way at most.
    pub(crate) concurrency: usize,
    pub(crate) warm_up_seconds: f64,
    /// From the end of the warm-up to the last right answer, and no less than it was meant to last.
    pub(crate) elapsed_seconds: f64,
    /// Requests that were answered right.
    pub(crate) answered: u64,
    /// All others.
    pub(crate) failed: u64,
    /// Right answers per second.
    pub(crate) rate: f64,
    /// Of their bodies.
    pub(crate) bytes: u64,
    pub(crate) mib_per_second: f64,
    pub(crate) times: Times,
    pub(crate) classes: Vec<ClassReport>,
    pub(crate) seconds: Vec<SecondReport>,
    /// Where the server's process is known.
    pub(crate) resources: Option<Resources>,
    /// Processor time of the load, and of the upstream where it is in this process, as a share of the cores it has.
    pub(crate) load_share: f64,
    /// What the upstream was asked, the warm-up included.
    pub(crate) upstream_requests: Option<u64>,
}

/// Times from when requests were due to the last byte of the answer, in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Times {
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// Percentile and time, closer together towards 100.
    pub(crate) curve: Vec<(f64, f64)>,
}

/// The requests of one kind.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClassReport {
    pub(crate) name: &'static str,
    pub(crate) answered: u64,
    /// How many failed, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) times: Times,
}

/// One second of a run; times in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SecondReport {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What the server used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Resources {
    /// Of user and system, within the run.
    pub(crate) cpu_seconds: f64,
    /// Cores that were busy with it.
    pub(crate) cores_busy: f64,
    /// Processor time in microseconds for each right answer.
    pub(crate) cpu_per_request: f64,
    /// Resident bytes before the warm-up, at most, and at the end.
    pub(crate) rss_before: u64,
    pub(crate) rss_peak: u64,
    pub(crate) rss_after: u64,
    /// Seconds since the end of the warm-up, cores that were busy, resident bytes.
    pub(crate) samples: Vec<(f64, f64, u64)>,
}

/// Percentiles of the curve: 0, 10, ... 90, 91, ... 99, 99.1, ... 99.99.
pub(super) fn percentiles() -> impl Iterator<Item = f64> {
    let steps = |from: f64, step: f64, count: u32| (0..count).map(move |n| from + step * f64::from(n));
    steps(0.0, 5.0, 18).chain(steps(90.0, 1.0, 9)).chain(steps(99.0, 0.1, 9)).chain(steps(99.9, 0.01, 10))
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds below 2^53 are 104 days")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1_000.0
}

impl Times {
    fn new(times: &Histogram<u64>) -> Self {
        let at = |percentile| micros(times.value_at_percentile(percentile));
        Self {
            min: micros(times.min()),
            mean: times.mean() / 1_000.0,
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: micros(times.max()),
            curve: percentiles().map(|percentile| (percentile, at(percentile))).collect(),
        }
    }
}

impl From<&Class> for ClassReport {
    fn from(class: &Class) -> Self {
        let failures = class.failures.iter().map(|(failure, count)| (failure.to_string(), *count)).collect();
        Self { name: class.name, answered: class.times.len(), failures, times: Times::new(&class.times) }
    }
}

impl From<&Second> for SecondReport {
    fn from(second: &Second) -> Self {
        let at = |percentile| micros(second.times.value_at_percentile(percentile));
        Self { answered: second.times.len(), failed: second.failures, p50: at(50.0), p99: at(99.0) }
    }
}

impl Resources {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    fn new(measured: &Measured) -> Option<Self> {
        let last = measured.samples.last()?;
        let cpu_seconds = measured.cpu().as_secs_f64();
        let answered = measured.totals.answered().max(1) as f64;
        let mut samples = Vec::new();
        // The clock that is sampled has steps of 10 ms.
        let far = |from: &crate::run::Sample, to: &crate::run::Sample| {
            to.at.saturating_sub(from.at).as_millis() >= 200
        };
        let mut from = measured.samples[0];
        for sample in &measured.samples {
            if far(&from, sample) {
                let cores = (sample.usage.cpu.saturating_sub(from.usage.cpu)).as_secs_f64()
                    / sample.at.saturating_sub(from.at).as_secs_f64();
                samples.push((sample.at.as_secs_f64(), cores, sample.usage.rss));
                from = *sample;
            }
        }
        Some(Self {
            cpu_seconds,
            cores_busy: cpu_seconds / measured.sampled().as_secs_f64().max(1e-9),
            cpu_per_request: cpu_seconds * 1e6 / answered,
            rss_before: measured.before.rss,
            rss_peak: measured.samples.iter().map(|sample| sample.usage.rss).max().unwrap_or(0),
            rss_after: last.usage.rss,
            samples,
        })
    }
}

impl Run {
    /// What a load against a server gave.
    #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^53")]
    pub(crate) fn new(
        scenario: &str,
        server: &str,
        load: &Load,
        measured: &Measured,
        upstream_requests: Option<u64>,
    ) -> Self {
        let totals = &measured.totals;
        let elapsed = totals.span().as_secs_f64();
        let cores = load.cores.len().max(1) as f64;
        Self {
            scenario: scenario.to_owned(),
            server: server.to_owned(),
            protocol: load.address.protocol,
            tls: load.address.tls.is_some(),
            rate_wanted: match load.pace {
                Pace::Rate(rate) => Some(rate),
                Pace::Maximum => None,
            },
            concurrency: load.concurrency,
            warm_up_seconds: load.warm_up.as_secs_f64(),
            elapsed_seconds: elapsed,
            answered: totals.answered(),
            failed: totals.failed(),
            rate: totals.rate(),
            bytes: totals.bytes(),
            mib_per_second: totals.bytes() as f64 / f64::from(1 << 20) / elapsed.max(1e-9),
            times: Times::new(&totals.times()),
            classes: totals.classes.iter().map(Into::into).collect(),
            seconds: totals.seconds.iter().map(Into::into).collect(),
            resources: Resources::new(measured),
            load_share: measured.own_cpu.as_secs_f64() / elapsed.max(1e-9) / cores,
            upstream_requests,
        }
    }
}

impl Report {
    pub(crate) fn new(runs: Vec<Run>, comparison: Option<Comparison>) -> Self {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self { version: env!("CARGO_PKG_VERSION"), date, machine: Machine::this(), runs, comparison }
    }

    /// Requests of all runs that were not answered right.
    pub(crate) fn failed(&self) -> u64 {
        self.runs.iter().map(|run| run.failed).sum()
    }
}
