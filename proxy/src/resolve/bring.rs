//! A blob that is brought into the cache, and read by nobody: what cannot be kept is not fetched.

use std::collections::HashSet;
use std::sync::Arc;

use onetag_oci::{Blob, Digest, Repository};

use crate::cache::{Blobs, Follower, Found, Joined};

use super::blob::{Asking, BlobRequest};
use super::error::ResolveError;
use super::resolver::Resolver;

/// How often the cache is looked at while it changes.
const LOOKS: usize = 5;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// It was here.
    Here,
    /// It is here now, and so many bytes came.
    Fetched(u64),
    /// The upstream lacks it.
    Absent,
    /// The cache cannot take it, or could not to its end.
    NotKept,
}

/// The room of the cache, for blobs that are to be in it together.
pub(super) struct Room {
    counted: HashSet<Digest>,
    left: u64,
}

impl Room {
    pub(super) fn of(blobs: Option<&Arc<Blobs>>) -> Self {
        Self { counted: HashSet::new(), left: blobs.map_or(0, |blobs| blobs.max_bytes()) }
    }

    /// Whether there is room for one more, as far as its size is known.
    pub(super) fn takes(&mut self, blob: &Blob) -> bool {
        if self.counted.contains(&blob.digest) {
            return true;
        }
        let left = self.left.checked_sub(Blobs::size_on_disk(blob.size.unwrap_or(0)));
        if let Some(left) = left {
            self.left = left;
            self.counted.insert(blob.digest.clone());
        }
        left.is_some()
    }
}

impl Resolver {
    /// Sees to it that a blob of a repository is in the cache.
    pub(super) async fn bring(
        self: &Arc<Self>,
        blobs: &Arc<Blobs>,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Brought, ResolveError> {
        let request = BlobRequest { repository: repository.clone(), digest, head: false, range: None };
        Asking::new(self, &request).bring(blobs).await
    }
}

impl Asking<'_> {
    async fn bring(&self, blobs: &Arc<Blobs>) -> Result<Brought, ResolveError> {
        let BlobRequest { repository, digest, .. } = self.request;
        let mut allowed = false;
        for _ in 0..LOOKS {
            if found(blobs, digest).await {
                return Ok(if self.may_read().await? { Brought::Here } else { Brought::Absent });
            }
            match blobs.join(digest, repository, allowed, &self.feed) {
                Joined::Started(follower) | Joined::Joined(follower) => {
                    if let Some(brought) = self.at_the_end_of(follower, blobs).await? {
                        return Ok(brought);
                    }
                }
                Joined::Foreign if self.may_read().await? => allowed = true,
                Joined::Foreign => return Ok(Brought::Absent),
                Joined::Here => {}
                Joined::Closed => return Ok(Brought::NotKept),
            }
        }
        Ok(Brought::NotKept)
    }

    /// What an arrival brought; none where another repository's says nothing of this one.
    async fn at_the_end_of(
        &self,
        mut follower: Follower,
        blobs: &Arc<Blobs>,
    ) -> Result<Option<Brought>, ResolveError> {
        let BlobRequest { repository, digest, .. } = self.request;
        let is_own = follower.repository() == repository;
        match follower.finished().await {
            Ok(true) if is_own => self.resolver.links.note(repository, digest),
            Ok(true) => {}
            Ok(false) | Err(_) if !is_own => return Ok(None),
            Ok(false) => return Ok(Some(Brought::Absent)),
            Err(error) => return Err(self.failed(error)),
        }
        let (_, bytes) = follower.progress();
        Ok(Some(if blobs.has(digest) { Brought::Fetched(bytes) } else { Brought::NotKept }))
    }
}

/// Whether the cache has a blob that is right, however long it takes to verify it.
async fn found(blobs: &Arc<Blobs>, digest: &Digest) -> bool {
    loop {
        match blobs.find(digest).await {
            Found::Here { .. } => return true,
            Found::Missing => return false,
            Found::Slow => {}
        }
    }
}
