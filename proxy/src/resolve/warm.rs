//! Keeping tags warm: all that a pull of them would fetch is fetched before anybody pulls.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use onetag_config::{Warm, WarmReference};
use onetag_oci::{Blob, Descriptor, Digest, Document, Platform, Reference, Repository, Tag, blobs_of};

use crate::cache::Content;
use crate::merge::{Claim, is_image, normalise, required};

use super::bring::{Brought, Room};
use super::error::ResolveError;
use super::reader::MAX_DEPTH;
use super::resolver::Resolver;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How many manifests or blobs of one tag are fetched at once.
const AT_ONCE: usize = 4;

/// The longest wait before the first round, so that replicas do not all begin at once.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// What was fetched for a reference so far, and what is known to be needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Warmth {
    /// Manifests and indexes that are at hand.
    pub manifests: usize,
    /// Those of them that are no indexes; none where no platform is one of those that are wanted.
    pub images: usize,
    /// Blobs that are at hand, or that the upstream lacks, so that no pull gets them.
    pub blobs: usize,
    /// Blobs that the manifests name.
    pub blobs_wanted: usize,
    /// Blobs that the cache cannot keep: they are too large, alone or together, or the disk fails.
    pub blobs_not_kept: usize,
    /// Bytes of blobs that had to be fetched.
    pub fetched_bytes: u64,
}

/// A warming that goes on: `tell` hears of each step.
struct Warming<'a> {
    resolver: &'a Arc<Resolver>,
    repository: &'a Repository,
    platforms: &'a [Platform],
    room: &'a mut Room,
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
        let mut room = Room::of(self.blobs.as_ref());
        self.warm_within(&mut room, repository, reference, platforms, tell).await
    }

    async fn warm_within(
        self: &Arc<Self>,
        room: &mut Room,
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
        let warmth = Warmth::default();
        let mut warming = Warming { resolver: self, repository, platforms, room, warmth, tell };
        warming.run(content).await?;
        Ok(Some(warming.warmth))
    }
}

impl Warming<'_> {
    async fn run(&mut self, content: Arc<Content>) -> Result<(), ResolveError> {
        let mut level = vec![content];
        let mut blobs: Vec<Blob> = Vec::new();
        for _ in 0..=MAX_DEPTH {
            let mut below: Vec<Digest> = Vec::new();
            for content in &level {
                self.warmth.manifests += 1;
                if let Ok(Document::Index(index)) = Document::parse(&content.bytes, &content.media_type) {
                    let wanted = index.manifests.iter().filter(|entry| self.wants(entry, &index.manifests));
                    below.extend(wanted.map(|entry| entry.digest.clone()));
                } else {
                    self.warmth.images += 1;
                    blobs.extend(blobs_of(&content.bytes).unwrap_or_default());
                }
            }
            self.told();
            level = self.manifests(below).await?;
        }
        blobs.sort_by(|one, other| one.digest.cmp(&other.digest));
        blobs.dedup_by(|one, other| one.digest == other.digest);
        // The smallest first: so most of them find room.
        blobs.sort_by_key(|blob| blob.size);
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

    async fn blobs(&mut self, wanted: Vec<Blob>) -> Result<(), ResolveError> {
        let Some(blobs) = &self.resolver.blobs else { return Ok(()) };
        self.warmth.blobs_wanted = wanted.len();
        let kept = wanted.into_iter().filter(|blob| self.room.takes(blob)).map(|blob| blob.digest);
        let kept: Vec<Digest> = kept.collect();
        self.warmth.blobs_not_kept = self.warmth.blobs_wanted - kept.len();
        self.told();
        let (resolver, repository) = (self.resolver, self.repository);
        let bring = |digest: Digest| async move {
            let brought = resolver.bring(blobs, repository, digest.clone()).await?;
            Ok::<_, ResolveError>((digest, brought))
        };
        let mut brought = stream::iter(kept).map(bring).buffer_unordered(AT_ONCE);
        let mut here = Vec::new();
        while let Some(one) = brought.next().await {
            let (digest, brought) = one?;
            match brought {
                Brought::NotKept => self.warmth.blobs_not_kept += 1,
                _ => self.warmth.blobs += 1,
            }
            if let Brought::Fetched(bytes) = brought {
                self.warmth.fetched_bytes += bytes;
            }
            if matches!(brought, Brought::Fetched(_) | Brought::Here) {
                here.push(digest);
            }
            (self.tell)(self.warmth);
        }
        // Others may have taken the room meanwhile.
        let lost = here.iter().filter(|digest| !blobs.has(digest)).count();
        self.warmth.blobs -= lost;
        self.warmth.blobs_not_kept += lost;
        Ok(())
    }

    fn told(&mut self) {
        (self.tell)(self.warmth);
    }
}

impl Resolver {
    /// Keeps what one `[[warm]]` lists at hand: soon, and then again and again; never ends.
    pub async fn keep_warm(self: Arc<Self>, warm: Warm) {
        let platforms: Vec<Platform> = warm.platforms.iter().map(required).collect();
        tokio::time::sleep(delay(warm.every.get())).await;
        loop {
            let (mut room, mut not_kept) = (Room::of(self.blobs.as_ref()), 0);
            for reference in &warm.references {
                match self.warm_listed(&mut room, reference, &platforms).await {
                    Ok(warmth) => not_kept += warmth.blobs_not_kept,
                    Err(error) => tracing::warn!(%error, %reference, "not kept warm"),
                }
            }
            if not_kept > 0 {
                tracing::warn!(
                    blobs = not_kept,
                    "not kept warm: the cache of blobs is too small, or cannot be used"
                );
            }
            tokio::time::sleep(warm.every.get()).await;
        }
    }

    async fn warm_listed(
        self: &Arc<Self>,
        room: &mut Room,
        reference: &WarmReference,
        platforms: &[Platform],
    ) -> Result<Warmth, BoxError> {
        let (repository, tag): (Repository, Tag) =
            (reference.repository().parse()?, reference.tag().parse()?);
        let tag = Reference::Tag(tag);
        let warmed = self.warm_within(room, &repository, &tag, platforms, &mut |_| {}).await?;
        let warmth = warmed.ok_or("there is no such tag")?;
        if warmth.images == 0 {
            return Err("it has no image for these platforms".into());
        }
        if warmth.fetched_bytes > 0 {
            tracing::info!(%reference, blobs = warmth.blobs, bytes = warmth.fetched_bytes, "fetched to keep warm");
        } else {
            tracing::debug!(%reference, ?warmth, "nothing was fetched");
        }
        Ok(warmth)
    }
}

/// A wait before the first of many rounds: up to a tenth of the time between two.
fn delay(every: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness there is no wait, and nothing worse.
    let _unchanged = aws_lc_rs::rand::fill(&mut byte);
    (every / 10).min(MAX_DELAY) * u32::from(byte[0]) / 256
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rounds_begin_at_different_times_and_soon() {
        let delays =
            |every| -> BTreeSet<Duration> { (0..100).map(|_| delay(Duration::from_secs(every))).collect() };
        let (short, long) = (delays(10), delays(86_400));
        assert!(short.len() > 10 && short.iter().all(|delay| *delay < Duration::from_secs(1)));
        assert!(long.len() > 10 && long.iter().all(|delay| *delay < MAX_DELAY));
        assert!(long.iter().any(|delay| *delay > MAX_DELAY / 4));
    }
}
