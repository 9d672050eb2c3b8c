//! Gathering: from the tags of one merge to members that can be judged, within a budget.
//!
//! What is absent or unfit is a finding about a member. What fails, fails the whole (rule I6): a merge
//! must never be smaller because the upstream had a bad moment.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, Either, FutureExt, ready, select, try_join_all};
use onetag_oci::{
    Descriptor, Digest, Document, ImageConfig, ImageManifest, MAX_CONFIG_BYTES, MAX_INDEX_ENTRIES, Reference,
    Repository, Tag,
};

use crate::cache::Content;
use crate::merge::{Candidate, Finding, Member, Policy, Token, has_several_platforms};

use super::error::ResolveError;
use super::resolver::Resolver;

/// The most requests by digest that one merge makes (threat T19).
const MAX_FETCHES: usize = 64;

/// How deeply indexes may be nested, the member itself included (rule I1).
const MAX_DEPTH: usize = 4;

/// A tag that is there.
pub(super) struct Found {
    pub(super) tag: Tag,
    /// The token that its name ends in; none for the base.
    pub(super) token: Option<&'static Token>,
    pub(super) content: Arc<Content>,
    document: Document,
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
    fetches_left: AtomicUsize,
    entries_left: AtomicUsize,
}

/// Why a member's entries could not be had.
enum Stop {
    Unfit(Finding),
    Failed(ResolveError),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Unfit(finding)
    }
}

impl From<ResolveError> for Stop {
    fn from(error: ResolveError) -> Self {
        Self::Failed(error)
    }
}

impl<'a> Gather<'a> {
    pub(super) fn new(resolver: &'a Resolver, repository: &'a Repository) -> Self {
        let (fetches_left, entries_left) =
            (AtomicUsize::new(MAX_FETCHES), AtomicUsize::new(MAX_INDEX_ENTRIES));
        Self { resolver, repository, fetches_left, entries_left }
    }

    /// The base and the candidates that are there, in order of precedence: one round trip.
    ///
    /// A base that stands for itself ends the wait; the others are then not asked any further, and
    /// whether one of them fails does not matter.
    pub(super) async fn tags(
        &self,
        tag: &Tag,
        candidates: &[Candidate],
        policy: Policy,
    ) -> Result<FoundTags, ResolveError> {
        let base = pin!(self.tag(tag, None));
        let others = try_join_all(candidates.iter().map(|other| self.tag(&other.tag, Some(other.token))));
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

    async fn tag(&self, tag: &Tag, token: Option<&'static Token>) -> Result<Option<Found>, ResolveError> {
        let found = self.resolver.document(self.repository, &Reference::Tag(tag.clone())).await?;
        Ok(found.map(|(content, document)| Found { tag: tag.clone(), token, content, document }))
    }

    /// Everything that a merge needs to know of the tags that are there; one round trip where they are
    /// images, none where they are indexes whose entries name their platforms.
    pub(super) async fn members(&self, found: &[Found]) -> Result<Vec<Member>, ResolveError> {
        try_join_all(found.iter().map(|found| self.member(found))).await
    }

    async fn member(&self, found: &Found) -> Result<Member, ResolveError> {
        let content = self.content(&found.content, &found.document).await?;
        Ok(Member { tag: found.tag.clone(), token: found.token, content })
    }

    /// The entries of a document, or why it has none that could be merged.
    pub(super) async fn content(
        &self,
        content: &Content,
        document: &Document,
    ) -> Result<Result<Vec<Descriptor>, Finding>, ResolveError> {
        match self.entries(content, document).await {
            Ok(entries) => Ok(Ok(entries)),
            Err(Stop::Unfit(finding)) => Ok(Err(finding)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    async fn entries(&self, content: &Content, document: &Document) -> Result<Vec<Descriptor>, Stop> {
        match document {
            Document::Image(image) => {
                let size = content.bytes.len() as u64;
                let entry = Descriptor::new(content.media_type.clone(), content.digest.clone(), size);
                Ok(vec![self.describe(entry, image).await?])
            }
            Document::Index(index) if !index.artifact_type.is_empty() => Err(Finding::Artifact.into()),
            Document::Index(index) => self.flatten(&index.manifests, 1).await,
            Document::Schema1(_) => Err(Finding::Schema1.into()),
            Document::Other(media_type) => Err(Finding::UnknownType(media_type.clone()).into()),
        }
    }

    /// The entries of an index, those of nested indexes in their place (rule I1).
    fn flatten<'b>(
        &'b self,
        entries: &'b [Descriptor],
        depth: usize,
    ) -> BoxFuture<'b, Result<Vec<Descriptor>, Stop>> {
        if take(&self.entries_left, entries.len()).is_err() {
            return ready(Err(Finding::TooMuch.into())).boxed();
        }
        let flat = try_join_all(entries.iter().map(move |entry| self.flat(entry, depth)));
        flat.map(|entries| entries.map(|entries| entries.concat())).boxed()
    }

    async fn flat(&self, entry: &Descriptor, depth: usize) -> Result<Vec<Descriptor>, Stop> {
        if entry.media_type.is_index() {
            // A circle of digests cannot be made, so that depth alone bounds what is followed.
            if depth == MAX_DEPTH {
                return Err(Finding::TooDeep.into());
            }
            return match self.child(&entry.digest).await? {
                Document::Index(index) => self.flatten(&index.manifests, depth + 1).await,
                _ => Err(Finding::Missing(entry.digest.clone()).into()),
            };
        }
        let named = |text: &str| !text.is_empty();
        let has_platform = entry
            .platform
            .as_ref()
            .is_some_and(|platform| named(&platform.os) && named(&platform.architecture));
        let image = entry.media_type.is_image_manifest() && entry.artifact_type.is_empty();
        if has_platform || !image {
            return Ok(vec![entry.clone()]);
        }
        match self.child(&entry.digest).await? {
            Document::Image(image) if is_image(&image) => {
                Ok(vec![self.describe(entry.clone(), &image).await?])
            }
            _ => Ok(vec![entry.clone()]),
        }
    }

    /// The entry with the platform of the image's config (rules P1, I2).
    async fn describe(&self, entry: Descriptor, image: &ImageManifest) -> Result<Descriptor, Stop> {
        if !is_image(image) {
            return Err(Finding::Artifact.into());
        }
        let config = self.config(&image.config).await?;
        Ok(Descriptor { platform: Some(config.platform.clone()), ..entry })
    }

    async fn child(&self, digest: &Digest) -> Result<Document, Stop> {
        if let Some(content) = self.resolver.manifests.get(self.repository, digest)
            && let Ok(document) = Document::parse(&content.bytes, &content.media_type)
        {
            return Ok(document);
        }
        self.spend()?;
        let found = self.resolver.document(self.repository, &Reference::Digest(digest.clone())).await?;
        let (_, document) = found.ok_or_else(|| Finding::Missing(digest.clone()))?;
        Ok(document)
    }

    async fn config(&self, descriptor: &Descriptor) -> Result<Arc<ImageConfig>, Stop> {
        let digest = &descriptor.digest;
        if let Some(config) = self.resolver.configs.get(digest) {
            return Ok(config);
        }
        if descriptor.size > MAX_CONFIG_BYTES as u64 {
            return Err(Finding::BadConfig(format!("it has {} bytes", descriptor.size)).into());
        }
        self.spend()?;
        let blob = self.resolver.upstream.small_blob(self.repository, digest, MAX_CONFIG_BYTES).await;
        let bytes = blob.map_err(ResolveError::from)?.ok_or_else(|| Finding::Missing(digest.clone()))?;
        let config = ImageConfig::parse(&bytes).map_err(|error| Finding::BadConfig(error.to_string()))?;
        let config = Arc::new(config);
        self.resolver.configs.put(digest, &config);
        Ok(config)
    }

    /// Takes one request from the budget.
    fn spend(&self) -> Result<(), Finding> {
        take(&self.fetches_left, 1)
    }
}

/// Takes some of what is left of a budget.
fn take(left: &AtomicUsize, some: usize) -> Result<(), Finding> {
    let take = |left: usize| left.checked_sub(some);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_| Finding::TooMuch)
}

impl Found {
    /// Whether nothing that a member could give would change the answer (rules P11, T4; an index of
    /// several platforms is meant as it is unless the policy says otherwise).
    fn stands_alone(&self, policy: Policy) -> bool {
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
        Member { tag: self.tag.clone(), token: self.token, content: Ok(entries) }
    }

    /// Whether it is one image's manifest.
    pub(super) fn is_single(&self) -> bool {
        !matches!(self.document, Document::Index(_))
    }
}

/// Whether a manifest is a runnable image's rather than an artifact's (rule P11).
fn is_image(manifest: &ImageManifest) -> bool {
    manifest.artifact_type.is_empty() && manifest.config.media_type.is_image_config()
}
