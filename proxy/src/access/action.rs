//! What a caller may do with a repository.

/// Something that is done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read its tags, manifests and blobs.
    Pull,
    /// Write them.
    Push,
    /// Remove them.
    Delete,
}
