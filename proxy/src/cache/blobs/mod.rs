//! Blobs on disk: each fetched once, verified, and read by any number of callers, also while it arrives.

mod arrival;
mod body;
mod cache;
mod check;
mod directory;
mod disk;
mod download;
mod evict;
mod feed;
mod index;
mod keep;
mod piece;
mod rate;
mod reader;
mod receive;
mod sending;
mod verified;

#[cfg(test)]
mod tests;

pub use arrival::Follower;
pub use body::{BlobBody, Part};
pub use cache::{BlobSettings, Blobs, Found, Joined, OpenBlobsError};
pub use feed::{BlobError, Feed, FeedBody, FeedError, Opened};
