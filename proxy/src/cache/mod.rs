//! What onetag remembers: tags, which move, and content, which does not.

mod blobs;
mod changes;
mod configs;
mod content;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod links;
mod manifests;
mod merged;
mod occurring;
mod records;
mod saved;
mod store;
mod tags;
mod used;

pub use blobs::{
    BlobBody, BlobError, BlobSettings, Blobs, Feed, FeedBody, FeedError, Follower, Found, Joined,
    OpenBlobsError, Opened, Part,
};
pub use changes::{Change, Changes, Latest, Place};
pub use configs::Configs;
pub use content::{Content, DigestMismatch};
pub use links::Links;
pub use manifests::Manifests;
pub use merged::{MergedStore, with_sources};
pub use occurring::{Knowledge, Occurring};
pub use records::{Failure, Records};
pub use store::{Adopted, DiskStore, OpenError, Store, StoreError, Table, Write, adopt};
pub use tags::{Basis, Origin, Single, TagRecord, Tagged, Tags};
