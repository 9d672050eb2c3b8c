//! The tables of a store, and what can be done to them.

use bytes::Bytes;

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
    pub(super) const ALL: [Self; 6] =
        [Self::About, Self::Merged, Self::Manifests, Self::Sources, Self::Tags, Self::Links];

    /// Its name on the disk.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Merged => "merged",
            Self::Manifests => "manifests",
            Self::Sources => "elsewhere",
            Self::Tags => "tags",
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
