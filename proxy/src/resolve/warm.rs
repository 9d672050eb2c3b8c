//! Keeping tags warm: all that a pull of them would fetch is fetched before anybody pulls.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use onetag_config::{Warm, WarmReference};
use onetag_oci::{Descriptor, Digest, Document, Platform, Reference, Repository, Tag, blobs_of};

use crate::cache::Content;
use crate::merge::{Claim, is_image, normalise, required};

use super::blob::{BlobReply, BlobRequest};
use super::error::ResolveError;
use super::reader::MAX_DEPTH;
use super::resolver::Resolver;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How many manifests or blobs of one tag are fetched at once.
const AT_ONCE: usize = 4;

/// What was fetched for a reference so far, and what is known to be needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Warmth {
    /// Manifests and indexes that are at hand.
    pub manifests: usize,
    /// Blobs that are at hand.
    pub blobs: usize,
    /// Blobs that the manifests name.
    pub blobs_wanted: usize,
    /// Bytes of blobs that had to be fetched.
    pub fetched_bytes: u64,
}

/// A warming that goes on: `tell` hears of each step.
struct Warming<'a> {
    resolver: &'a Arc<Resolver>,
    repository: &'a Repository,
    platforms: &'a [Platform],
    warmth: Warmth,
    tell: &'a mut (dyn FnMut(Warmth) + Send),
}

impl Resolver {
    /// Fetches what a pull of `reference` needs on `platforms`, or on all of them where there are none, and that
    /// is not at hand: manifests, and where there is a cache of blobs, configs and layers. None when there is no
    /// such reference. A tag that is fresh is not asked for again.
    ///
    /// Fails with the first thing that cannot be had; what was fetched until then stays.
    pub async fn warm(
        self: &Arc<Self>,
        repository: &Repository,
        reference: &Reference,
        platforms: &[Platform],
        tell: &mut (dyn FnMut(Warmth) + Send),
    ) -> Result<Option<Warmth>, ResolveError> {
        let content = match reference {
            Reference::Tag(tag) => {
                let record = self.tag_now(repository, tag).await?;
                record.tagged.map(|tagged| Arc::clone(&tagged.content))
            }
            Reference::Digest(digest) => self.manifest(repository, digest).await?,
        };
        let Some(content) = content else { return Ok(None) };
        let mut warming = Warming { resolver: self, repository, platforms, warmth: Warmth::default(), tell };
        warming.run(content).await?;
        Ok(Some(warming.warmth))
    }
}

impl Warming<'_> {
    async fn run(&mut self, content: Arc<Content>) -> Result<(), ResolveError> {
        let mut level = vec![content];
        let mut blobs: Vec<Digest> = Vec::new();
        for _ in 0..=MAX_DEPTH {
            let mut below: Vec<Digest> = Vec::new();
            for content in &level {
                self.warmth.manifests += 1;
                match Document::parse(&content.bytes, &content.media_type) {
                    Ok(Document::Index(index)) => {
                        let wanted =
                            index.manifests.iter().filter(|entry| self.wants(entry, &index.manifests));
                        below.extend(wanted.map(|entry| entry.digest.clone()));
                    }
                    _ => blobs.extend(blobs_of(&content.bytes).unwrap_or_default()),
                }
            }
            self.told();
            level = self.manifests(below).await?;
        }
        blobs.sort();
        blobs.dedup();
        self.blobs(blobs).await
    }

    /// Whether an entry of an index is wanted: its platform is, or it belongs to an entry that is.
    fn wants(&self, entry: &Descriptor, all: &[Descriptor]) -> bool {
        if self.platforms.is_empty() || entry.media_type.is_index() {
            return true;
        }
        if let Some(subject) = entry.annotations.get("vnd.docker.reference.digest") {
            let of = |other: &&Descriptor| is_image(other) && other.digest.to_string() == *subject;
            return all.iter().find(of).is_some_and(|subject| self.is_for_a_platform(subject));
        }
        self.is_for_a_platform(entry)
    }

    fn is_for_a_platform(&self, entry: &Descriptor) -> bool {
        let normal = entry.platform.as_ref().and_then(|platform| normalise(platform, &Claim::Nothing));
        normal.is_some_and(|normal| self.platforms.contains(&normal.platform))
    }

    async fn manifests(&mut self, digests: Vec<Digest>) -> Result<Vec<Arc<Content>>, ResolveError> {
        let (resolver, repository) = (self.resolver, self.repository);
        // An index may list what is not there, as when a platform was deleted: a pull of another one works.
        let found =
            stream::iter(digests).map(|digest| async move { resolver.manifest(repository, &digest).await });
        found.buffered(AT_ONCE).try_filter_map(|found| async { Ok(found) }).try_collect().await
    }

    async fn blobs(&mut self, digests: Vec<Digest>) -> Result<(), ResolveError> {
        if !self.resolver.keeps_blobs() {
            return Ok(());
        }
        self.warmth.blobs_wanted = digests.len();
        self.told();
        let (resolver, repository) = (self.resolver, self.repository);
        let fetch = |digest| async move { resolver.bring(repository, digest).await };
        let mut fetched = stream::iter(digests).map(fetch).buffer_unordered(AT_ONCE);
        while let Some(bytes) = fetched.next().await {
            self.warmth.fetched_bytes += bytes?;
            self.warmth.blobs += 1;
            (self.tell)(self.warmth);
        }
        Ok(())
    }

    fn told(&mut self) {
        (self.tell)(self.warmth);
    }
}

impl Resolver {
    /// Keeps what one `[[warm]]` lists at hand: now, and then again and again; never ends.
    pub async fn keep_warm(self: Arc<Self>, warm: Warm) {
        let platforms: Vec<Platform> = warm.platforms.iter().map(required).collect();
        loop {
            for reference in &warm.references {
                let warmed = self.warm_listed(reference, &platforms).await;
                if let Err(error) = warmed {
                    tracing::warn!(%error, %reference, "not kept warm");
                }
            }
            tokio::time::sleep(warm.every.get()).await;
        }
    }

    async fn warm_listed(
        self: &Arc<Self>,
        reference: &WarmReference,
        platforms: &[Platform],
    ) -> Result<(), BoxError> {
        let (repository, tag): (Repository, Tag) =
            (reference.repository().parse()?, reference.tag().parse()?);
        let tag = Reference::Tag(tag);
        match self.warm(&repository, &tag, platforms, &mut |_| {}).await? {
            Some(warmth) if warmth.fetched_bytes > 0 => {
                tracing::info!(%reference, blobs = warmth.blobs, bytes = warmth.fetched_bytes, "fetched to keep warm");
            }
            Some(_) => tracing::debug!(%reference, "is warm"),
            None => return Err("there is no such tag".into()),
        }
        Ok(())
    }

    /// Fetches a blob into the cache; how many bytes that took. One that the upstream lacks is none of a pull's
    /// that works, and is passed over: foreign layers are not in the registry.
    async fn bring(self: &Arc<Self>, repository: &Repository, digest: Digest) -> Result<u64, ResolveError> {
        let request = BlobRequest { repository: repository.clone(), digest, head: false, range: None };
        let (repository, digest) = (request.repository.clone(), request.digest.clone());
        let BlobReply::Served(served) = self.blob(request).await? else { return Ok(0) };
        if served.is_hit {
            return Ok(0);
        }
        let (mut bytes, Some(mut body)) = (0, served.body) else { return Ok(0) };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ResolveError::Blob {
                repository: repository.clone(),
                digest: digest.clone(),
                error,
            })?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(bytes)
    }
}
