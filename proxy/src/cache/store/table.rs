//! The tables of a store, and what can be done to them.

use bytes::Bytes;

use super::error::StoreError;

/// Keeps records by table and key. Calls may block on a disk.
pub trait Store: Send + Sync {
    /// The value of a key.
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Does all of this, or nothing of it; when it returns, it is done by this store's own standard.
    fn write(&self, writes: &[Write]) -> Result<(), StoreError>;

    /// At most `limit` keys of a table in their order, beginning with the first that is not below `from`.
    fn keys(&self, table: Table, from: &str, limit: usize) -> Result<Vec<String>, StoreError>;

    /// How often all that was kept before was lost, because the store had to be begun anew.
    fn lost(&self) -> u64;

    /// Whether a table is so full that it soon takes nothing new.
    fn is_crowded(&self) -> Result<bool, StoreError>;

    /// Removes some of what was neither written nor touched since `before`, in seconds of the Unix epoch; how many
    /// records those were, none when there is nothing left to remove.
    fn prune(&self, before: u64) -> Result<usize, StoreError>;
}

/// What kind of record something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// What the store belongs to; never pruned.
    About,
    /// Indexes that onetag made, by `repository@digest`: they are nowhere else (rule D4).
    Merged,
    /// Manifests and indexes of the upstream, by `repository@digest`.
    Manifests,
    /// The repositories in which digests of other repositories are, by `repository@digest` (rule X1).
    Sources,
    /// Tags, by `repository:tag`.
    Tags,
    /// What was pushed or deleted lately; never pruned.
    Changes,
    /// The blobs that repositories are known to have, by `repository@digest`.
    Links,
}

/// One change to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Keeps a value.
    Put(Table, String, Bytes),
    /// Notes that a record is in use.
    Touch(Table, String),
    /// Removes a record.
    Remove(Table, String),
}

impl Table {
    pub(super) const ALL: [Self; 7] =
        [Self::About, Self::Merged, Self::Manifests, Self::Sources, Self::Tags, Self::Changes, Self::Links];

    /// The most records of what can be had from the upstream again; about a gigabyte in all.
    pub(super) fn limit(self) -> Option<u64> {
        match self {
            Self::Manifests => Some(250_000),
            Self::Tags => Some(500_000),
            Self::Links => Some(1_000_000),
            Self::About | Self::Merged | Self::Sources | Self::Changes => None,
        }
    }

    /// Whether what nobody used for a long time is removed from it.
    pub(super) fn is_pruned(self) -> bool {
        !matches!(self, Self::About | Self::Changes)
    }

    /// Its name on the disk.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Merged => "merged",
            Self::Manifests => "manifests",
            Self::Sources => "elsewhere",
            Self::Tags => "tags",
            Self::Changes => "changes",
            Self::Links => "links",
        }
    }
}

impl Write {
    /// About how much memory it takes, in bytes.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 128;
        match self {
            Self::Put(_, key, value) => FIXED + key.len() + value.len(),
            Self::Touch(_, key) | Self::Remove(_, key) => FIXED + key.len(),
        }
    }
}
