//! What onetag's tests stand on: a scriptable in-memory registry, image fixtures, a plain HTTP client,
//! certificates and a process runner.
//!
//! Nothing here depends on a crate of onetag, and digests are computed by another library than the
//! product's, so that a bug there cannot hide behind the same bug here.
#![expect(
    clippy::missing_panics_doc,
    reason = "a test kit reports every failure by a panic, in each function"
)]

mod background;
pub mod client;
mod digest;
pub mod image;
pub mod oracle;
pub mod process;
pub mod registry;
pub mod tls;

pub use background::wait_for;
pub use image::{Image, Index, sha256, sha512};
pub use process::{DockerRegistry, Onetag, require, run};
pub use registry::{Account, BlobServer, Fault, Kind, Locations, Match, Recorded, Registry, TokenServer};
pub use tls::Authority;
