//! What onetag remembers: tags, which move, and content, which does not.

mod configs;
mod content;
mod manifests;
mod store;
mod suffixes;
mod tags;

pub use configs::Configs;
pub use content::{Content, DigestMismatch};
pub use manifests::Manifests;
pub use store::{DiskStore, MemoryStore, MergedStore, OpenError, Store, StoreError};
pub use suffixes::{Knowledge, Suffixes};
pub use tags::{Single, TagRecord, Tagged, Tags};
