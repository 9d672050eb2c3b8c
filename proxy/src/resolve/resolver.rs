//! The resolver: everything that a decision needs, in one place.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use onetag_config::Config;
use onetag_oci::{Digest, Repository, Tag};
use prometheus::IntGauge;

use crate::cache::{
    self, Blobs, Configs, Content, Links, Manifests, MergedStore, Occurring, Records, Store, TagRecord, Tags,
};
use crate::flight::Flights;
use crate::merge::Rules;
use crate::telemetry::Metrics;
use crate::upstream::Upstream;

use super::error::ResolveError;
use super::invalidate::Changes;
use super::times::Times;

/// How often the data directory is looked through for what nobody used.
const PRUNED_EVERY: Duration = Duration::from_hours(6);

/// Decides what tags and digests are. One for each upstream; shared by all connections.
pub struct Resolver {
    pub(super) upstream: Upstream,
    pub(super) metrics: Arc<Metrics>,
    pub(super) rules: Rules,
    /// By the place of the rule.
    pub(super) times: Vec<Times>,
    pub(super) tags: Tags,
    pub(super) manifests: Manifests,
    pub(super) configs: Configs,
    pub(super) occurring: Occurring,
    pub(super) merged: MergedStore,
    pub(super) changes: Changes,
    records: Arc<Records>,
    retention: Duration,
    pub(super) blobs: Option<Arc<Blobs>>,
    pub(super) links: Links,
    pub(super) tag_flights: Flights<(Repository, Tag), Result<TagRecord, ResolveError>>,
    pub(super) digest_flights: Flights<(Repository, Digest), DigestResult>,
    pub(super) link_flights: Flights<(Repository, Digest), Result<bool, ResolveError>>,
    pub(super) learning: Flights<(Repository, usize), ()>,
}

pub(super) type DigestResult = Result<Option<Arc<Content>>, ResolveError>;

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
        let times = Times::all(config);
        let memory = cache.memory.bytes();
        let rules = Rules::new(rule, merge);
        let longest = times.iter().map(Times::longest).max().unwrap_or_default();
        let keep = longest.max(rules.longest_hold() * 2);
        let prepared = disk.as_deref().map(|disk| prepare(disk, &upstream));
        let records = Arc::new(Records::new(disk, &metrics));
        let merged = MergedStore::new(memory / 8, Arc::clone(&records), prepared.unwrap_or_default());
        Self {
            upstream,
            metrics,
            rules,
            tags: Tags::new(memory / 2, keep, Arc::clone(&records), fingerprint(config)),
            manifests: Manifests::new(memory / 4, Arc::clone(&records)),
            configs: Configs::new(memory / 8),
            occurring: Occurring::new(merge.relearn.get()),
            merged,
            changes: Changes::default(),
            blobs,
            links: Links::new(Arc::clone(&records)),
            records,
            retention: cache.retention.get(),
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

    /// Removes from the data directory what nobody used for the time of retention, now and every few hours;
    /// never ends.
    pub async fn prune(self: Arc<Self>) {
        loop {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            let before = now.saturating_sub(self.retention).as_secs();
            match self.records.prune(before).await {
                Ok(0) => {}
                Ok(records) => tracing::info!(records, "removed what nobody used"),
                Err(error) => tracing::warn!(%error, "nothing is removed"),
            }
            tokio::time::sleep(PRUNED_EVERY).await;
        }
    }

    /// Waits until the data directory has all that is to be kept, or fails.
    pub async fn flush(&self) {
        self.records.flush().await;
    }

    /// Notes in the metrics how large the caches are, and what is under way.
    pub fn measure(&self) {
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        let (documents, known) = (self.tags.weight() + self.manifests.weight(), self.configs.weight());
        set(&self.metrics.cache_bytes, documents + known + self.merged.weight() + self.links.weight());
        let under_way = self.tag_flights.len() + self.digest_flights.len() + self.learning.len();
        set(&self.metrics.fills, under_way as u64);
        let waiting =
            self.tag_flights.waiting() + self.digest_flights.waiting() + self.link_flights.waiting();
        set(&self.metrics.waiting_requests, waiting as u64);
        set(&self.metrics.store_queue_bytes, self.records.queued());
    }
}

/// Makes the data directory this upstream's, and learns which repositories have sources.
fn prepare(disk: &dyn Store, upstream: &Upstream) -> HashSet<Repository> {
    let prepared = cache::adopt(disk, &upstream.url().to_string()).and_then(|()| cache::with_sources(disk));
    prepared.unwrap_or_else(|error| {
        tracing::warn!(%error, "the data directory cannot be read");
        HashSet::new()
    })
}

/// The settings that decide what a tag answers, in few bytes.
fn fingerprint(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?} {:?}", config.merge, config.rule).hash(&mut hasher);
    hasher.finish()
}
