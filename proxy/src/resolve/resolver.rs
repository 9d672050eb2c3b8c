//! The resolver: everything that a decision needs, in one place.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use onetag_config::Config;
use onetag_oci::{Digest, Repository, Tag};

use crate::cache::{
    self, Adopted, Blobs, Changes, Configs, Content, Latest, Links, Manifests, MergedStore, Occurring,
    Records, Store, StoreError, TagRecord, Tags, Write,
};
use crate::flight::Flights;
use crate::merge::Rules;
use crate::telemetry::{Measured, Metrics};
use crate::upstream::Upstream;

use super::error::ResolveError;
use super::grants::{CallerKey, Grants};
use super::tag_list::Listing;
use super::times::Times;

/// How often the data directory is looked through for what nobody used.
const PRUNED_EVERY: Duration = Duration::from_hours(6);

/// When it is looked through first: a start has more urgent work.
const PRUNED_AFTER_START: Duration = Duration::from_mins(5);

/// The pause between two bits, for others to write.
const PAUSE_WHILE_PRUNING: Duration = Duration::from_millis(50);

/// What was used since then is never removed: uses are noted twice a day.
const SHORTEST_RETENTION: Duration = Duration::from_hours(24);

/// Decides what tags and digests are: what is known of one upstream, and the credentials with which it is asked.
pub struct Resolver {
    pub(super) upstream: Upstream,
    /// Who asks, where it is not onetag itself.
    pub(super) caller: Option<CallerKey>,
    /// Whether each repository stands for itself.
    pub(super) alone: bool,
    shared: Arc<Shared>,
}

/// What is known of one upstream, whoever asks; shared by all connections.
pub struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) rules: Rules,
    /// What decides the answers of each rule, in few bytes: under others a record means nothing.
    pub(super) settings: Vec<u64>,
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
    pub(super) listing: Flights<Repository, Listing>,
    pub(super) grants: Grants,
}

/// Whatever is known is at hand where something is decided.
impl Deref for Resolver {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
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
        let Prepared { store, with_sources, changes } = Prepared::of(disk, &upstream);
        let records = Arc::new(Records::new(store, &metrics));
        let merged = MergedStore::new(memory / 4, Arc::clone(&records), with_sources);
        let shared = Shared {
            metrics,
            settings: rules.identities().iter().map(|identity| fingerprint(identity)).collect(),
            rules,
            tags: Tags::new(memory / 8 * 3, keep, Arc::clone(&records)),
            manifests: Manifests::new(memory / 4, Arc::clone(&records)),
            configs: Configs::new(memory / 16),
            occurring: Occurring::new(merge.relearn.get()),
            merged,
            changes: Changes::new(changes, Arc::clone(&records)),
            blobs,
            links: Links::new(Arc::clone(&records)),
            records,
            retention: cache.retention.get(),
            times,
            tag_flights: Flights::default(),
            digest_flights: Flights::default(),
            link_flights: Flights::default(),
            learning: Flights::default(),
            listing: Flights::default(),
            grants: Grants::new(&config.upstream),
        };
        Self { upstream, caller: None, alone: false, shared: Arc::new(shared) }
    }

    /// The same knowledge, and the upstream asked with a caller's own Authorization, or with none. What is known is
    /// not the caller's to see before [`Self::grants_reading`] says so.
    #[must_use]
    pub fn on_behalf(&self, authorization: Option<HeaderValue>) -> Self {
        let caller = Some(self.grants.caller(authorization.as_ref()));
        let upstream = self.upstream.on_behalf(authorization);
        Self { upstream, caller, alone: false, shared: Arc::clone(&self.shared) }
    }

    /// The same for somebody who may not read all repositories that an answer is made of (rule X2): each stands for
    /// itself, and the upstream is asked each time.
    #[must_use]
    pub fn alone(&self) -> Self {
        let (upstream, caller) = (self.upstream.clone(), self.caller.clone());
        Self { upstream, caller, alone: true, shared: Arc::clone(&self.shared) }
    }

    /// The registry behind this resolver, for what is only passed through.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Removes from the data directory what nobody used for the time of retention, now and every few hours;
    /// never ends.
    pub async fn prune(self: Arc<Self>) {
        tokio::time::sleep(PRUNED_AFTER_START).await;
        loop {
            let mut age = self.retention;
            let mut pruned = self.prune_older(age).await;
            // Where there is too much, what was used longest ago goes earlier.
            while age > SHORTEST_RETENTION && self.is_crowded().await {
                age /= 2;
                pruned += self.prune_older(age).await;
            }
            if pruned > 0 {
                tracing::info!(records = pruned, ?age, "removed what nobody used");
            }
            tokio::time::sleep(PRUNED_EVERY).await;
        }
    }

    async fn is_crowded(&self) -> bool {
        self.records.read(|store| store.is_crowded()).await.is_ok_and(|is_crowded| is_crowded)
    }

    /// Removes what nobody used for so long, bit by bit; how many records that were.
    async fn prune_older(&self, age: Duration) -> usize {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let before = now.saturating_sub(age).as_secs();
        let mut pruned = 0;
        loop {
            match self.records.prune(before).await {
                Ok(0) => return pruned,
                Ok(records) => pruned += records,
                Err(error) => {
                    tracing::warn!(%error, "not all is removed that nobody used");
                    return pruned;
                }
            }
            tokio::time::sleep(PAUSE_WHILE_PRUNING).await;
        }
    }

    /// Waits until the data directory has all that is to be kept, or fails.
    pub async fn flush(&self) {
        self.records.flush().await;
    }

    /// How large the caches are, and what is under way.
    pub fn measure(&self) -> Measured {
        let documents = self.tags.weight() + self.manifests.weight() + self.merged.weight();
        let under_way = self.tag_flights.len() + self.digest_flights.len() + self.learning.len();
        let waiting =
            self.tag_flights.waiting() + self.digest_flights.waiting() + self.link_flights.waiting();
        Measured {
            cache_bytes: documents + self.configs.weight() + self.links.weight(),
            fills: under_way as u64,
            waiting_requests: waiting as u64,
            store_queue_bytes: self.records.queued(),
        }
    }
}

/// What a store has to tell before anything is asked.
#[derive(Default)]
struct Prepared {
    store: Option<(Arc<dyn Store>, Vec<Write>)>,
    with_sources: HashSet<Repository>,
    changes: Latest,
}

impl Prepared {
    /// Makes a store that of this upstream. Where that fails it is not used: it may be another registry's, or not
    /// know of what was pushed.
    fn of(disk: Option<Arc<dyn Store>>, upstream: &Upstream) -> Self {
        let Some(disk) = disk else { return Self::default() };
        Self::read(disk, upstream).unwrap_or_else(|error| {
            tracing::error!(%error, "the data directory is not used: nothing outlives this process");
            Self::default()
        })
    }

    fn read(disk: Arc<dyn Store>, upstream: &Upstream) -> Result<Self, StoreError> {
        let Adopted { life, stamp } = cache::adopt(&*disk, &upstream.url().to_string())?;
        let with_sources = cache::with_sources(&*disk)?;
        let changes = Latest::load(&*disk, life)?;
        Ok(Self { store: Some((disk, stamp)), with_sources, changes })
    }
}

fn fingerprint(text: &str) -> u64 {
    let digest = Digest::sha256(text.as_bytes());
    digest.value().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
