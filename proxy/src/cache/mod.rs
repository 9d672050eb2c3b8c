//! What onetag remembers: tags, which move, and content, which does not.

mod blobs;
mod configs;
mod content;
mod links;
mod manifests;
mod merged;
mod occurring;
mod store;
mod tags;

pub use blobs::{
    BlobBody, BlobError, BlobSettings, Blobs, Feed, FeedBody, FeedError, Follower, Found, Joined,
    OpenBlobsError, Opened, Part,
};
pub use configs::Configs;
pub use content::{Content, DigestMismatch};
pub use links::Links;
pub use manifests::Manifests;
pub use merged::MergedStore;
pub use occurring::{Knowledge, Occurring};
pub use store::{DiskStore, MemoryStore, OpenError, Sources, Store, StoreError};
pub use tags::{Origin, Single, TagRecord, Tagged, Tags};
