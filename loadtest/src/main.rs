//! What an onetag can carry: load for it and for its neighbours, side by side in one run.

mod certificates;
mod cli;
mod compare;
mod cores;
mod engine;
mod error;
mod instructions;
mod leftovers;
mod plan;
mod process;
mod report;
mod run;
mod scenario;
mod servers;
mod size;
mod upstream;

fn main() -> std::process::ExitCode {
    cli::main()
}
