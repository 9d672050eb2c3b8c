//! One run: the load, and beside it samples of what the server uses.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::{Load, Totals};
use crate::process::{Usage, own_usage, usage};

const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// What the server used at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Since the end of the warm-up.
    pub(crate) at: Duration,
    pub(crate) usage: Usage,
}

/// What a run gave.
pub(crate) struct Measured {
    pub(crate) totals: Totals,
    /// Of the server, from the end of the warm-up to the end of the run; empty where nobody knows its process.
    pub(crate) samples: Vec<Sample>,
    /// Before the warm-up.
    pub(crate) before: Usage,
    /// Processor time of the load itself, the upstream in this process included.
    pub(crate) own_cpu: Duration,
}

impl Measured {
    /// Processor time of the server within the run.
    pub(crate) fn cpu(&self) -> Duration {
        match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => last.usage.cpu.saturating_sub(first.usage.cpu),
            _ => Duration::ZERO,
        }
    }

    /// From the first sample to the last.
    pub(crate) fn sampled(&self) -> Duration {
        match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => last.at.saturating_sub(first.at),
            _ => Duration::ZERO,
        }
    }
}

/// Runs a load against the process `pid`, and tells on standard error how far it is, under this name.
pub(crate) fn run(load: &Load, pid: Option<u32>, name: &str) -> Measured {
    let done = Arc::new(AtomicBool::new(false));
    let before = pid.map(usage).unwrap_or_default();
    let watcher = {
        let (done, load, name) = (Arc::clone(&done), load.clone(), name.to_owned());
        thread::spawn(move || {
            let mut samples = Vec::new();
            let mut own_begin = None;
            while !done.load(Relaxed) {
                if let Some(begin) = load.progress.begin() {
                    let from = begin + load.warm_up;
                    if let Some(at) = Instant::now().checked_duration_since(from) {
                        own_begin.get_or_insert_with(own_usage);
                        samples.extend(pid.map(|pid| Sample { at, usage: usage(pid) }));
                    }
                    tell(&load, &name, begin);
                }
                // The first sample is of the very moment from which answers count.
                let wait = match load.progress.begin() {
                    None => Duration::from_millis(2),
                    Some(begin) => (begin + load.warm_up).saturating_duration_since(Instant::now()),
                };
                thread::park_timeout(if wait.is_zero() { SAMPLE_EVERY } else { wait.min(SAMPLE_EVERY) });
            }
            let from = load.progress.begin().map(|begin| begin + load.warm_up);
            samples.extend(pid.zip(from).map(|(pid, from)| Sample { at: from.elapsed(), usage: usage(pid) }));
            let own = own_usage().cpu.saturating_sub(own_begin.unwrap_or_else(own_usage).cpu);
            (samples, own)
        })
    };
    let totals = load.run();
    done.store(true, Relaxed);
    watcher.thread().unpark();
    let (samples, own_cpu) = watcher.join().unwrap_or_default();
    if std::io::stderr().is_terminal() {
        write!(std::io::stderr(), "\r\x1b[K").ok();
    }
    Measured { totals, samples, before, own_cpu }
}

/// One line that is written over, on a terminal.
fn tell(load: &Load, name: &str, begin: Instant) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let elapsed = begin.elapsed();
    let whole = load.warm_up + load.duration;
    let phase = if elapsed < load.warm_up { "warming up" } else { "measuring" };
    let (answered, failed) = load.progress.counts();
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let (elapsed, whole) = (elapsed.as_secs_f64(), whole.as_secs_f64());
    write!(
        std::io::stderr(),
        "\r\x1b[K{name}: {phase} {elapsed:.0}/{whole:.0} s, {answered} answered{failed}"
    )
    .ok();
    std::io::stderr().flush().ok();
}
