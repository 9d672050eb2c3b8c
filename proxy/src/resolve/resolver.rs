//! The resolver: everything that a decision needs, in one place.

use std::sync::Arc;
use std::time::Duration;

use onetag_config::Config;
use onetag_oci::{Digest, Repository, Tag};

use crate::cache::{
    Blobs, Configs, Content, Links, Manifests, MergedStore, Occurring, Store, TagRecord, Tags,
};
use crate::flight::Flights;
use crate::merge::Rules;
use crate::telemetry::Metrics;
use crate::upstream::Upstream;

use super::error::ResolveError;

/// Decides what tags and digests are. One for each upstream; shared by all connections.
pub struct Resolver {
    pub(super) upstream: Upstream,
    pub(super) metrics: Arc<Metrics>,
    pub(super) rules: Rules,
    pub(super) times: Times,
    pub(super) tags: Tags,
    pub(super) manifests: Manifests,
    pub(super) configs: Configs,
    pub(super) occurring: Occurring,
    pub(super) merged: MergedStore,
    pub(super) blobs: Option<Arc<Blobs>>,
    pub(super) links: Links,
    pub(super) tag_flights: Flights<(Repository, Tag), Result<TagRecord, ResolveError>>,
    pub(super) digest_flights: Flights<(Repository, Digest), DigestResult>,
    pub(super) link_flights: Flights<(Repository, Digest), Result<bool, ResolveError>>,
    pub(super) learning: Flights<(Repository, usize), ()>,
}

pub(super) type DigestResult = Result<Option<Arc<Content>>, ResolveError>;

/// For how long what is believed.
pub(super) struct Times {
    pub(super) tag: Duration,
    pub(super) absent: Duration,
    pub(super) stale_if_error: Duration,
}

impl Resolver {
    /// A resolver in front of `upstream`; merged indexes go to `disk` and blobs to `blobs`, where there is one.
    pub fn new(
        upstream: Upstream,
        config: &Config,
        disk: Option<Arc<dyn Store>>,
        blobs: Option<Arc<Blobs>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let Config { cache, merge, rule, .. } = config;
        let times = Times {
            tag: cache.tag_ttl.get(),
            absent: cache.negative_ttl.get(),
            stale_if_error: cache.stale_if_error.get(),
        };
        let memory = cache.memory.bytes();
        let rules = Rules::new(rule, merge);
        let keep = times.tag.max(times.stale_if_error).max(times.absent).max(rules.longest_hold() * 2);
        Self {
            upstream,
            metrics,
            rules,
            tags: Tags::new(memory / 2, keep),
            manifests: Manifests::new(memory / 4),
            configs: Configs::new(memory / 8),
            occurring: Occurring::new(merge.relearn.get()),
            merged: MergedStore::new(memory / 8, disk),
            blobs,
            links: Links::default(),
            times,
            tag_flights: Flights::default(),
            digest_flights: Flights::default(),
            link_flights: Flights::default(),
            learning: Flights::default(),
        }
    }

    /// The registry behind this resolver, for what is only passed through.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Notes the caches' sizes in the metrics.
    pub fn measure(&self) {
        let bytes = self.tags.weight() + self.manifests.weight();
        self.metrics.cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
