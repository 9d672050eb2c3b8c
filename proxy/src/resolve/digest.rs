//! A digest: from memory, from the store of merged indexes, from the upstream. Never anything else than
//! the bytes that have it (rule T10).

use std::sync::Arc;
use std::time::Instant;

use onetag_oci::{Digest, Document, Reference, Repository};

use crate::cache::{Change, Content};
use crate::upstream::Head;

use super::closure::leads_to;
use super::error::ResolveError;
use super::grants::is_callers_own;
use super::reader::MAX_DIGESTS;
use super::resolver::{DigestResult, Resolver};

impl Resolver {
    /// The manifest or index of this digest in this repository; none when there is none.
    pub async fn manifest(self: &Arc<Self>, repository: &Repository, digest: &Digest) -> DigestResult {
        if (self.alone || self.caller.is_some()) && !self.grants_digest(repository, digest).await? {
            return self.manifest_apart(repository, digest).await;
        }
        if let Some(content) = self.in_memory(repository, digest) {
            return Ok(Some(content));
        }
        let resolver = Arc::clone(self);
        let key = (repository.clone(), digest.clone());
        let fetch = |(repository, digest)| async move { resolver.fetch(&repository, &digest).await };
        let found = self.digest_flights.join(key.clone(), || fetch(key)).await?;
        // Another caller's credentials may have been at work.
        let may_be_anothers = found.as_ref().map_or_else(is_callers_own, Option::is_none);
        if self.caller.is_none() || !may_be_anothers {
            return found;
        }
        let found = self.fetch(repository, digest).await;
        self.note_refusal(std::slice::from_ref(repository), &found);
        found
    }

    /// The upstream's own answer to a caller for whom nothing is in the cache.
    async fn manifest_apart(&self, repository: &Repository, digest: &Digest) -> DigestResult {
        let sources = self.sources(repository, digest).await?;
        let mut answer = Ok(None);
        for home in sources.iter().chain([repository]) {
            let asked = Instant::now();
            match self.document(home, &Reference::Digest(digest.clone())).await {
                Ok(Some((content, _))) => {
                    self.note_grant(home, asked);
                    return Ok(Some(content));
                }
                Ok(None) => {}
                Err(error) => answer = Err(error),
            }
        }
        match answer {
            // Alone, nothing of another repository is told, not even that there is something.
            Ok(None) if !self.alone => self.merged_apart(repository, digest).await,
            answer => answer,
        }
    }

    /// An index that onetag made, for a caller who may pull and not list: the upstream has an image of it for this one,
    /// in each of the repositories that it leads to.
    async fn merged_apart(&self, repository: &Repository, digest: &Digest) -> DigestResult {
        let Some(content) = self.merged.find(repository, digest).await.map_err(ResolveError::Store)? else {
            return Ok(None);
        };
        let Ok(Document::Index(index)) = Document::parse(&content.bytes, &content.media_type) else {
            return Ok(None);
        };
        let mut homes: Vec<Repository> = Vec::new();
        for entry in index.manifests {
            let source = self.source(repository, &entry.digest).await?;
            let home = source.unwrap_or_else(|| repository.clone());
            if homes.contains(&home) {
                continue;
            }
            if self.upstream.head(&home, &Reference::Digest(entry.digest)).await? == Head::Absent {
                return Ok(None);
            }
            homes.push(home);
        }
        Ok(Some(content))
    }

    /// Whether a digest is one that onetag itself made for this repository.
    pub async fn is_merged(&self, repository: &Repository, digest: &Digest) -> bool {
        self.merged.find(repository, digest).await.is_ok_and(|found| found.is_some())
    }

    /// The other repository in which a digest of this one is, if it is in another (rule X1).
    pub async fn source(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Repository>, ResolveError> {
        if self.alone {
            return Ok(None);
        }
        let source = self.merged.source(repository, digest).await;
        source.map_err(ResolveError::Store)
    }

    /// The other repositories that a digest of this one leads to: that in which it is, or those of the images of an
    /// index that onetag made (rules X1, X2).
    pub async fn sources(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Repository>, ResolveError> {
        if self.alone || !self.merged.has_sources(repository) {
            return Ok(Vec::new());
        }
        if let Some(source) = self.source(repository, digest).await? {
            return Ok(vec![source]);
        }
        let merged = self.merged.find(repository, digest).await.map_err(ResolveError::Store)?;
        let document = merged.map(|merged| Document::parse(&merged.bytes, &merged.media_type));
        let Some(Ok(Document::Index(index))) = document else { return Ok(Vec::new()) };
        let mut sources = Vec::new();
        for entry in index.manifests {
            let source = self.source(repository, &entry.digest).await?;
            sources.extend(source.filter(|source| !sources.contains(source)));
        }
        Ok(sources)
    }

    /// From now on serves digests of another repository through this one: what it lists as referring to a
    /// member's image, and what that leads to (rules X1, G1).
    pub async fn serve_also(&self, repository: &Repository, source: &Repository, digests: Vec<Digest>) {
        let sources = digests.into_iter().take(MAX_DIGESTS).map(|digest| (digest, source.clone()));
        self.merged.keep_sources(repository, sources.collect()).await;
    }

    fn in_memory(&self, repository: &Repository, digest: &Digest) -> Option<Arc<Content>> {
        self.manifests.get(repository, digest).or_else(|| self.merged.get(repository, digest))
    }

    async fn fetch(&self, repository: &Repository, digest: &Digest) -> DigestResult {
        if let Some(content) = self.in_memory(repository, digest) {
            return Ok(Some(content));
        }
        let kept = self.merged.find(repository, digest).await;
        if let Ok(Some(content)) = kept {
            return Ok(Some(content));
        }
        if let Some(content) = self.manifests.load(repository, digest).await {
            return Ok(Some(content));
        }
        let source = self.source(repository, digest).await;
        let mut elsewhere = source.as_ref().map(|_| None).map_err(Clone::clone);
        if let Ok(Some(source)) = &source {
            match self.document(source, &Reference::Digest(digest.clone())).await {
                Ok(Some((content, document))) => {
                    self.serve_also(repository, source, leads_to(&content, &document)).await;
                    self.manifests.put(repository, &content);
                    return Ok(Some(content));
                }
                Ok(None) => {}
                // It may be here as well.
                Err(error) => elsewhere = Err(error),
            }
        }
        match (self.document(repository, &Reference::Digest(digest.clone())).await?, kept) {
            (Some((content, _)), _) => Ok(Some(content)),
            // It may be a merged one that cannot be read just now: that is not to say that there is none.
            (None, Err(error)) => Err(ResolveError::Store(error)),
            (None, Ok(_)) => elsewhere,
        }
    }

    /// Fetches and reads a document, and keeps it by its digest.
    pub(super) async fn document(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<(Arc<Content>, Document)>, ResolveError> {
        let before = self.changes.now();
        let Some(found) = self.upstream.manifest(repository, reference).await? else { return Ok(None) };
        let document = Document::parse(&found.bytes, &found.media_type).map_err(|error| {
            let (repository, reference) = (repository.clone(), reference.clone());
            ResolveError::Document { repository, reference, error: Arc::new(error) }
        })?;
        let content = Content::new(&found.bytes, document.media_type().clone(), found.digest);
        let content = Arc::new(content);
        let deleted = |change: &Change| matches!(change, Change::Deleted(from, digest) if from == repository && *digest == content.digest);
        self.changes.keep(before, deleted, |late| {
            if !late {
                self.manifests.put(repository, &content);
            }
        });
        Ok(Some((content, document)))
    }
}
