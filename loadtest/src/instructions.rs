//! What one request costs in instructions: a number that noise of a machine does not touch.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::cores;
use crate::engine::{Address, Ask};
use crate::error::Error;
use crate::leftovers;
use crate::report::{count, table};
use crate::scenario::fetch;
use crate::servers::{Bare, Onetag, Settings, read_counts};
use crate::upstream::{Blob, REPOSITORY, Upstream, tag};

/// Requests of each kind that go before those that are counted.
const WARM_UP: usize = 200;
/// How long a program may take to end and to write its counts.
const END_LIMIT: Duration = Duration::from_mins(1);

/// What is counted, and where it goes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct InstructionsArgs {
    /// How many requests of each kind are counted
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    requests: u32,

    /// The program [default: `onetag` beside this one]
    #[arg(long, value_name = "FILE")]
    onetag: Option<PathBuf>,

    /// Leave what callgrind wrote in a folder, for `callgrind_annotate`
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Instructions of the server for each request of a kind, on a connection that is kept.
#[derive(Debug, Serialize)]
struct Cost {
    work: &'static str,
    instructions: f64,
}

/// Counts, and prints: each kind of request in a run of its own, less a run with the warm-up alone.
pub(crate) fn instructions(args: &InstructionsArgs) -> Result<bool, Error> {
    let program = Onetag::find(args.onetag.as_deref())?;
    let temporary = tempfile::tempdir().map_err(Error::io("a folder for temporary files"))?;
    leftovers::made(temporary.path());
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder).map_err(Error::io(folder.display().to_string()))?;
    let upstream = Upstream::start(None, &[Blob { number: 0, size: 1 << 10 }])?;
    let blob = upstream.add(Blob { number: 1, size: 4 << 10 });
    let path = format!("/v2/{REPOSITORY}/manifests/{}", tag(0));
    let works = [
        ("tag hit", Ask::get(path.as_str())),
        ("HEAD hit", Ask::head(path.as_str())),
        ("blob hit, 4 KiB", Ask::get(format!("/v2/{REPOSITORY}/blobs/{blob}"))),
    ];
    let warm_up: Vec<_> = works.iter().flat_map(|(_, ask)| vec![ask.clone(); WARM_UP]).collect();
    let counted = |name: &str, more: &[Ask]| {
        let counts = folder.join(format!("{}.callgrind", name.replace([' ', ','], "-")));
        let asks = [&warm_up, more].concat();
        // Each begins with nothing.
        let data_dir = tempfile::tempdir_in(folder).map_err(Error::io(folder.display().to_string()))?;
        of_onetag(&program, &upstream, data_dir.path(), &counts, &asks)
    };
    let each = |all: u64, alone: u64| {
        #[expect(clippy::cast_precision_loss, reason = "instructions far below 2^53")]
        let more = all.saturating_sub(alone) as f64;
        more / f64::from(args.requests)
    };
    let alone = counted("warm-up", &[])?;
    let mut costs = Vec::new();
    for (work, ask) in &works {
        let all = counted(work, &vec![ask.clone(); args.requests as usize])?;
        costs.push(Cost { work, instructions: each(all, alone) });
    }
    // It is this program: one that is not optimised tells nothing.
    if !cfg!(debug_assertions) {
        let floor = |requests: usize| {
            let counts = folder.join(format!("bare-hyper-{requests}.callgrind"));
            of_bare(&program, &upstream, &path, &counts, requests)
        };
        let all = floor(WARM_UP + args.requests as usize)?;
        costs.push(Cost { work: "tag hit, bare hyper", instructions: each(all, floor(WARM_UP)?) });
    }
    publish(&costs, args.json.as_deref())?;
    Ok(true)
}

/// The instructions of a onetag's life in which it answers this.
fn of_onetag(
    program: &Path,
    upstream: &Upstream,
    data_dir: &Path,
    counts: &Path,
    asks: &[Ask],
) -> Result<u64, Error> {
    let onetag = Onetag::start(
        program,
        &Settings {
            upstream: upstream.url(),
            data_dir: Some(data_dir),
            more: ["--tag-ttl", "1d"].map(str::to_owned).to_vec(),
            cores: &first_core(),
            counts: Some(counts),
            ..Settings::default()
        },
    )?;
    fetch(&Address::plain(onetag.address), asks)?;
    ended(onetag.server.end(END_LIMIT), counts)
}

fn of_bare(
    program: &Path,
    upstream: &Upstream,
    path: &str,
    counts: &Path,
    requests: usize,
) -> Result<u64, Error> {
    // It has its answers from a onetag, so that the bytes are the same.
    let settings = Settings { upstream: upstream.url(), ..Settings::default() };
    let onetag = Onetag::start(program, &settings)?;
    let bare = Bare::start(onetag.address, &[path.to_owned()], None, &first_core(), Some(counts))?;
    fetch(&Address::plain(bare.address), &vec![Ask::get(path); requests])?;
    ended(bare.server.end(END_LIMIT), counts)
}

/// One thread serves, so that none waits for work on behalf of another.
fn first_core() -> Vec<usize> {
    cores::available().into_iter().take(1).collect()
}

fn ended(in_time: bool, counts: &Path) -> Result<u64, Error> {
    if in_time {
        read_counts(counts)
    } else {
        Err(Error::prepare("the program under valgrind", "it does not end"))
    }
}

fn publish(costs: &[Cost], json: Option<&Path>) -> Result<(), Error> {
    let mut rows = table(&["", "instructions for each request"]);
    for cost in costs {
        rows.add_row([cost.work.to_owned(), count(cost.instructions)]);
    }
    let note = if cfg!(debug_assertions) {
        "\nthe bare hyper server is not counted: it is a part of this program, which is not optimised"
    } else {
        ""
    };
    writeln!(std::io::stdout(), "{rows}{note}").map_err(Error::io("standard output"))?;
    if let Some(path) = json {
        let json = serde_json::to_vec_pretty(costs).map_err(|error| Error::prepare("the report", error))?;
        fs::write(path, json).map_err(Error::io(path.display().to_string()))?;
    }
    Ok(())
}
