//! The distribution specification 1.1 as a list of checks, each with a name of its own, after the four workflows
//! of the official suite. They know a registry by its address and a login alone.

mod discovery;
mod management;
mod manifests;
mod pull;
mod registries;
mod subject;
mod suite;
mod through;
mod uploads;
mod verdict;

pub(crate) use suite::conforms;
