//! Why a store failed.

use std::time::Duration;

/// A store failed; what it holds is unknown.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the data directory: {0}")]
    Database(#[from] Box<redb::Error>),
    /// What was found is not what was kept.
    #[error("the data directory: {0} is damaged")]
    Damaged(String),
    /// The disk hangs.
    #[error("the data directory: no answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// It failed a moment ago and is left alone for a while.
    #[error("the data directory: it failed a moment ago")]
    Resting,
    /// The work on it panicked.
    #[error("the data directory: the work was lost")]
    Lost,
}
