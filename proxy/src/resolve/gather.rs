//! Gathering: from the tags of one merge to members that can be judged, within a budget.
//!
//! What is absent or unfit is a finding about a member. What fails, fails the whole (rule I6): a merge
//! must never be smaller because the upstream had a bad moment.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, ready, select, try_join_all};
use onetag_oci::{Document, Reference, Repository, Tag};

use crate::cache::Content;
use crate::merge::{Address, Build, Candidate, Claim, Member, Policy, has_several_platforms};

use crate::upstream::ErrorKind;

use super::error::ResolveError;
use super::reader::{Budget, Reader, is_image};
use super::resolver::Resolver;

/// A tag that is there.
pub(super) struct Found {
    pub(super) address: Address,
    /// The repository in which it is.
    pub(super) home: Repository,
    pub(super) is_base: bool,
    pub(super) claim: Claim,
    pub(super) content: Arc<Content>,
    pub(super) document: Document,
}

/// The tags of one merge, as far as they had to be asked for.
pub(super) struct FoundTags {
    /// Those that are there, in order of precedence, the base first if it is there.
    pub(super) found: Vec<Found>,
    /// Whether the base stands for itself, so that the others do not matter.
    pub(super) base_alone: bool,
}

/// The gathering for one merge.
pub(super) struct Gather<'a> {
    resolver: &'a Resolver,
    repository: &'a Repository,
    budget: Budget,
}

impl<'a> Gather<'a> {
    pub(super) fn new(resolver: &'a Resolver, repository: &'a Repository) -> Self {
        Self { resolver, repository, budget: Budget::new() }
    }

    /// What reads documents in a repository, on the budget of this merge.
    pub(super) fn reader<'b>(&'b self, home: &'b Repository) -> Reader<'b> {
        self.reader_on(home, &self.budget)
    }

    /// Like [`Self::reader`], on a budget of its own: what is not needed to decide must not change the
    /// decision.
    pub(super) fn reader_on<'b>(&'b self, home: &'b Repository, budget: &'b Budget) -> Reader<'b> {
        Reader { resolver: self.resolver, home, budget }
    }

    /// The base and the candidates that are there, in order of precedence: one round trip. The base is
    /// asked for in `home`, which is the repository itself but for the tags of signatures (rule G2).
    ///
    /// A base that stands for itself ends the wait; the others are then not asked any further, and
    /// whether one of them fails does not matter.
    pub(super) async fn tags(
        &self,
        home: &Repository,
        tag: &Tag,
        candidates: &[&Candidate],
        policy: &Policy,
    ) -> Result<FoundTags, ResolveError> {
        let base = pin!(self.base(home, tag));
        let others = try_join_all(candidates.iter().map(|other| self.candidate(other, policy)));
        let (base, others) = match select(base, others).await {
            Either::Left((base, others)) => (base?, Either::Left(others)),
            Either::Right((others, base)) => (base.await?, Either::Right(ready(others))),
        };
        let base_alone = base.as_ref().is_some_and(|base| base.stands_alone(policy));
        if base_alone {
            return Ok(FoundTags { found: Vec::from_iter(base), base_alone });
        }
        let found = base.into_iter().chain(others.await?.into_iter().flatten()).collect();
        Ok(FoundTags { found, base_alone })
    }

    async fn base(&self, home: &Repository, tag: &Tag) -> Result<Option<Found>, ResolveError> {
        let repository = Some(home.clone()).filter(|home| home != self.repository);
        let address = Address { repository, tag: tag.clone() };
        let found = self.found(address, Claim::Nothing).await?;
        Ok(found.map(|found| Found { is_base: true, ..found }))
    }

    async fn candidate(&self, candidate: &Candidate, policy: &Policy) -> Result<Option<Found>, ResolveError> {
        let skips = policy.skip_denied && candidate.address.repository.is_some();
        match self.found(candidate.address.clone(), candidate.claim.clone()).await {
            // Many registries deny access to repositories that do not exist; the rule says that this is meant.
            Err(ResolveError::Upstream(error)) if skips && matches!(error.kind(), ErrorKind::Denied(_)) => {
                Ok(None)
            }
            found => found,
        }
    }

    async fn found(&self, address: Address, claim: Claim) -> Result<Option<Found>, ResolveError> {
        let home = address.repository.as_ref().unwrap_or(self.repository).clone();
        let found = self.resolver.document(&home, &Reference::Tag(address.tag.clone())).await?;
        let found = found.map(|(content, document)| Found {
            address,
            home,
            is_base: false,
            claim,
            content,
            document,
        });
        Ok(found)
    }

    /// Everything that a merge needs to know of the tags that are there; one round trip where they are
    /// images, none where they are indexes whose entries name their platforms. `deeply`: the build that an
    /// index comes from is read from one of its images where the index does not say it: two round trips.
    pub(super) async fn members(&self, found: &[Found], deeply: bool) -> Result<Vec<Member>, ResolveError> {
        try_join_all(found.iter().map(|found| self.member(found, deeply))).await
    }

    async fn member(&self, found: &Found, deeply: bool) -> Result<Member, ResolveError> {
        let Found { address, home, is_base, claim, content, document } = found;
        let reader = self.reader(home);
        let (content, mut build) = reader.content(content, document).await?;
        if let Ok(entries) = &content
            && build.is_silent()
            && deeply
        {
            build = self.reader_on(home, &Budget::new()).build(entries).await?;
        }
        Ok(Member { address: address.clone(), is_base: *is_base, claim: claim.clone(), content, build })
    }
}

impl Found {
    /// Whether nothing that a member could give would change the answer (rules P11, T4; an index of
    /// several platforms is meant as it is unless the policy says otherwise).
    fn stands_alone(&self, policy: &Policy) -> bool {
        match &self.document {
            Document::Image(image) => !is_image(image),
            Document::Index(index) => has_several_platforms(&index.manifests) && !policy.complete_index,
            Document::Schema1(_) | Document::Other(_) => true,
        }
    }

    /// The member that passes as it is, with what its own bytes say and nothing more.
    pub(super) fn as_it_is(&self) -> Member {
        let entries = match &self.document {
            Document::Index(index) => index.manifests.clone(),
            _ => Vec::new(),
        };
        let (address, claim) = (self.address.clone(), self.claim.clone());
        Member { address, is_base: self.is_base, claim, content: Ok(entries), build: Build::default() }
    }

    /// Whether it is one image's manifest.
    pub(super) fn is_single(&self) -> bool {
        !matches!(self.document, Document::Index(_))
    }
}
