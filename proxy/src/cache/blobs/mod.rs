//! Blobs on disk: each fetched once, verified, and read by any number of callers, also while it arrives.

mod arrival;
mod blobs;
mod body;
mod check;
mod directory;
mod download;
mod evict;
mod feed;
mod index;
mod piece;
mod reader;
mod verified;

#[cfg(test)]
mod tests;

pub use arrival::Follower;
pub use blobs::{BlobSettings, Blobs, Found, Holder, Joined, OpenBlobsError};
pub use body::{BlobBody, Part};
pub use feed::{BlobError, Feed, FeedBody, FeedError, Opened};
