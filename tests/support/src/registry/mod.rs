//! An in-memory OCI distribution registry on 127.0.0.1 that can be told to fail and to lie.

mod access;
mod answer;
mod body;
mod builder;
mod cdn;
mod connection;
mod endpoint;
mod fault;
mod front;
mod handle;
mod journal;
mod routes;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod token;

pub use builder::Builder;
pub use cdn::BlobServer;
pub use fault::{Fault, FaultId, Match};
pub use handle::Registry;
pub use journal::{Kind, Recorded};
