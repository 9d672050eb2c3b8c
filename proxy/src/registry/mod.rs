//! The HTTP surface: the OCI distribution API as clients see it (distribution-spec, `docs/wire.md`).

mod blob;
mod body;
mod endpoint;
mod error;
mod manifest;
mod notification;
mod passed;
mod peer;
mod range;
mod referrers;
mod service;
mod tags;
mod webhook;

pub use body::Body;
pub use endpoint::Endpoint;
pub use error::{Code, RegistryError};
pub use peer::Peer;
pub use service::Registry;
