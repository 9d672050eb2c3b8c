//! What image configs say, by their digest: immutable, so known for good once read.

use std::sync::Arc;

use moka::sync::Cache;
use onetag_oci::{Digest, ImageConfig, Platform};

const MOST_BYTES: u64 = 8 << 20;

/// Read image configs, bounded by bytes. Only merges look here; no client is ever answered from it.
pub struct Configs(Cache<Digest, Arc<ImageConfig>>);

impl Configs {
    /// Room for `bytes` of configs, or for as many as are worth it: only a merge that is made again spares a
    /// request by them.
    pub fn new(bytes: u64) -> Self {
        Self(
            Cache::builder()
                .max_capacity(bytes.min(MOST_BYTES))
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
    /// What is read of a config, its key, and what the cache needs for an entry.
    const FIXED: usize = 640;
    let ImageConfig { platform, created, revision, version } = config;
    let Platform { architecture, os, os_version, os_features, variant, .. } = platform;
    let texts = [architecture, os, os_version, variant, created].into_iter();
    let texts = texts.chain(os_features).chain(revision).chain(version);
    u32::try_from(FIXED + texts.map(|text| text.len() + 24).sum::<usize>()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_a_config_weighs() {
        let text = |field: &str| format!(r#"{{"{field}":"{}"}}"#, "x".repeat(100_000));
        for field in ["architecture", "os", "variant", "os.version", "created"] {
            let config = ImageConfig::parse(text(field).as_bytes()).unwrap();
            assert!((100_000..110_000).contains(&weight(&config)), "{field}");
        }
    }
}
