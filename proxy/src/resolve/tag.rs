//! A tag: from the cache, or by one fill that all callers share, or the last good answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onetag_config::Skew;
use onetag_oci::{Repository, Tag};

use crate::cache::{Content, Single, TagRecord, Tagged};
use crate::flight::FlightLost;
use crate::telemetry::TagAnswer;

use super::error::ResolveError;
use super::fill::Filled;
use super::resolver::Resolver;

/// For how long the last good answer is served before a failing upstream is asked again; longer where the
/// upstream took longer to fail.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How long a caller waits for a renewal when there is a last good answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Resolver {
    /// What a tag answers.
    pub async fn tag(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<TagRecord, ResolveError> {
        let key = (repository.clone(), tag.clone());
        if let Some(record) = self.tags.get(&key).filter(TagRecord::is_fresh) {
            self.metrics.tag(match record {
                TagRecord { tagged: None, .. } => TagAnswer::Absent,
                TagRecord { stale: true, .. } => TagAnswer::Stale,
                TagRecord { held: Some(_), .. } => TagAnswer::Held,
                TagRecord { .. } => TagAnswer::Hit,
            });
            return Ok(record);
        }
        let filled = self.renewed(key).await?;
        let answer = match &filled {
            Ok(TagRecord { tagged: None, .. }) => TagAnswer::Absent,
            Ok(TagRecord { stale: true, .. }) => TagAnswer::Stale,
            Ok(TagRecord { held: Some(_), .. }) => TagAnswer::Held,
            Ok(_) => TagAnswer::Filled,
            Err(_) => TagAnswer::Failed,
        };
        self.metrics.tag(answer);
        filled
    }

    /// The renewed record of a tag. Who has a last good answer to fall back on does not wait long: the
    /// renewal goes on without the caller, and clients give up on headers after half a minute.
    async fn renewed(
        self: &Arc<Self>,
        key: (Repository, Tag),
    ) -> Result<Result<TagRecord, ResolveError>, FlightLost> {
        let last = self.tags.get(&key).filter(|record| self.is_usable(record));
        let resolver = Arc::clone(self);
        let renewal = self.tag_flights.join(key.clone(), || async move { resolver.renew(&key).await });
        match last {
            None => renewal.await,
            Some(last) => match tokio::time::timeout(PATIENCE, renewal).await {
                Ok(renewed) => renewed,
                Err(_) => Ok(Ok(TagRecord { stale: true, ..last })),
            },
        }
    }

    /// Whether a record may stand in for an answer that the upstream fails to give.
    fn is_usable(&self, record: &TagRecord) -> bool {
        record.tagged.is_some() && record.confirmed.elapsed() < self.times.stale_if_error
    }

    /// The answer for a client that takes no index (rule T8); none when the tag has no such image.
    pub async fn single(
        self: &Arc<Self>,
        repository: &Repository,
        tagged: &Tagged,
    ) -> Result<Option<Arc<Content>>, ResolveError> {
        match &tagged.single {
            Single::Manifest(content) => Ok(Some(Arc::clone(content))),
            Single::Child(digest) => self.manifest(repository, digest).await,
            Single::None => Ok(None),
        }
    }

    /// The record of an answer; or the last coherent one, where the rule holds that until the members belong
    /// together again or the grace ends (rule I7).
    fn settled(
        &self,
        (repository, tag): &(Repository, Tag),
        filled: Filled,
        last: Option<TagRecord>,
        asked: Instant,
    ) -> TagRecord {
        let Filled { tagged, withheld, incomplete } = filled;
        let sure = tagged.is_some() && !incomplete;
        let fresh_until = asked + if sure { self.times.tag } else { self.times.absent };
        let now = TagRecord { tagged, withheld, confirmed: asked, fresh_until, stale: false, held: None };
        let policy = &self.rules.of(repository, tag).policy;
        // A tag that is gone is gone; one that lost an image may have it again in a moment.
        let images = |record: &TagRecord| record.tagged.as_ref().map(|tagged| tagged.images);
        let is_smaller = |last: &TagRecord| now.tagged.is_some() && images(&now) < images(last);
        let skewed = now.withheld.is_some() || (now.tagged.is_some() && !is_coherent(&now));
        match last.filter(|last| policy.skew == Skew::Hold && (skewed || is_smaller(last))) {
            Some(last) if last.held.is_none_or(|since| since.elapsed() < policy.skew_grace) => {
                let held = last.held.or(Some(asked));
                if last.held.is_none() {
                    tracing::warn!(%repository, %tag, "the last coherent answer is held");
                }
                TagRecord { confirmed: asked, fresh_until, stale: false, held, ..last }
            }
            _ => now,
        }
    }

    /// Asks the upstream; where that fails, the last good answer stands in (rule I6).
    async fn renew(self: &Arc<Self>, key: &(Repository, Tag)) -> Result<TagRecord, ResolveError> {
        let last = self.tags.get(key);
        if let Some(record) = last.as_ref().filter(|record| record.is_fresh()) {
            return Ok(record.clone());
        }
        let coherent = last.clone().filter(is_coherent);
        let last = last.filter(|record| self.is_usable(record));
        let asked = Instant::now();
        let record = match (self.fill(&key.0, &key.1).await, last) {
            (Err(error), None) => return Err(error),
            (Err(error), Some(last)) => stand_in(key, last, asked, &error),
            (Ok(filled), Some(last)) if filled.incomplete => {
                stand_in(key, last, asked, &"the upstream lacks content that it lists")
            }
            (Ok(filled), _) => self.settled(key, filled, coherent, asked),
        };
        self.tags.put(key.clone(), record.clone());
        Ok(record)
    }
}

/// Whether the members of an answer belong together.
fn is_coherent(record: &TagRecord) -> bool {
    record.tagged.as_ref().is_some_and(|tagged| tagged.skew.is_none())
}

/// The last good answer in place of one that failed (rule I6).
fn stand_in(
    (repository, tag): &(Repository, Tag),
    last: TagRecord,
    asked: Instant,
    error: &dyn std::fmt::Display,
) -> TagRecord {
    tracing::warn!(%error, %repository, %tag, "the last good answer is served");
    let pause = PAUSE_AFTER_FAILURE.max(asked.elapsed());
    TagRecord { fresh_until: Instant::now() + pause, stale: true, ..last }
}
