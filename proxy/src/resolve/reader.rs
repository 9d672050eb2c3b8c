//! Reading documents of one repository: the entries of an image or index, on the budget of one merge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt, ready, try_join_all};
use onetag_oci::{
    Descriptor, Digest, Document, ImageConfig, ImageManifest, MAX_CONFIG_BYTES, MAX_INDEX_ENTRIES, Reference,
    Repository,
};

use crate::cache::Content;
use crate::merge::{self, Build, Finding};

use super::error::ResolveError;
use super::resolver::Resolver;

/// The most requests by digest that one merge makes (threat T19).
const MAX_FETCHES: usize = 64;

/// The most digests of one closure.
pub(super) const MAX_DIGESTS: usize = 10_000;

/// How deeply indexes may be nested, the member itself included (rule I1).
pub(super) const MAX_DEPTH: usize = 4;

/// What is left of what one merge may take.
pub(super) struct Budget {
    fetches: AtomicUsize,
    entries: AtomicUsize,
    digests: AtomicUsize,
}

/// Reads documents of one repository.
pub(super) struct Reader<'a> {
    pub(super) resolver: &'a Resolver,
    pub(super) home: &'a Repository,
    pub(super) budget: &'a Budget,
}

/// Why a member's entries could not be had.
pub(super) enum Stop {
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

impl Stop {
    /// What is unfit is a finding, what fails is an error.
    pub(super) fn sort<T>(result: Result<T, Self>) -> Result<Result<T, Finding>, ResolveError> {
        match result {
            Ok(done) => Ok(Ok(done)),
            Err(Self::Unfit(finding)) => Ok(Err(finding)),
            Err(Self::Failed(error)) => Err(error),
        }
    }
}

impl Budget {
    pub(super) fn new() -> Self {
        Self::of(MAX_FETCHES)
    }

    /// A budget with this many requests.
    pub(super) fn of(fetches: usize) -> Self {
        Self { fetches: fetches.into(), entries: MAX_INDEX_ENTRIES.into(), digests: MAX_DIGESTS.into() }
    }

    /// Takes so many digests of a closure.
    pub(super) fn take_digests(&self, count: usize) -> Result<(), Finding> {
        take(&self.digests, count)
    }
}

impl Reader<'_> {
    /// The entries of a document, or why it has none that could be merged; and what it says about its build.
    pub(super) async fn content(
        &self,
        content: &Content,
        document: &Document,
    ) -> Result<(Result<Vec<Descriptor>, Finding>, Build), ResolveError> {
        let read = Stop::sort(self.entries(content, document).await)?;
        Ok(match read {
            Ok((entries, build)) => (Ok(entries), build),
            Err(finding) => (Err(finding), Build::default()),
        })
    }

    /// What the first image of an index says about the build that it comes from.
    pub(super) async fn build(&self, entries: &[Descriptor]) -> Result<Build, ResolveError> {
        let Some(first) = entries.iter().find(|entry| merge::is_image(entry)) else {
            return Ok(Build::default());
        };
        let read = async {
            let (_, document) = self.child(first).await?;
            match document {
                Document::Image(image) if is_image(&image) => {
                    Ok(Build::of_image(&*self.config(&image.config).await?, &image))
                }
                _ => Ok(Build::default()),
            }
        };
        Ok(Stop::sort(read.await)?.unwrap_or_else(|_| Build::unreadable()))
    }

    async fn entries(
        &self,
        content: &Content,
        document: &Document,
    ) -> Result<(Vec<Descriptor>, Build), Stop> {
        match document {
            Document::Image(image) => {
                let size = content.bytes.len() as u64;
                let entry = Descriptor::new(content.media_type.clone(), content.digest.clone(), size);
                let (entry, build) = self.describe(entry, image).await?;
                Ok((vec![entry], build))
            }
            Document::Index(index) if !index.artifact_type.is_empty() => Err(Finding::Artifact.into()),
            Document::Index(index) => Ok((self.flatten(&index.manifests, 1).await?, Build::of_index(index))),
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
        if take(&self.budget.entries, entries.len()).is_err() {
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
            return match self.child(entry).await?.1 {
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
        match self.child(entry).await?.1 {
            Document::Image(image) if is_image(&image) => {
                Ok(vec![self.describe(entry.clone(), &image).await?.0])
            }
            _ => Ok(vec![entry.clone()]),
        }
    }

    /// The entry with the platform of the image's config (rules P1, I2), and what that says about the build.
    async fn describe(&self, entry: Descriptor, image: &ImageManifest) -> Result<(Descriptor, Build), Stop> {
        if !is_image(image) {
            return Err(Finding::Artifact.into());
        }
        let config = self.config(&image.config).await?;
        let build = Build::of_image(&config, image);
        Ok((Descriptor { platform: Some(config.platform.clone()), ..entry }, build))
    }

    /// The document that another one lists; it must be of the type that is said.
    pub(super) async fn child(&self, entry: &Descriptor) -> Result<(Arc<Content>, Document), Stop> {
        let (content, document) = self.fetch(&entry.digest).await?;
        if content.media_type != entry.media_type {
            let (digest, listed) = (entry.digest.clone(), entry.media_type.clone());
            return Err(Finding::Mistyped { digest, listed, found: content.media_type.clone() }.into());
        }
        Ok((content, document))
    }

    async fn fetch(&self, digest: &Digest) -> Result<(Arc<Content>, Document), Stop> {
        // What is cached counts as well: the answer must not depend on it (rule D3).
        self.spend()?;
        if let Some(content) = self.resolver.manifests.get(self.home, digest)
            && let Ok(document) = Document::parse(&content.bytes, &content.media_type)
        {
            return Ok((content, document));
        }
        if let Some(content) = self.resolver.manifests.load(self.home, digest).await
            && let Ok(document) = Document::parse(&content.bytes, &content.media_type)
        {
            return Ok((content, document));
        }
        let found = self.resolver.document(self.home, &Reference::Digest(digest.clone())).await?;
        Ok(found.ok_or_else(|| Finding::Missing(digest.clone()))?)
    }

    async fn config(&self, descriptor: &Descriptor) -> Result<Arc<ImageConfig>, Stop> {
        let digest = &descriptor.digest;
        self.spend()?;
        if let Some(config) = self.resolver.configs.get(digest) {
            return Ok(config);
        }
        if descriptor.size > MAX_CONFIG_BYTES as u64 {
            return Err(Finding::BadConfig(format!("it has {} bytes", descriptor.size)).into());
        }
        let blob = self.resolver.upstream.small_blob(self.home, digest, MAX_CONFIG_BYTES).await;
        let bytes = blob.map_err(ResolveError::from)?.ok_or_else(|| Finding::Missing(digest.clone()))?;
        let config = ImageConfig::parse(&bytes).map_err(|error| Finding::BadConfig(error.to_string()))?;
        let config = Arc::new(config);
        self.resolver.configs.put(digest, &config);
        Ok(config)
    }

    /// Takes one request from the budget.
    fn spend(&self) -> Result<(), Finding> {
        take(&self.budget.fetches, 1)
    }
}

/// Takes some of what is left of a budget.
fn take(left: &AtomicUsize, some: usize) -> Result<(), Finding> {
    let take = |left: usize| left.checked_sub(some);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(drop).map_err(|_| Finding::TooMuch)
}

/// Whether a manifest is a runnable image's rather than an artifact's (rule P11).
pub(super) fn is_image(manifest: &ImageManifest) -> bool {
    manifest.artifact_type.is_empty() && manifest.config.media_type.is_image_config()
}
