//! A tag for a caller with credentials of its own: what others have been told, where it may read all of that; else an
//! answer of its own.

use std::sync::Arc;
use std::time::Instant;

use onetag_oci::{Repository, Tag};

use super::error::ResolveError;
use super::grants::{is_callers_own, is_denied};
use super::resolver::Resolver;
use crate::cache::TagRecord;
use crate::telemetry::TagAnswer;

impl Resolver {
    /// What a tag answers a caller with credentials of its own.
    pub(super) async fn tag_for_caller(
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
    pub(super) async fn tag_apart(
        self: &Arc<Self>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<TagRecord, ResolveError> {
        let filled = self.fill(repository, tag).await;
        self.metrics.tag(if filled.is_ok() { TagAnswer::Filled } else { TagAnswer::Failed });
        let key = (repository.clone(), tag.clone());
        Ok(self.settled(&key, filled?, None, Instant::now()).0)
    }
}
