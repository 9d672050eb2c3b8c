//! Which repositories are known to have which blobs: a file in the cache of blobs answers for those alone
//! (threats T2, T12).

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use onetag_oci::{Digest, Repository};

/// The most links that are remembered; one takes some hundred bytes.
const MAX_LINKS: u64 = 100_000;

/// Repositories and the blobs that the upstream was seen to serve in them.
pub struct Links(Cache<(Repository, Digest), ()>);

impl Default for Links {
    fn default() -> Self {
        // Not by frequency: what was asked for just now is asked for again.
        Self(Cache::builder().max_capacity(MAX_LINKS).eviction_policy(EvictionPolicy::lru()).build())
    }
}

impl Links {
    /// Whether the repository is known to have the blob.
    #[expect(clippy::unused_async, reason = "callers must not count on an answer from memory")]
    pub async fn knows(&self, repository: &Repository, digest: &Digest) -> bool {
        self.0.get(&(repository.clone(), digest.clone())).is_some()
    }

    /// Notes that the repository has the blob.
    #[expect(clippy::unused_async, reason = "callers must not count on an answer from memory")]
    pub async fn note(&self, repository: &Repository, digest: &Digest) {
        self.0.insert((repository.clone(), digest.clone()), ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_is_of_one_repository_and_one_blob() {
        let (links, one, two) = (Links::default(), Digest::sha256(b"1"), Digest::sha256(b"2"));
        let (a, b): (Repository, Repository) = ("a".parse().unwrap(), "b".parse().unwrap());
        links.note(&a, &one).await;
        assert!(links.knows(&a, &one).await);
        assert!(!links.knows(&a, &two).await && !links.knows(&b, &one).await);
    }
}
