//! Proofs of what must hold under load and in trouble, over the real program and real sockets.
//!
//! Without arguments each runs in a short form; with them they run for as long as is wanted, see
//! `docs/operations.md`. All chance comes from the seed, and nothing is tried twice.

mod dice;
mod faultstorm;
mod keyflood;
mod outage;
mod stampede;
mod subject;
mod thing;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use futures_util::future::BoxFuture;

use self::subject::Subject;
use self::verdict::Verdict;

/// Proofs of what must hold under load and in trouble.
#[derive(Parser)]
#[command(name = "proof")]
struct Arguments {
    /// Only the proofs whose names contain one of these: faultstorm, outage, stampede, keyflood
    names: Vec<String>,
    /// Where all chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// faultstorm: how many faults strike
    #[arg(long, default_value_t = 600)]
    faults: usize,
    /// outage: how many pulls there are in each mode
    #[arg(long, default_value_t = 2_000)]
    pulls: usize,
    /// stampede: how many cold keys there are
    #[arg(long, default_value_t = 50)]
    keys: usize,
    /// stampede: how many callers each of them has
    #[arg(long, default_value_t = 100)]
    callers: usize,
    /// keyflood: how many random tags are asked for
    #[arg(long, default_value_t = 50_000)]
    flood: usize,
    /// The program to be proved, if not the one that was built with this
    #[arg(long, value_name = "PATH")]
    onetag: Option<PathBuf>,
    /// Taken, because the test harness takes it
    #[arg(long, hide = true)]
    nocapture: bool,
}

/// What all proofs are given.
struct Plan {
    arguments: Arguments,
    subject: Subject,
}

type Proof = for<'a> fn(&'a Plan) -> BoxFuture<'a, Verdict>;

const PROOFS: [(&str, Proof); 4] = [
    ("faultstorm", |plan| Box::pin(faultstorm::run(plan))),
    ("outage", |plan| Box::pin(outage::run(plan))),
    ("stampede", |plan| Box::pin(stampede::run(plan))),
    ("keyflood", |plan| Box::pin(keyflood::run(plan))),
];

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are for whoever runs this")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = Plan { subject: Subject::new(arguments.onetag.clone()), arguments };
    let names = &plan.arguments.names;
    let mut held = true;
    for (name, proof) in PROOFS {
        if names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str())) {
            let begin = Instant::now();
            let verdict = proof(&plan).await;
            held &= verdict.holds();
            println!("{name:<11}  {verdict}\n{:<11}  took {:.1} s", "", begin.elapsed().as_secs_f64());
        }
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
