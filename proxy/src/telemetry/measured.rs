//! What is counted when somebody looks.

use std::ops::Add;

/// The size of one upstream's caches, and what is under way there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes in memory, about.
    pub cache_bytes: u64,
    /// Fills of tags and digests.
    pub fills: u64,
    /// Requests that wait for one.
    pub waiting_requests: u64,
    /// Bytes that wait to be written to the data directory.
    pub store_queue_bytes: u64,
}

impl Add for Measured {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cache_bytes: self.cache_bytes + other.cache_bytes,
            fills: self.fills + other.fills,
            waiting_requests: self.waiting_requests + other.waiting_requests,
            store_queue_bytes: self.store_queue_bytes + other.store_queue_bytes,
        }
    }
}
