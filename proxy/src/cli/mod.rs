//! The command line: arguments in, exit code out.

mod args;
mod check;
mod client_config;
mod descriptors;
mod exit;
mod healthcheck;
mod inspect;
mod reload;
mod serve;
mod settings;
mod sites;
mod table;
mod target;
mod warm;

pub use exit::run;
