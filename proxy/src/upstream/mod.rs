//! The registry behind onetag: requests with credentials, bounded in time and size.

mod ask;
mod attempt;
mod auth;
mod blob_stream;
mod body;
mod breaker;
mod cause;
mod challenge;
mod client;
mod connection;
mod connector;
mod content_range;
mod credential;
mod credentials;
mod destination;
mod detail;
mod docker;
mod error;
mod gather;
mod head;
mod headers;
mod health;
mod kind;
mod manifest;
mod pace;
mod places;
mod probe;
mod redirect;
mod retry;
mod retry_after;
mod setup;
mod stream;
mod throttle;
mod token;
mod token_fetch;
mod transport;
mod verdict;
mod watch;

#[cfg(test)]
mod tests;

pub use body::UpstreamBody;
pub use breaker::Last;
pub use cause::Cause;
pub use client::{BlobRange, Upstream};
pub use credentials::Credentials;
pub use destination::Refused;
pub use detail::Detail;
pub use error::{Asked, Fault, UpstreamError};
pub use head::Head;
pub use kind::{Denied, ErrorKind, Phase, Wrong};
pub use manifest::Manifest;
pub use setup::SetupError;
