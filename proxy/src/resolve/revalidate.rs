//! Whether an answer still holds: one HEAD for each tag that it depends on, in parallel.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use onetag_oci::{Digest, Reference, Repository, Tag};

use crate::cache::{Knowledge, TagRecord};
use crate::merge::{Address, is_referrer};
use crate::upstream::{ErrorKind, Head, UpstreamError};

use super::error::ResolveError;
use super::resolver::Resolver;

/// How long an answer is confirmed by HEADs alone before it is made anew: whatever drifted is mended then.
const MADE_ANEW: Duration = Duration::from_hours(24);

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// It has to be made anew.
    Changed,
    /// It holds.
    Same {
        /// Whether it has all that the repository's tags are known to have ([`Basis::complete`]).
        ///
        /// [`Basis::complete`]: crate::cache::Basis::complete
        complete: bool,
    },
}

/// Why the HEADs do not confirm an answer.
enum Doubt {
    /// Something changed, or a HEAD cannot tell: the upstream has to be asked in full.
    Changed,
    Failed(UpstreamError),
}

impl Resolver {
    /// Asks whether the upstream still has what an answer was made of, and nothing more. A digest from a header is
    /// only compared with one that was computed; where they differ, the tag is filled.
    pub(super) async fn check(
        self: &Arc<Self>,
        (repository, tag): &(Repository, Tag),
        record: &TagRecord,
    ) -> Result<Check, ResolveError> {
        let Some(tagged) = record.tagged.as_ref().filter(|_| record.held.is_none()) else {
            return Ok(Check::Changed);
        };
        let basis = &tagged.basis;
        if basis.incomplete || basis.found.elapsed() > MADE_ANEW || is_referrer(tag) {
            return Ok(Check::Changed);
        }
        let rule = self.rules.of(repository, tag);
        let mut asked = vec![Address { repository: None, tag: tag.clone() }];
        let mut complete = basis.complete;
        if !basis.alone {
            let candidates = rule.candidates(repository, tag);
            let key = (repository.clone(), rule.place);
            let mut knowledge = self.occurring.get(&key);
            if knowledge == Knowledge::Unknown && !candidates.is_empty() {
                self.learn_members(repository, tag, &candidates);
                // If it learns of a member that is new, it expires the repository's tags.
                knowledge = self.occurring.last(&key);
            }
            let occur = candidates.into_iter().filter(|other| knowledge.allows(other.place));
            asked.extend(occur.map(|other| other.address));
            let all = matches!(knowledge, Knowledge::Known(_)) && asked.len() == basis.tags.len();
            complete |= all && tagged.images > 1;
        }
        let digest_of = |address: &Address| {
            basis.tags.iter().find(|(known, _)| known == address).map(|(_, digest)| digest)
        };
        if basis.tags.iter().any(|(address, _)| !asked.contains(address)) {
            return Ok(Check::Changed);
        }
        let skip_denied = rule.policy.skip_denied;
        let heads =
            asked.iter().map(|address| self.is_same(repository, address, digest_of(address), skip_denied));
        match try_join_all(heads).await {
            Ok(_) => Ok(Check::Same { complete }),
            Err(Doubt::Changed) => Ok(Check::Changed),
            Err(Doubt::Failed(error)) => Err(error.into()),
        }
    }

    async fn is_same(
        &self,
        repository: &Repository,
        address: &Address,
        known: Option<&Digest>,
        skip_denied: bool,
    ) -> Result<(), Doubt> {
        let home = address.repository.as_ref().unwrap_or(repository);
        let head = match self.upstream.head(home, &Reference::Tag(address.tag.clone())).await {
            Err(error) if matches!(error.kind(), ErrorKind::Denied(_)) => {
                // Some registries deny a HEAD alone; a GET shows what holds.
                if skip_denied && address.repository.is_some() { Head::Absent } else { Head::Unknown }
            }
            // So may a HEAD alone fail; where all does, the GET that follows says so.
            Err(error) if matches!(error.kind(), ErrorKind::Status { .. }) => Head::Unknown,
            head => head.map_err(Doubt::Failed)?,
        };
        let same = match head {
            Head::Digest(digest) => known == Some(&digest),
            Head::Absent => known.is_none(),
            Head::Unknown => false,
        };
        if same { Ok(()) } else { Err(Doubt::Changed) }
    }
}
