//! What became of the requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest time that is told apart.
const LONGEST: Duration = Duration::from_mins(5);

/// Seconds that are told apart; what comes later is of the last one.
const MOST_SECONDS: usize = 3_700;

/// Why a request counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection, or no TLS on it.
    #[error("no connection, or no TLS on it")]
    Connect,
    /// An answer that does not tell its length; it cannot be seen whether all of it came.
    #[error("no Content-Length")]
    NoLength,
    /// The connection ended before the answer did.
    #[error("connection closed")]
    Closed,
    /// What came is no answer.
    #[error("malformed answer")]
    Malformed,
    /// Another status than the right one.
    #[error("status {0}")]
    Status(u16),
    /// Another length than the right one.
    #[error("wrong length")]
    Length,
    /// Not answered when the run was over.
    #[error("no answer")]
    Unanswered,
    /// Due, and never sent: all places were waiting when the run was over.
    #[error("never sent")]
    NeverSent,
    /// The answer is not the merged one.
    #[error("not merged")]
    NotMerged,
    /// The load itself broke.
    #[error("the load generator failed")]
    Broken,
}

/// Bytes of the body, or what was wrong.
pub(crate) type Outcome = Result<u64, Failure>;

/// What became of all requests of one class.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) name: &'static str,
    /// Of those that were answered right: nanoseconds from when they were due to the last byte.
    pub(crate) times: Histogram<u64>,
    pub(crate) failures: BTreeMap<Failure, u64>,
    /// Of bodies that were answered right.
    pub(crate) bytes: u64,
}

/// One second of a run, by when requests ended.
#[derive(Debug, Clone)]
pub(crate) struct Second {
    pub(crate) times: Histogram<u64>,
    pub(crate) failures: u64,
}

/// What became of all requests that were due after the warm-up.
#[derive(Debug, Clone)]
pub(crate) struct Totals {
    pub(crate) classes: Vec<Class>,
    pub(crate) seconds: Vec<Second>,
    /// How long it was meant to last.
    pub(crate) duration: Duration,
    /// From the end of the warm-up to the last right answer.
    pub(crate) elapsed: Duration,
    /// Whether it ended before its time because all was asked for.
    pub(crate) is_complete: bool,
}

/// The record of one thread.
pub(crate) struct Recorder {
    totals: RefCell<Totals>,
    from: Instant,
    /// By class.
    under_way: RefCell<Vec<u64>>,
}

fn histogram(digits: u8) -> Histogram<u64> {
    let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
    Histogram::new_with_bounds(1_000, longest, digits).unwrap_or_else(|error| panic!("wrong bounds: {error}"))
}

impl Totals {
    pub(crate) fn new(classes: &[&'static str], duration: Duration) -> Self {
        let class =
            |name: &&'static str| Class { name, times: histogram(3), failures: BTreeMap::new(), bytes: 0 };
        Self {
            classes: classes.iter().map(class).collect(),
            seconds: Vec::new(),
            duration,
            elapsed: Duration::ZERO,
            is_complete: false,
        }
    }

    /// Adds what another thread, or another run of the same load, recorded.
    pub(crate) fn add(&mut self, other: &Self) {
        self.elapsed = self.elapsed.max(other.elapsed);
        self.is_complete |= other.is_complete;
        for (class, other) in self.classes.iter_mut().zip(&other.classes) {
            class.times += &other.times;
            class.bytes += other.bytes;
            for (failure, count) in &other.failures {
                *class.failures.entry(*failure).or_default() += count;
            }
        }
        for (place, second) in other.seconds.iter().enumerate() {
            let own = self.second(place);
            own.times += &second.times;
            own.failures += second.failures;
        }
    }

    /// A thread died, and with it what it recorded: the run is worth nothing, and says so.
    pub(super) fn lost_thread(&mut self) {
        if let Some(class) = self.classes.first_mut() {
            *class.failures.entry(Failure::Broken).or_default() += 1;
        }
    }

    fn second(&mut self, place: usize) -> &mut Second {
        while self.seconds.len() <= place {
            self.seconds.push(Second { times: histogram(2), failures: 0 });
        }
        &mut self.seconds[place]
    }

    /// Requests that were answered right.
    pub(crate) fn answered(&self) -> u64 {
        self.classes.iter().map(|class| class.times.len()).sum()
    }

    pub(crate) fn failed(&self) -> u64 {
        self.classes.iter().flat_map(|class| class.failures.values()).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.classes.iter().map(|class| class.bytes).sum()
    }

    /// What rates are taken of: all the time that there was to ask, and more where the last answer came later.
    pub(crate) fn span(&self) -> Duration {
        let least = if self.is_complete { Duration::ZERO } else { self.duration };
        self.elapsed.max(least)
    }

    /// Right answers per second.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub(crate) fn rate(&self) -> f64 {
        self.answered() as f64 / self.span().as_secs_f64().max(1e-9)
    }

    /// The times of all classes together.
    pub(crate) fn times(&self) -> Histogram<u64> {
        let mut all = histogram(3);
        for class in &self.classes {
            all += &class.times;
        }
        all
    }
}

impl Recorder {
    /// What is due before `from` is not counted.
    pub(crate) fn new(classes: &[&'static str], from: Instant, duration: Duration) -> Self {
        let under_way = RefCell::new(vec![0; classes.len()]);
        Self { totals: RefCell::new(Totals::new(classes, duration)), from, under_way }
    }

    pub(super) fn began(&self, class: usize) {
        self.under_way.borrow_mut()[class] += 1;
    }

    pub(super) fn ended(&self, class: usize) {
        self.under_way.borrow_mut()[class] -= 1;
    }

    /// All was asked for.
    pub(super) fn complete(&self) {
        self.totals.borrow_mut().is_complete = true;
    }

    /// What is still under way is given up, and counts.
    pub(super) fn give_up(&self) {
        let under_way = std::mem::take(&mut *self.under_way.borrow_mut());
        for (class, count) in under_way.into_iter().enumerate() {
            (0..count).for_each(|_| self.failed(class, Instant::now(), Failure::Unanswered));
        }
    }

    pub(crate) fn failed(&self, class: usize, due: Instant, failure: Failure) {
        self.record(class, due, Err(failure));
    }

    /// Counts what ended now.
    pub(crate) fn record(&self, class: usize, due: Instant, outcome: Outcome) {
        if due < self.from {
            return;
        }
        let now = Instant::now();
        let totals = &mut *self.totals.borrow_mut();
        let elapsed = now.saturating_duration_since(self.from);
        let time = u64::try_from(now.saturating_duration_since(due).as_nanos()).unwrap_or(u64::MAX);
        let second = usize::try_from(elapsed.as_secs()).unwrap_or(MOST_SECONDS).min(MOST_SECONDS - 1);
        match outcome {
            Ok(bytes) => {
                totals.elapsed = elapsed;
                totals.classes[class].times.saturating_record(time);
                totals.classes[class].bytes += bytes;
                totals.second(second).times.saturating_record(time);
            }
            Err(failure) => {
                *totals.classes[class].failures.entry(failure).or_default() += 1;
                totals.second(second).failures += 1;
            }
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_counts_as_what_it_is_and_the_warm_up_does_not() {
        let from = Instant::now();
        let recorder = Recorder::new(&["tag", "blob"], from, Duration::from_secs(2));
        recorder.record(0, from.checked_sub(Duration::from_secs(1)).unwrap(), Ok(5));
        recorder.record(0, from, Ok(5));
        recorder.record(1, from, Ok(7));
        recorder.record(1, from, Err(Failure::Status(503)));
        recorder.began(0);
        recorder.began(1);
        recorder.ended(0);
        recorder.give_up();
        let mut totals = recorder.totals();
        totals.add(&recorder.totals());
        assert_eq!((totals.answered(), totals.failed(), totals.bytes()), (4, 4, 24));
        let failures = BTreeMap::from([(Failure::Status(503), 2), (Failure::Unanswered, 2)]);
        assert_eq!(totals.classes[1].failures, failures);
        assert_eq!(totals.seconds.iter().map(|second| second.failures).sum::<u64>(), 4);
        totals.elapsed = Duration::from_secs(1);
        assert!((totals.rate() - 2.0).abs() < 1e-9, "no answer in the second half");
        totals.is_complete = true;
        assert!((totals.rate() - 4.0).abs() < 1e-9);
    }
}
