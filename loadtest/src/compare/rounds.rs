//! Each work in turn, round after round, and what comes of it.

use std::path::PathBuf;
use std::time::Duration;

use super::bars::{Bar, Bound};
use super::field::{Contest, Field, Runner};
use super::{Comparison, Spread, Standing, Work, alone};
use crate::cli::{Outputs, duration, split_cores};
use crate::cores;
use crate::engine::{Load, Pace};
use crate::error::Error;
use crate::process::usage;
use crate::report::{self, Report, Run};
use crate::run::run;

/// Before what is measured, where a work can be warmed up.
const WARM_UP: Duration = Duration::from_millis(500);

/// What is compared, and how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CompareArgs {
    /// How often each server takes each work
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// How long each server takes each work in a round
    #[arg(long, default_value = "3s", value_parser = duration)]
    pub(crate) duration: Duration,

    /// Only works whose name has this in it, as `tag` or `blob`; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,

    /// How many merged tags are cached to see what one takes; 0 leaves that out
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(0..=2_000_000))]
    pub(crate) tags: u32,

    /// How large the blobs are
    #[arg(long, value_name = "SIZE", default_value = "64 MiB")]
    pub(crate) blob_size: crate::size::Size,

    /// The core of the servers [default: the first one]
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub(crate) server_cores: Vec<usize>,

    /// The cores of the load [default: the others]
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub(crate) load_cores: Vec<usize>,

    /// The program [default: `onetag` beside this one]
    #[arg(long, value_name = "FILE")]
    pub(crate) onetag: Option<PathBuf>,

    /// Another build of onetag, which takes part as `before`
    #[arg(long, value_name = "FILE")]
    pub(crate) before: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// Compares; whether all requests were answered right.
pub(crate) fn compare(mut args: CompareArgs) -> Result<bool, Error> {
    split_cores(&mut args.server_cores, &mut args.load_cores)?;
    args.outputs.check()?;
    let field = Field::start(&args)?;
    let wanted =
        |name: &str| args.only.is_empty() || args.only.iter().any(|text| name.contains(text.as_str()));
    let contests: Vec<_> = field.contests()?.into_iter().filter(|contest| wanted(contest.name)).collect();
    let mut runs = Vec::new();
    let mut works = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "a few cores")]
    let cores = args.server_cores.len().max(1) as f64;
    for contest in &contests {
        let rounds = all_rounds(contest, Pace::Maximum, &args);
        works.push(work(contest, &rounds, cores));
        runs.extend(rounds.into_iter().flatten());
    }
    let mut bars = bars(&works);
    if wanted("tag hit") {
        let (bar, paced) = at_seventy(&field.paced(), &args);
        bars.push(bar);
        runs.extend(paced);
    }
    drop(contests);
    drop(field);
    let more = alone::bars(&args, &wanted, &mut runs)?;
    bars.extend(more);
    if bars.is_empty() && works.is_empty() {
        return Err(Error::Usage("no work has this in its name; without --only all are shown".into()));
    }
    let comparison = Comparison { rounds: args.rounds as usize, works, bars };
    let report = Report::new(runs, Some(comparison));
    report::publish(&report, &args.outputs)?;
    Ok(report.failed() == 0)
}

/// The p99 of onetag and of the bare server at 70 % of what onetag can do; in each round, of what it could just
/// before, since that changes with whatever else the machine does.
fn at_seventy(contest: &Contest<'_>, args: &CompareArgs) -> (Bar, Vec<Run>) {
    let (mut ratios, mut times, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let most = one(contest, &contest.runners[0], round, Pace::Maximum, args);
        let rate = (most.rate * 0.7).max(1.0);
        let both = contest.runners.iter().map(|runner| one(contest, runner, round, Pace::Rate(rate), args));
        let both: Vec<_> = both.collect();
        ratios.push(both[0].times.p99 / both[1].times.p99.max(1e-9));
        times.push((both[0].times.p99, both[1].times.p99, rate));
        runs.extend(both);
    }
    let middle = |of: fn(&(f64, f64, f64)) -> f64| Spread::of(times.iter().map(of)).median;
    let note = format!(
        "{:.0} us against {:.0} us at {:.0} requests/s",
        middle(|times| times.0),
        middle(|times| times.1),
        middle(|times| times.2)
    );
    let (name, bound) = ("p99 of tag hits at 70 %", Bound::AtMost(2.0));
    let bar = Bar::new(name, bound, "x bare hyper", Spread::of(ratios), "x").with_note(note).of(&runs);
    (bar, runs)
}

/// All rounds of a work, by server. Every second round takes the servers the other way round, so that what changes on
/// the machine meanwhile strikes all alike.
fn all_rounds(contest: &Contest<'_>, pace: Pace, args: &CompareArgs) -> Vec<Vec<Run>> {
    let mut runs: Vec<Vec<Run>> = contest.runners.iter().map(|_| Vec::new()).collect();
    for round in 0..args.rounds {
        let mut order: Vec<usize> = (0..contest.runners.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for place in order {
            runs[place].push(one(contest, &contest.runners[place], round, pace, args));
        }
    }
    runs
}

fn one(contest: &Contest<'_>, runner: &Runner<'_>, round: u32, pace: Pace, args: &CompareArgs) -> Run {
    let load = Load {
        address: runner.address.clone(),
        source: (runner.source)(round),
        pace,
        concurrency: contest.concurrency,
        streams: contest.streams,
        // A blob that began before the run would cost in it and not count.
        warm_up: if contest.unit == "MiB" { Duration::ZERO } else { WARM_UP },
        // What is cold ends by itself.
        duration: if contest.is_cold { Duration::from_mins(2) } else { args.duration },
        is_awake: !(contest.is_cold || runner.asks_upstream)
            && args.load_cores.len() < cores::available().len(),
        progress: std::sync::Arc::default(),
        cores: args.load_cores.clone(),
    };
    let name = format!("{}, {}, round {} of {}", contest.name, runner.name, round + 1, args.rounds);
    let measured = run(&load, Some(runner.pid), &name);
    let mut run = Run::new(contest.name, runner.name, &load, &measured, None);
    if contest.is_cold {
        let late = settled(runner.pid);
        run.resources.iter_mut().for_each(|used| used.cpu_seconds += late.as_secs_f64());
    }
    run
}

/// Waits until a server has written what it was sent, so that this strikes no other; the processor time of it.
fn settled(pid: u32) -> Duration {
    let begin = usage(pid).cpu;
    let mut last = begin;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(300));
        let now = usage(pid).cpu;
        if now == last {
            break;
        }
        last = now;
    }
    last.saturating_sub(begin)
}

/// The standings of a work.
fn work(contest: &Contest<'_>, rounds: &[Vec<Run>], cores: f64) -> Work {
    let is_bytes = contest.unit == "MiB";
    let rate = |run: &Run| if is_bytes { run.mib_per_second } else { run.rate };
    #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^53")]
    let cpu = |run: &Run| {
        let used = run.resources.as_ref();
        if is_bytes {
            used.map_or(0.0, |used| used.cpu_seconds * 1e6 / (run.bytes as f64 / f64::from(1 << 20)).max(1.0))
        } else {
            used.map_or(0.0, |used| used.cpu_per_request)
        }
    };
    let standings = contest.runners.iter().zip(rounds).enumerate().map(|(place, (runner, runs))| {
        let ratio = |of: &dyn Fn(&Run, &Run) -> f64| {
            (place > 0)
                .then(|| Spread::of(rounds[0].iter().zip(runs).map(|(onetag, other)| of(onetag, other))))
        };
        Standing {
            server: runner.name.to_owned(),
            rates: Spread::of(runs.iter().map(rate)),
            cpu: Spread::of(runs.iter().map(cpu)),
            ratio: ratio(&|onetag, other| rate(onetag) / rate(other).max(1e-9)),
            cpu_ratio: ratio(&|onetag, other| cpu(other) / cpu(onetag).max(1e-9)),
            busy: Spread::of(
                runs.iter().map(|run| run.resources.as_ref().map_or(0.0, |used| used.cores_busy / cores)),
            )
            .median,
            failed: runs.iter().map(|run| run.failed).sum(),
        }
    });
    Work { name: contest.name.to_owned(), unit: contest.unit, standings: standings.collect() }
}

/// Where a server was less busy than this, the load was the limit, and rates say little.
const SERVER_IS_LIMIT: f64 = 0.85;

/// The bars that the works are held against.
fn bars(works: &[Work]) -> Vec<Bar> {
    let wanted = [
        ("tag hit", "nginx", 1.2),
        ("tag hit", "bare hyper", 0.9),
        ("HEAD hit", "nginx", 1.2),
        ("HEAD hit", "bare hyper", 0.9),
        ("tag hit, TLS, HTTP/1.1", "nginx", 1.1),
        ("tag hit, TLS, HTTP/2", "nginx", 1.1),
        ("tag hit", "docker-registry", 50.0),
        ("blob hit", "nginx", 1.0),
        ("blob hit, TLS", "nginx", 1.0),
        ("blob cold", "nginx, uncached", 0.9),
    ];
    let standing = |name: &str, server: &str| {
        let work = works.iter().find(|work| work.name == name)?;
        let own = &work.standings[0];
        work.standings.iter().find(|standing| standing.server == server).map(|other| (own, other))
    };
    let bar = |(name, server, least): (&str, &str, f64)| {
        let (own, other) = standing(name, server)?;
        let limited = own.busy.min(other.busy) < SERVER_IS_LIMIT && server != "docker-registry";
        let (rate, cpu) = (other.ratio?, other.cpu_ratio?);
        let measured = if limited { cpu } else { rate };
        let note = match server {
            "docker-registry" => "it asks its upstream for each tag".to_owned(),
            _ if limited => {
                format!("by processor time, since the load was the limit; by rate {:.2} x", rate.median)
            }
            _ => String::new(),
        };
        let bar = Bar::new(name, Bound::AtLeast(least), &format!("x {server}"), measured, "x");
        let silent = own.rates.min <= 0.0 || other.rates.min <= 0.0;
        Some(bar.with_note(note).void(own.failed + other.failed, silent))
    };
    wanted.into_iter().filter_map(bar).collect()
}
