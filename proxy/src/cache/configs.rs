//! What image configs say, by their digest: immutable, so known for good once read.

use std::sync::Arc;

use moka::sync::Cache;
use onetag_oci::{Digest, ImageConfig};

/// Read image configs, bounded by bytes. Only merges look here; no client is ever answered from it.
pub struct Configs(Cache<Digest, Arc<ImageConfig>>);

impl Configs {
    /// Room for `bytes` of configs.
    pub fn new(bytes: u64) -> Self {
        Self(
            Cache::builder()
                .max_capacity(bytes)
                .weigher(|_, config: &Arc<ImageConfig>| weight(config))
                .build(),
        )
    }

    /// The config of this digest, if it is here.
    pub fn get(&self, digest: &Digest) -> Option<Arc<ImageConfig>> {
        self.0.get(digest)
    }

    /// The bytes that are held.
    pub fn weight(&self) -> u64 {
        self.0.weighted_size()
    }

    /// Keeps a config that was verified against this digest.
    pub fn put(&self, digest: &Digest, config: &Arc<ImageConfig>) {
        self.0.insert(digest.clone(), Arc::clone(config));
    }
}

fn weight(config: &ImageConfig) -> u32 {
    const FIXED: usize = 256;
    let labels: usize = config.labels.iter().map(|(key, value)| key.len() + value.len() + 48).sum();
    u32::try_from(FIXED + labels).unwrap_or(u32::MAX)
}
