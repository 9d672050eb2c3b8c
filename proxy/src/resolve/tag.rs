//! A tag: from the cache while it is fresh; from the cache and checked behind it while it may be stale; by one
//! check or fill that all callers share; or the last good answer, where the upstream fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onetag_config::Skew;
use onetag_oci::{Repository, Tag};

use crate::cache::{Change, Content, Single, TagRecord, Tagged};
use crate::flight::FlightLost;
use crate::telemetry::TagAnswer;

use super::error::ResolveError;
use super::fill::{Filled, Report};
use super::grants::{is_callers_own, is_denied};
use super::resolver::Resolver;
use super::revalidate::Check;
use super::times::Times;

/// For how long the last good answer is served before a failing upstream is asked again; longer where the
/// upstream took longer to fail, or asks for it.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The longest that an upstream may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// How long a caller waits for a renewal when there is a last good answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a renewal begins anew because something was pushed meanwhile.
const RENEWALS: usize = 3;

type Key = (Repository, Tag);

impl Resolver {
    /// What a tag answers.
    pub async fn tag(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<TagRecord, ResolveError> {
        if self.alone {
            return Box::pin(self.tag_apart(repository, tag)).await;
        }
        if self.caller.is_some() {
            return Box::pin(self.tag_for_caller(repository, tag)).await;
        }
        self.tag_shared(repository, tag).await
    }

    /// What a tag answers a caller with credentials of its own.
    async fn tag_for_caller(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<TagRecord, ResolveError> {
        let mut limited = false;
        for is_first in [true, false] {
            if !self.may_share(repository, tag).await? {
                break;
            }
            let answered = if is_first {
                self.tag_shared(repository, tag).await
            } else {
                self.renew(&(repository.clone(), tag.clone())).await
            };
            match answered {
                // Another caller's credentials may have been at work.
                Err(error) if is_callers_own(&error) => limited = !is_denied(&error),
                answered => return answered,
            }
        }
        let key = (repository.clone(), tag.clone());
        if limited
            && let Some(last) = self.tags.get(&key).filter(|last| self.is_usable(&key, last) && !last.expired)
        {
            return Ok(TagRecord { stale: true, ..last });
        }
        let answered = self.tag_apart(repository, tag).await;
        self.note_refusal(&self.involved(repository, tag).await?, &answered);
        answered
    }

    /// What the upstream says of a tag to who asks now; kept for nobody.
    async fn tag_apart(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<TagRecord, ResolveError> {
        let filled = self.fill(repository, tag).await;
        self.metrics.tag(if filled.is_ok() { TagAnswer::Filled } else { TagAnswer::Failed });
        let key = (repository.clone(), tag.clone());
        Ok(self.settled(&key, filled?, None, Instant::now()).0)
    }

    async fn tag_shared(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<TagRecord, ResolveError> {
        let key = (repository.clone(), tag.clone());
        let record = match self.tags.get(&key) {
            Some(record) if record.is_fresh() => {
                self.metrics.tag(answer_of(&record, TagAnswer::Hit));
                return Ok(record);
            }
            record => record,
        };
        // Apart, so that a hit does not carry the state of all that it does not need.
        Box::pin(self.not_fresh(key, record)).await
    }

    /// What a tag answers whose record in memory, if there is one, is past its time.
    async fn not_fresh(
        self: &Arc<Self>,
        key: Key,
        remembered: Option<TagRecord>,
    ) -> Result<TagRecord, ResolveError> {
        let known = match remembered {
            Some(record) => Some(record),
            None => self.recalled(&key).await,
        };
        match known {
            Some(record) if record.is_fresh() => {
                self.metrics.tag(answer_of(&record, TagAnswer::Hit));
                return Ok(record);
            }
            Some(record) if self.may_go_out(&key, &record) => {
                let (resolver, flown) = (Arc::clone(self), key.clone());
                self.tag_flights.begin(key, || async move { resolver.renew(&flown).await });
                self.metrics.tag(answer_of(&record, TagAnswer::Revalidated));
                return Ok(record);
            }
            _ => {}
        }
        let mut filled = self.renewed(&key).await?;
        for _ in 1..RENEWALS {
            if !self.is_overtaken(&key, &filled) {
                break;
            }
            filled = self.renewed(&key).await?;
        }
        self.metrics.tag(match &filled {
            Ok(record) => answer_of(record, TagAnswer::Filled),
            Err(_) => TagAnswer::Failed,
        });
        filled
    }

    /// What a tag answers, without an answer that is past its time where the upstream can be asked.
    pub(super) async fn tag_now(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<TagRecord, ResolveError> {
        let key = (repository.clone(), tag.clone());
        let known = match self.tags.get(&key) {
            Some(record) => Some(record),
            None => self.recalled(&key).await,
        };
        match known.filter(TagRecord::is_fresh) {
            Some(record) => Ok(record),
            None => self.renewed(&key).await?,
        }
    }

    /// The record from the data directory; what cannot change is fresh at once.
    async fn recalled(&self, key: &Key) -> Option<TagRecord> {
        let mut record = self.tags.load(key, self.settings_of(key), &self.manifests, &self.merged).await?;
        let tagged = record.tagged.as_ref()?;
        let believed = self.times_of(key).of_complete(&key.1);
        let lasts = record.held.is_none() && tagged.basis.complete && believed > record.confirmed.elapsed();
        let (seen, read) = (record.seen, record.clone());
        let concerns = |change: &Change| self.touches(key, &read, change);
        let record = self.changes.keep(seen, concerns, |late| {
            record.expired |= late;
            if lasts && !record.expired {
                record.fresh_until = record.confirmed + believed;
            }
            self.tags.recall(key, record)
        });
        Some(record)
    }

    /// Whether a record that is not fresh may be answered before the upstream was asked: within its stale
    /// window, or while the upstream is known to fail.
    fn may_go_out(&self, key: &Key, record: &TagRecord) -> bool {
        let times = self.times_of(key);
        let age = record.confirmed.elapsed();
        let in_window = age < times.fresh + times.while_revalidating;
        let failing = record.stale && age < times.stale_if_error && !times.fresh.is_zero();
        record.tagged.is_some() && !record.expired && (in_window || failing)
    }

    /// The renewed record of a tag. Who has a last good answer to fall back on does not wait long: the
    /// renewal goes on without the caller, and clients give up on headers after half a minute.
    async fn renewed(self: &Arc<Self>, key: &Key) -> Result<Result<TagRecord, ResolveError>, FlightLost> {
        let last = self.tags.get(key).filter(|record| self.is_usable(key, record) && !record.expired);
        let (resolver, owned) = (Arc::clone(self), key.clone());
        let renewal = self.tag_flights.join(key.clone(), || async move { resolver.renew(&owned).await });
        match last {
            None => renewal.await,
            Some(last) => match tokio::time::timeout(PATIENCE, renewal).await {
                Ok(renewed) => renewed,
                Err(_) => Ok(Ok(TagRecord { stale: true, ..last })),
            },
        }
    }

    /// Whether something was pushed since a renewal asked, though maybe before the caller that joined it.
    fn is_overtaken(&self, key: &Key, renewed: &Result<TagRecord, ResolveError>) -> bool {
        renewed.as_ref().is_ok_and(|record| !record.stale)
            && self.tags.get(key).is_some_and(|record| record.expired && !record.is_fresh())
    }

    /// Whether a record may stand in for an answer that the upstream fails to give.
    fn is_usable(&self, key: &Key, record: &TagRecord) -> bool {
        record.tagged.is_some() && record.confirmed.elapsed() < self.times_of(key).stale_if_error
    }

    fn settings_of(&self, (repository, tag): &Key) -> u64 {
        self.settings[self.rules.of(repository, tag).place]
    }

    fn times_of(&self, (repository, tag): &Key) -> &Times {
        &self.times[self.rules.of(repository, tag).place]
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

    /// Renews a record, and once more if something was pushed meanwhile that it depends on (threat T13).
    async fn renew(self: &Arc<Self>, key: &Key) -> Result<TagRecord, ResolveError> {
        let last = self.tags.get(key);
        if let Some(record) = last.as_ref().filter(|record| record.is_fresh()) {
            return Ok(record.clone());
        }
        let mut record = Err(ResolveError::Lost(FlightLost));
        for _ in 0..RENEWALS {
            let before = self.changes.now();
            record = self.asked(key, last.clone()).await;
            if let Ok(record) = &record
                && !self.holds_for_all(key, record).await?
            {
                return Err(ResolveError::ForOneAlone);
            }
            let concerns = |change: &Change| self.depends(key, change);
            let late = self.changes.keep(before, concerns, |late| {
                if let Ok(record) = &mut record {
                    // Who stands in was asked for earlier.
                    if !record.stale {
                        record.seen = before;
                    }
                    if late {
                        (record.expired, record.fresh_until) = (true, Instant::now());
                    }
                    self.tags.put(key.clone(), record.clone(), self.settings_of(key));
                }
                late
            });
            if !late {
                break;
            }
        }
        // Who has lost access must not be served what was there before; a caller's loss is nobody else's.
        if self.caller.is_none() && record.as_ref().is_err_and(is_denied) {
            self.tags.remove(key);
        }
        record
    }

    /// Asks the upstream; where that fails, the last good answer stands in (rule I6).
    async fn asked(self: &Arc<Self>, key: &Key, last: Option<TagRecord>) -> Result<TagRecord, ResolveError> {
        let asked = Instant::now();
        let check = match &last {
            Some(last) => self.check(key, last).await,
            None => Ok(Check::Changed),
        };
        let filled = match check {
            Ok(Check::Same { complete }) => {
                let last = last.ok_or(FlightLost)?;
                return Ok(self.confirmed(key, last, complete, asked));
            }
            Ok(Check::Changed) => self.fill(&key.0, &key.1).await,
            Err(error) => Err(error),
        };
        let usable = last.clone().filter(|record| self.is_usable(key, record));
        match (filled, usable) {
            // One caller's limit is no outage for the others.
            (Err(error), Some(last))
                if !(is_denied(&error) || self.caller.is_some() && is_callers_own(&error)) =>
            {
                let wanted = wanted_pause(&error);
                Ok(self.stand_in(key, last, asked, wanted, &error))
            }
            (Err(error), _) => Err(error),
            (Ok(filled), Some(last)) if filled.incomplete => {
                self.report(&filled.report, false);
                let why = "the upstream lacks content that it lists";
                Ok(self.stand_in(key, last, asked, Duration::ZERO, &why))
            }
            (Ok(filled), _) => {
                let (record, report) = self.settled(key, filled, last.filter(is_coherent), asked);
                self.report(&report, record.held.is_none());
                Ok(record)
            }
        }
    }

    /// The last good answer in place of one that failed (rule I6).
    fn stand_in(
        &self,
        key: &Key,
        last: TagRecord,
        asked: Instant,
        wanted: Duration,
        error: &dyn std::fmt::Display,
    ) -> TagRecord {
        let (repository, tag) = key;
        // Of the others that fail with it, one line each is enough.
        if last.stale {
            tracing::debug!(%error, %repository, %tag, "the last good answer is still served");
        } else {
            tracing::warn!(%error, %repository, %tag, "the last good answer is served");
        }
        let pause = PAUSE_AFTER_FAILURE.max(asked.elapsed()).max(wanted);
        let usable_until = last.confirmed + self.times_of(key).stale_if_error;
        let fresh_until = usable_until.min(Instant::now() + pause);
        TagRecord { fresh_until, stale: true, ..last }
    }

    /// The record of an answer that the upstream still gives.
    fn confirmed(&self, key: &Key, mut last: TagRecord, complete: bool, asked: Instant) -> TagRecord {
        let times = self.times_of(key);
        if let Some(tagged) = last.tagged.as_mut().filter(|tagged| tagged.basis.complete != complete) {
            Arc::make_mut(tagged).basis.complete = complete;
        }
        let believed = if complete { times.of_complete(&key.1) } else { times.fresh };
        TagRecord { confirmed: asked, fresh_until: asked + believed, stale: false, expired: false, ..last }
    }

    /// The record of an answer; or the last coherent one, where the rule holds that until the members belong
    /// together again or the grace ends (rule I7).
    fn settled(
        &self,
        key: &Key,
        filled: Filled,
        last: Option<TagRecord>,
        asked: Instant,
    ) -> (TagRecord, Report) {
        let Filled { tagged, withheld, incomplete, report } = filled;
        let times = self.times_of(key);
        let believed = match &tagged {
            Some(tagged) if tagged.basis.complete && !incomplete => times.of_complete(&key.1),
            Some(_) if !incomplete => times.fresh,
            _ => times.absent,
        };
        let (confirmed, fresh_until) = (asked, asked + believed);
        let now = TagRecord {
            tagged,
            withheld,
            confirmed,
            fresh_until,
            stale: false,
            held: None,
            expired: false,
            seen: 0,
        };
        let (repository, tag) = key;
        let policy = &self.rules.of(repository, tag).policy;
        // A tag that is gone is gone; one that lost an image may have it again in a moment.
        let images = |record: &TagRecord| record.tagged.as_ref().map(|tagged| tagged.images);
        let is_smaller = |last: &TagRecord| now.tagged.is_some() && images(&now) < images(last);
        let skewed = now.withheld.is_some() || (now.tagged.is_some() && !is_coherent(&now));
        let record = match last.filter(|last| policy.skew == Skew::Hold && (skewed || is_smaller(last))) {
            Some(last) if last.held.is_none_or(|since| since.elapsed() < policy.skew_grace) => {
                let held = last.held.or(Some(asked));
                if last.held.is_none() {
                    tracing::warn!(%repository, %tag, "the last coherent answer is held");
                }
                let fresh_until = asked + believed.min(times.fresh);
                TagRecord { confirmed, fresh_until, stale: false, held, expired: false, ..last }
            }
            _ => now,
        };
        (record, report)
    }
}

/// How a record counts: as what it is, or as `plain` where it is nothing special.
fn answer_of(record: &TagRecord, plain: TagAnswer) -> TagAnswer {
    match record {
        TagRecord { tagged: None, .. } => TagAnswer::Absent,
        TagRecord { stale: true, .. } => TagAnswer::Stale,
        TagRecord { held: Some(_), .. } => TagAnswer::Held,
        TagRecord { .. } => plain,
    }
}

/// Whether the members of an answer belong together.
fn is_coherent(record: &TagRecord) -> bool {
    record.tagged.as_ref().is_some_and(|tagged| tagged.skew.is_none())
}

/// How long the upstream asks to be left alone.
fn wanted_pause(error: &ResolveError) -> Duration {
    match error {
        ResolveError::Upstream(error) => error.retry_after().unwrap_or_default().min(LONGEST_PAUSE),
        _ => Duration::ZERO,
    }
}
