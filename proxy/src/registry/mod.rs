//! The HTTP surface: the OCI distribution API as clients see it (distribution-spec, `docs/wire.md`).

mod blob;
mod body;
mod call;
mod catalog;
mod endpoint;
mod error;
mod external;
mod fields;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod host;
mod manifest;
mod notification;
mod passed;
mod peer;
mod ping;
mod query;
mod range;
mod referrers;
mod relay;
mod routes;
mod sealed;
mod service;
mod tags;
mod template;
mod upload;
mod webhook;
mod write;

pub use body::Body;
pub use endpoint::Endpoint;
pub use error::{Code, RegistryError};
pub use external::External;
pub use peer::Peer;
pub use routes::{Routes, Site};
pub use service::Registry;
pub use write::Content;
