//! An in-memory OCI distribution registry on 127.0.0.1 that can be told to fail and to lie.

mod access;
mod account;
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
mod jwt;
mod manners;
mod routes;
mod server;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod token_server;

pub use account::Account;
pub use builder::Builder;
pub use cdn::BlobServer;
pub use fault::{Fault, FaultId, Match};
pub use handle::Registry;
pub use journal::{Kind, Recorded};
pub use manners::Locations;
pub use token_server::TokenServer;
