//! One run: its threads, its connections, and who asks on each.

use super::ask::Ask;
use super::connect::Address;
use super::connection::Connection;
use super::pace::{Arrivals, Pace};
use super::record::{Failure, Recorder, Totals};

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use crate::cores;

/// How long what is under way at the end may take before it counts as unanswered.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// How long nothing may be answered before a run is given up.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of requests that were never sent, how many are told apart by class.
const MOST_LEFT: usize = 1_000_000;

const BEFORE_THE_FIRST: Duration = Duration::from_millis(5);

/// What is asked for: the requests of one run, by number. Every class of them is counted apart.
pub(crate) trait Source: Send + Sync {
    /// The names of the classes; [`Ask::class`] is a place in this list.
    fn classes(&self) -> Vec<&'static str>;

    /// The request of this number; none ends the run.
    fn ask(&self, number: u64) -> Option<Ask>;
}

/// How far a run is, for whoever watches; what counts is in the [`Totals`].
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// When the first request is due: all connections are made by then.
    begin: OnceLock<Instant>,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// When the first request was due; none before the connections are made.
    pub(crate) fn begin(&self) -> Option<Instant> {
        self.begin.get().copied()
    }

    /// Comes to an end once nothing was answered for [`PATIENCE`].
    async fn stalled(&self) {
        let mut last = (self.counts(), Instant::now());
        while last.1.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if last.0 != self.counts() {
                last = (self.counts(), Instant::now());
            }
        }
    }

    /// Requests answered right, and failed ones; the warm-up included.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.answered.load(Relaxed), self.failed.load(Relaxed))
    }
}

/// One run.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: Address,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) pace: Pace,
    /// Requests under way at most: connections of HTTP/1.1, or streams of HTTP/2.
    pub(crate) concurrency: usize,
    /// Streams on each connection; 1 with HTTP/1.1.
    pub(crate) streams: usize,
    /// What is asked before this is over is not counted.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Whether it stays awake while it waits. Who sleeps has to be woken by the server's core, a slow server's more
    /// often than a fast one's; that would not be so if the clients were elsewhere.
    pub(crate) is_awake: bool,
    /// How far it is.
    pub(crate) progress: Arc<Progress>,
    /// The cores that the load runs on, one thread each; empty: one thread, wherever the system puts it.
    pub(crate) cores: Vec<usize>,
}

impl Load {
    /// Runs it, on threads of its own, to the end. Connections are made before the first request is due.
    pub(crate) fn run(&self) -> Totals {
        let cores =
            if self.cores.is_empty() { vec![None] } else { self.cores.iter().copied().map(Some).collect() };
        let threads = cores.len();
        let opened = Arc::new(Barrier::new(threads));
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (load, core, opened) = (self.clone(), cores[thread], Arc::clone(&opened));
                thread::spawn(move || load.run_one(thread, threads, core, &opened))
            })
            .collect();
        let mut totals = Totals::new(&self.source.classes(), self.duration);
        for part in running {
            match part.join() {
                Ok(part) => totals.add(&part),
                Err(_) => totals.lost_thread(),
            }
        }
        totals
    }

    /// The share of one thread.
    fn run_one(&self, thread: usize, threads: usize, core: Option<usize>, opened: &Barrier) -> Totals {
        if let Some(core) = core {
            cores::pin(&[core]);
        }
        let mut builder = tokio::runtime::Builder::new_current_thread();
        if self.is_awake {
            // It looks for answers each time it has nothing else to do.
            builder.event_interval(1);
        }
        let runtime = match builder.enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime for the load: {error}"),
        };
        let share = (self.concurrency / threads + usize::from(thread < self.concurrency % threads)).max(1);
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let mut connections = Vec::new();
            for first in (0..share).step_by(self.streams) {
                let shared = Connection::new(self.address.clone());
                connections.extend((first..share.min(first + self.streams)).map(|_| shared.another()));
            }
            for connection in &mut connections {
                // What cannot be made shows with the first request.
                connection.open().await.ok();
            }
            // All threads begin at once.
            opened.wait();
            let begin = *self.progress.begin.get_or_init(|| Instant::now() + BEFORE_THE_FIRST);
            let recorder =
                Rc::new(Recorder::new(&self.source.classes(), begin + self.warm_up, self.duration));
            let pace = Rc::new(Arrivals::new(self.pace, begin, thread, threads));
            let end = begin + self.warm_up + self.duration;
            let mut workers = Vec::new();
            for connection in connections {
                let worker = Worker {
                    connection,
                    source: Arc::clone(&self.source),
                    pace: Rc::clone(&pace),
                    progress: Arc::clone(&self.progress),
                    recorder: Rc::clone(&recorder),
                    end,
                };
                workers.push(tokio::task::spawn_local(worker.run()));
            }
            let all = async {
                for worker in workers {
                    if worker.await.is_err() {
                        recorder.failed(0, Instant::now(), Failure::Broken);
                    }
                }
            };
            if self.is_awake {
                tokio::task::spawn_local(async {
                    loop {
                        tokio::task::yield_now().await;
                    }
                });
            }
            let last = tokio::time::Instant::from_std(end + LAST_WAIT);
            let is_over = tokio::select! {
                () = all => true,
                () = tokio::time::sleep_until(last) => false,
                () = self.progress.stalled() => false,
            };
            if !is_over {
                recorder.give_up();
                for (number, due) in pace.left(end).take(MOST_LEFT) {
                    let Some(ask) = self.source.ask(number) else { break };
                    recorder.failed(ask.class, due, Failure::NeverSent);
                }
                pace.left(end).for_each(|(_, due)| recorder.failed(0, due, Failure::NeverSent));
            }
            recorder.totals()
        })
    }
}

/// One place for a request under way.
struct Worker {
    connection: Connection,
    source: Arc<dyn Source>,
    pace: Rc<Arrivals>,
    progress: Arc<Progress>,
    recorder: Rc<Recorder>,
    end: Instant,
}

impl Worker {
    async fn run(mut self) {
        while let Some((number, due)) = self.pace.next(self.end).await {
            let Some(ask) = self.source.ask(number) else { return self.recorder.complete() };
            self.recorder.began(ask.class);
            let answer = self.connection.ask(&ask, None).await;
            self.recorder.ended(ask.class);
            let lost = answer.is_err();
            let outcome = ask.judge(answer);
            let count = if outcome.is_ok() { &self.progress.answered } else { &self.progress.failed };
            count.fetch_add(1, Relaxed);
            self.recorder.record(ask.class, due, outcome);
            if lost {
                // Not as fast as connections are refused: that would be another load than the one asked for.
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.connection.open().await.ok();
            }
        }
    }
}
