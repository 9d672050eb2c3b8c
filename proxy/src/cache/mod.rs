//! What onetag remembers: tags, which move, and content, which does not.

mod configs;
mod content;
mod manifests;
mod merged;
mod occurring;
mod store;
mod tags;

pub use configs::Configs;
pub use content::{Content, DigestMismatch};
pub use manifests::Manifests;
pub use merged::MergedStore;
pub use occurring::{Knowledge, Occurring};
pub use store::{DiskStore, MemoryStore, OpenError, Sources, Store, StoreError};
pub use tags::{Origin, Single, TagRecord, Tagged, Tags};
