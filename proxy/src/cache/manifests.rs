//! Manifests and indexes by digest, in memory, bounded by bytes.

use std::sync::Arc;

use moka::sync::Cache;
use onetag_oci::{Digest, Repository};

use super::content::Content;

/// Immutable content by repository and digest.
///
/// The repository is part of the key: what one repository holds is no answer for another, whose
/// readers need not be the same (threats T2, T12).
pub struct Manifests(Cache<(Repository, Digest), Arc<Content>>);

impl Manifests {
    /// Room for `bytes` of content.
    pub fn new(bytes: u64) -> Self {
        let weigh = |_: &(Repository, Digest), content: &Arc<Content>| content.weight();
        Self(Cache::builder().max_capacity(bytes).weigher(weigh).build())
    }

    /// The content of this digest in this repository, if it is here.
    pub fn get(&self, repository: &Repository, digest: &Digest) -> Option<Arc<Content>> {
        self.0.get(&(repository.clone(), digest.clone()))
    }

    /// Keeps content under its own digest.
    pub fn put(&self, repository: &Repository, content: &Arc<Content>) {
        self.0.insert((repository.clone(), content.digest.clone()), Arc::clone(content));
    }

    /// The bytes that are held.
    pub fn weight(&self) -> u64 {
        self.0.weighted_size()
    }
}
