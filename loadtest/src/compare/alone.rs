//! What onetag is measured in alone: round trips, cores, memory, its start.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::bars::{Bar, Bound};
use super::{CompareArgs, Spread};
use crate::cores;
use crate::engine::{Address, Ask, Load, Pace, Source};
use crate::error::Error;
use crate::leftovers;
use crate::plan::{cycle, numbered};
use crate::report::Run;
use crate::run::run;
use crate::scenario::{Own, OwnPlan, fetch};
use crate::servers::{Onetag, Settings};
use crate::upstream::{Blob, REPOSITORY, Upstream, index_tag, tag};

/// How far away the upstream is where round trips are counted.
const LATENCY: Duration = Duration::from_millis(50);
const STARTS: u32 = 9;
/// Tags that are cached before those whose memory is told, or half of them where there are few.
const FIRST_TAGS: u32 = 20_000;

/// The bars that are wanted; runs that they come from are added to `runs`.
pub(super) fn bars(
    args: &CompareArgs,
    wanted: &dyn Fn(&str) -> bool,
    runs: &mut Vec<Run>,
) -> Result<Vec<Bar>, Error> {
    let program = Onetag::find(args.onetag.as_deref())?;
    let mut bars = Vec::new();
    if wanted("cold merge") {
        let images = ("cold merge, upstream 50 ms away", 2, tag as Naming);
        bars.push(cold_merge(args, &program, runs, images)?);
        let indexes = ("cold merge of indexes, the same", 3, index_tag as Naming);
        bars.push(cold_merge(args, &program, runs, indexes)?);
    }
    if wanted("cores") && cores::available().len() > 1 {
        bars.push(cores_bar(args, &program, runs)?);
    }
    if wanted("memory") && args.tags > 0 {
        bars.push(memory(args, &program, runs)?);
    }
    if wanted("start") {
        bars.extend(start(args, &program)?);
    }
    Ok(bars)
}

/// The name of the tag with a number.
type Naming = fn(u32) -> String;

fn manifest(tag: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{tag}")
}

/// Tags that nobody has asked for, from `first` on.
fn fresh(first: u32, tag: Naming) -> Arc<dyn Source> {
    numbered(&["tag"], move |number| {
        let number = first.checked_add(u32::try_from(number).ok()?)?;
        Some(Ask::get(manifest(&tag(number))).merged())
    })
}

fn own<'a>(args: &'a CompareArgs, program: &'a Path, layers: &'a [Blob]) -> OwnPlan<'a> {
    OwnPlan {
        program,
        layers,
        tls: false,
        more: Vec::new(),
        server_cores: &args.server_cores,
        load_core: args.load_cores.last().copied(),
    }
}

fn load(address: Address, source: Arc<dyn Source>, pace: Pace, args: &CompareArgs) -> Load {
    Load {
        address,
        source,
        pace,
        concurrency: 256,
        streams: 1,
        warm_up: Duration::ZERO,
        duration: args.duration,
        is_awake: false,
        progress: Arc::default(),
        cores: args.load_cores.clone(),
    }
}

fn cold_merge(
    args: &CompareArgs,
    program: &Path,
    runs: &mut Vec<Run>,
    (name, round_trips, tag): (&str, u32, Naming),
) -> Result<Bar, Error> {
    let own = Own::start(own(args, program, &[]))?;
    let address = Address::plain(own.onetag.address);
    // The first pull of a repository teaches onetag which members there are.
    fetch(&address, &[Ask::get(manifest(&tag(0)))])?;
    std::thread::sleep(Duration::from_millis(200));
    own.upstream.set_latency(LATENCY);
    let trip = {
        let source = cycle("tag", vec![Ask::get(manifest(&tag(0)))]);
        let load = load(Address::plain(own.upstream.address()), source, Pace::Rate(50.0), args);
        let measured = run(&load, None, "round trip to the upstream");
        let run = Run::new("round trip to the upstream", "upstream", &load, &measured, None);
        let trip = run.times.p50 / 1_000.0;
        runs.push(run);
        trip
    };
    let mut medians = Vec::new();
    for round in 0..args.rounds {
        let source = fresh(1 + round * 1_000_000, tag);
        let load = load(address.clone(), source, Pace::Rate(50.0), args);
        let measured = run(&load, Some(own.onetag.server.pid()), name);
        let run = Run::new(name, "onetag", &load, &measured, None);
        medians.push(run.times.p50 / 1_000.0);
        runs.push(run);
    }
    let bound = round_trips * u32::try_from(LATENCY.as_millis()).unwrap_or(u32::MAX) + 5;
    let unit = format!("ms ({round_trips} round trips + 5 ms)");
    let bar = Bar::new(name, Bound::AtMost(bound.into()), &unit, Spread::of(medians), "ms");
    let bar = bar.with_note(format!("median of each round; the upstream alone takes {trip:.1} ms"));
    Ok(bar.of(runs.iter().filter(|run| run.scenario == name)))
}

/// Processor time for each request with the server on one core, and on all.
fn cores_bar(args: &CompareArgs, program: &Path, runs: &mut Vec<Run>) -> Result<Bar, Error> {
    let one = Own::start(own(args, program, &[]))?;
    let all_cores = cores::available();
    let all = Own::start(OwnPlan { server_cores: &all_cores, ..own(args, program, &[]) })?;
    let mut ratios = Vec::new();
    for own in [&one, &all] {
        fetch(&Address::plain(own.onetag.address), &[Ask::get(manifest(&tag(0)))])?;
    }
    for _ in 0..args.rounds {
        let mut costs = Vec::new();
        for (name, own) in [("tag hit, server on one core", &one), ("tag hit, server on all cores", &all)] {
            let source = cycle("tag", vec![Ask::get(manifest(&tag(0)))]);
            let address = Address::plain(own.onetag.address);
            // What the load takes of a core is not there for a server on all of them.
            let load = load(address, source, Pace::Rate(20_000.0), args);
            let measured = run(&load, Some(own.onetag.server.pid()), name);
            let run = Run::new(name, "onetag", &load, &measured, None);
            costs.push(run.resources.as_ref().map_or(0.0, |used| used.cpu_per_request));
            runs.push(run);
        }
        ratios.push(costs[1] / costs[0].max(1e-9));
    }
    let name = format!("processor time for each tag hit, {} cores against 1", all_cores.len());
    let silent = ratios.iter().any(|ratio| *ratio <= 0.0);
    Ok(Bar::new(&name, Bound::AtMost(1.1), "x", Spread::of(ratios), "x")
        .with_note("20,000 requests/s; the load leaves no room for a maximum rate on all cores")
        .of(runs.iter().filter(|run| run.scenario.starts_with("tag hit, server on")))
        .void(0, silent))
}

/// Resident memory for each merged tag that is cached.
fn memory(args: &CompareArgs, program: &Path, runs: &mut Vec<Run>) -> Result<Bar, Error> {
    let upstream = Upstream::start(args.load_cores.last().copied(), &[])?;
    let onetag = Onetag::start(
        program,
        &Settings {
            upstream: upstream.url(),
            more: ["--memory", "8 GiB", "--tag-ttl", "1d"].map(str::to_owned).to_vec(),
            cores: &args.server_cores,
            ..Settings::default()
        },
    )?;
    let address = Address::plain(onetag.address);
    fetch(&address, &[Ask::get(manifest(&tag(0)))])?;
    std::thread::sleep(Duration::from_millis(200));
    let fill = |first: u32, count: u32| {
        let source = numbered(&["tag"], move |number| {
            let number = u32::try_from(number).ok().filter(|number| *number < count)?;
            Some(Ask::get(manifest(&tag(first + number))).merged())
        });
        let load = Load {
            duration: Duration::from_hours(1),
            concurrency: 64,
            ..load(address.clone(), source, Pace::Maximum, args)
        };
        let measured = run(&load, Some(onetag.server.pid()), "memory");
        // What was dropped is given back a little later.
        std::thread::sleep(Duration::from_secs(2));
        (Run::new("memory", "onetag", &load, &measured, None), onetag.server.usage().rss)
    };
    let few = FIRST_TAGS.min(args.tags / 2).max(1);
    let (first, before) = fill(1, few);
    let (second, after) = fill(1 + few, args.tags.saturating_sub(few).max(1));
    let count = u32::try_from(second.answered).unwrap_or(u32::MAX).max(1);
    #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^53")]
    let each = after.saturating_sub(before) as f64 / f64::from(count) / 1_024.0;
    let note = format!("{count} tags, {:.0} a second; with the manifests of both images", second.rate);
    let name = "memory for each cached merged tag";
    let bar = Bar::new(name, Bound::AtMost(1.5), "KiB", Spread::of([each]), "KiB").with_note(note);
    let bar = bar.of([&first, &second]).void(0, after == 0);
    runs.extend([first, second]);
    Ok(bar)
}

/// The program's start, its memory at rest and its size.
fn start(args: &CompareArgs, program: &Path) -> Result<Vec<Bar>, Error> {
    let folder = tempfile::tempdir().map_err(Error::io("a folder for temporary files"))?;
    leftovers::made(folder.path());
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        let data_dir = folder.path().join(number.to_string());
        let settings = Settings {
            upstream: "http://127.0.0.1:9".to_owned(),
            data_dir: Some(&data_dir),
            cores: &args.server_cores,
            ..Settings::default()
        };
        let onetag = Onetag::start(program, &settings)?;
        times.push(onetag.server.started_in.as_secs_f64() * 1_000.0);
        std::thread::sleep(Duration::from_millis(500));
        memory.push(onetag.server.usage().rss);
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^53")]
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let size = fs::metadata(program).map_err(Error::io(program.display().to_string()))?.len();
    let note = if cfg!(debug_assertions) { "not a release build" } else { "" };
    Ok(vec![
        Bar::new(
            "memory at rest",
            Bound::AtMost(12.0),
            "MiB",
            Spread::of(memory.into_iter().map(mib)),
            "MiB",
        ),
        Bar::new("start to ready", Bound::AtMost(30.0), "ms", Spread::of(times), "ms"),
        Bar::new("size of the program", Bound::AtMost(15.0), "MiB", Spread::of([mib(size)]), "MiB")
            .with_note(note),
    ])
}
