//! The command line.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::compare::{self, CompareArgs};
use crate::cores;
use crate::engine::{Load, Pace, Protocol};
use crate::error::Error;
use crate::instructions::{InstructionsArgs, instructions};
use crate::leftovers;
use crate::process;
use crate::report::{self, Report, Run};
use crate::run::run;
use crate::scenario::{Scenario, Target, prepare};
use crate::servers::{BareArgs, serve_bare};
use crate::size::Size;
use crate::upstream::Upstream;

/// Something that was asked for was answered wrong, or not at all.
const FAILED_REQUESTS: u8 = 3;

/// What an onetag can carry, measured on this machine.
///
/// Without --target everything that takes part is started on loopback and stopped again: a onetag, and an upstream that
/// makes images from numbers. Exit codes: 0, all requests were answered right; 3, some were not (the report is written
/// all the same); 2, wrong usage; 1, there was no run.
#[derive(Debug, Parser)]
#[command(name = "onetag-loadtest", version, max_term_width = 100)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One scenario against one server
    #[command(flatten)]
    Scenario(ScenarioCommand),
    /// The same requests against onetag, nginx, docker-registry and a bare hyper server, in rounds; and the bars
    Compare(CompareArgs),
    /// Instructions for each cached request, counted by valgrind's callgrind: repeatable where times are not
    Instructions(InstructionsArgs),
    #[command(hide = true)]
    ServeBare(BareArgs),
}

macro_rules! scenarios {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        #[derive(Debug, Subcommand)]
        enum ScenarioCommand { $($(#[$doc])* $name(Options)),* }

        impl ScenarioCommand {
            fn split(self) -> (Scenario, Options) {
                match self { $(Self::$name(options) => (Scenario::$name, options)),* }
            }
        }
    };
}

scenarios! {
    /// A merged tag that is cached
    TagHit,
    /// The same with HEAD
    HeadHit,
    /// A merged index by its digest
    DigestHit,
    /// Tags that nobody has asked for yet: each is merged from two
    ColdMerge,
    /// Tags that are past their time: the upstream is asked each time
    Revalidate,
    /// Many clients ask for the same cold tag at once
    Stampede,
    /// A blob that is in the data directory
    BlobHit,
    /// Blobs that come from the upstream, are verified and kept
    BlobCold,
    /// All nodes of a cluster pull an image of 10 layers at once, none of it cached
    Rollout,
    /// Laptops in the morning: tags at random (Zipf), each with the image of one platform
    Morning,
    /// An upstream that takes 2 s for each answer: cached tags, and 1 % that are not
    SlowUpstream,
    /// Names that do not exist, ten for each that does
    Keyflood,
}

/// How the load is made.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Requests per second, whatever the answers do (what waits counts); without it a scenario's usual pace
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "maximum")]
    rate: Option<f64>,

    /// As many requests as are answered
    #[arg(long)]
    maximum: bool,

    /// How long is measured; rollout and blob-cold last until all is pulled
    #[arg(long, default_value = "10s", value_parser = duration)]
    duration: Duration,

    /// How long is asked before that
    #[arg(long, default_value = "2s", value_parser = short)]
    warm_up: Duration,

    /// Requests under way at most; with HTTP/1.1 as many connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: Option<u32>,

    /// HTTP/1.1 or HTTP/2
    #[arg(long, default_value = "http1")]
    pub(crate) protocol: Protocol,

    /// Requests under way on each connection of HTTP/2 [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    streams: Option<u32>,

    /// Start onetag with a certificate
    #[arg(long, conflicts_with = "target")]
    pub(crate) tls: bool,

    /// How many cached tags there are
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) tags: u32,

    /// How many blobs blob-cold pulls
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) blobs: u32,

    /// How large a blob is [default: 64 MiB; a layer of rollout: 1 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) blob_size: Option<Size>,

    /// How long the upstream takes for each answer
    #[arg(long, value_parser = short)]
    pub(crate) latency: Option<Duration>,

    /// The cores of the server, as in 0,1 [default: the first one, where there are several]
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub(crate) server_cores: Vec<usize>,

    /// The cores of the load, with a thread on each [default: those that the server has not]
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub(crate) load_cores: Vec<usize>,

    /// The program [default: `onetag` beside this one]
    #[arg(long, value_name = "FILE")]
    pub(crate) onetag: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    outputs: Outputs,
}

/// Where results go.
#[derive(Debug, Clone, Args)]
pub(crate) struct Outputs {
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the results as a page with plots
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

impl Outputs {
    /// Whether the files can be written, told before the run; what is in them stays until there is something new.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.json.is_some() && self.json == self.html {
            return Err(Error::Usage("--json and --html name the same file".into()));
        }
        for path in self.json.iter().chain(&self.html) {
            let file = fs::OpenOptions::new().append(true).create(true).open(path);
            file.map_err(Error::io(path.display().to_string()))?;
        }
        Ok(())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if rate > 0.0 && rate <= 10_000_000.0 { Ok(rate) } else { Err("is not between 0 and 10,000,000".into()) }
}

fn short(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration > Duration::from_hours(1) { Err("is more than 1h".into()) } else { Ok(duration) }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_millis(100) || duration > Duration::from_hours(1) {
        return Err("is not between 100ms and 1h".into());
    }
    Ok(duration)
}

/// The cores of the server and of the load, where they are not named: one for the server, the others for the load; all
/// for both where there is one alone.
pub(crate) fn split_cores(server: &mut Vec<usize>, load: &mut Vec<usize>) -> Result<(), Error> {
    let available = cores::available();
    if let Some(wrong) = server.iter().chain(&*load).find(|core| !available.contains(core)) {
        return Err(Error::Usage(format!("there is no core {wrong} here, but {available:?}")));
    }
    if available.len() > 1 {
        if server.is_empty() {
            server.extend(available.iter().find(|core| !load.contains(core)));
        }
        if load.is_empty() {
            load.extend(available.iter().filter(|core| !server.contains(core)));
        }
        if let Some(both) = load.iter().find(|core| server.contains(core)) {
            return Err(Error::Usage(format!("core {both} is for the server and for the load")));
        }
    }
    for cores in [server, load] {
        cores.sort_unstable();
        cores.dedup();
    }
    Ok(())
}

impl Options {
    pub(crate) fn concurrency(&self, scenario: Scenario) -> usize {
        self.connections.map_or(scenario.usual_concurrency(), |count| count as usize)
    }

    pub(crate) fn blob_bytes(&self) -> u64 {
        self.blob_size.map_or(64 << 20, Size::as_u64)
    }

    /// What clap cannot tell.
    fn check(&self) -> Result<(), Error> {
        if self.streams.is_some() && self.protocol != Protocol::Http2 {
            return Err(Error::Usage("--streams needs --protocol http2".into()));
        }
        match self.target.pid {
            Some(pid) if !process::exists(pid) => Err(Error::Usage(format!("there is no process {pid}"))),
            _ => Ok(()),
        }
    }

    fn pace(&self, scenario: Scenario) -> Pace {
        match self.rate {
            Some(rate) => Pace::Rate(rate),
            None if self.maximum => Pace::Maximum,
            None => scenario.usual_pace(),
        }
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    use std::io::Write as _;
    let what = Command::parse().what;
    raise_descriptors();
    if !matches!(what, What::ServeBare(_)) {
        leftovers::watch();
    }
    let done = match what {
        What::Scenario(command) => {
            let (scenario, options) = command.split();
            scenario_run(scenario, options)
        }
        What::Compare(args) => compare::compare(args),
        What::Instructions(args) => instructions(&args),
        What::ServeBare(args) => serve_bare(&args).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED_REQUESTS),
        Err(error) => {
            writeln!(std::io::stderr(), "onetag-loadtest: {error}").ok();
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

/// As many descriptors as the system lets this process have, for its connections; children inherit it.
fn raise_descriptors() {
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, ..now }).ok();
}

/// One scenario; whether all requests were answered right.
fn scenario_run(scenario: Scenario, mut options: Options) -> Result<bool, Error> {
    split_cores(&mut options.server_cores, &mut options.load_cores)?;
    options.check()?;
    options.outputs.check()?;
    let prepared = prepare(scenario, &options)?;
    let load = Load {
        address: prepared.address.clone(),
        source: prepared.source.clone(),
        pace: options.pace(scenario),
        concurrency: options.concurrency(scenario),
        streams: if options.protocol == Protocol::Http2 { options.streams.unwrap_or(16) as usize } else { 1 },
        warm_up: if scenario.warms_up() { options.warm_up } else { Duration::ZERO },
        duration: if scenario.is_finite() { Duration::from_hours(1) } else { options.duration },
        is_awake: scenario.is_hit() && cores::available().len() > options.load_cores.len(),
        progress: Arc::default(),
        cores: options.load_cores.clone(),
    };
    let upstream = prepared.own.as_ref().map(|own| &own.upstream);
    let before = upstream.map(Upstream::requests);
    let measured = run(&load, prepared.pid, &scenario.name());
    let asked = upstream.zip(before).map(|(upstream, before)| upstream.requests() - before);
    let server = options.target.url.as_deref().unwrap_or("onetag");
    let run = Run::new(&scenario.name(), server, &load, &measured, asked);
    let report = Report::new(vec![run], None);
    report::publish(&report, &options.outputs)?;
    Ok(report.failed() == 0)
}
