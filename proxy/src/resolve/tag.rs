//! A tag: from the cache, or by one fill that all callers share, or the last good answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onetag_oci::{Repository, Tag};

use crate::cache::{Content, Single, TagRecord, Tagged};
use crate::telemetry::TagAnswer;

use super::error::ResolveError;
use super::resolver::Resolver;

/// For how long the last good answer is served before a failing upstream is asked again.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

impl Resolver {
    /// What a tag answers; none when there is no such tag.
    pub async fn tag(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<Arc<Tagged>>, ResolveError> {
        let key = (repository.clone(), tag.clone());
        if let Some(record) = self.tags.get(&key).filter(TagRecord::is_fresh) {
            self.metrics.tag(match record {
                TagRecord { tagged: None, .. } => TagAnswer::Absent,
                TagRecord { stale: true, .. } => TagAnswer::Stale,
                TagRecord { .. } => TagAnswer::Hit,
            });
            return Ok(record.tagged);
        }
        let resolver = Arc::clone(self);
        let filled = self.tag_flights.join(key.clone(), || async move { resolver.renew(&key).await }).await?;
        let answer = match &filled {
            Ok(TagRecord { tagged: None, .. }) => TagAnswer::Absent,
            Ok(TagRecord { stale: true, .. }) => TagAnswer::Stale,
            Ok(_) => TagAnswer::Filled,
            Err(_) => TagAnswer::Failed,
        };
        self.metrics.tag(answer);
        filled.map(|record| record.tagged)
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

    /// Asks the upstream; where that fails, the last good answer stands in (rule I6).
    async fn renew(self: &Arc<Self>, key: &(Repository, Tag)) -> Result<TagRecord, ResolveError> {
        let last = self.tags.get(key);
        if let Some(record) = last.as_ref().filter(|record| record.is_fresh()) {
            return Ok(record.clone());
        }
        let asked = Instant::now();
        let record = match self.fill(&key.0, &key.1).await {
            Ok(filled) => {
                let ttl = if filled.tagged.is_some() { self.times.tag } else { self.times.absent };
                TagRecord { tagged: filled.tagged, confirmed: asked, fresh_until: asked + ttl, stale: false }
            }
            Err(error) => {
                let usable = |record: &TagRecord| {
                    record.tagged.is_some() && record.confirmed.elapsed() < self.times.stale_if_error
                };
                let last = last.filter(usable).ok_or_else(|| error.clone())?;
                let (repository, tag) = key;
                tracing::warn!(%error, %repository, %tag, "the last good answer is served");
                TagRecord { fresh_until: Instant::now() + PAUSE_AFTER_FAILURE, stale: true, ..last }
            }
        };
        self.tags.put(key.clone(), record.clone());
        Ok(record)
    }
}
