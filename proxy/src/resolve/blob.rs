//! A blob: from the cache, behind its arrival there, or past the cache from the upstream.

use std::fs::File;
use std::sync::Arc;

use http::{Method, Response, StatusCode};
use onetag_oci::{Digest, Repository};

use crate::cache::{BlobBody, BlobError, Blobs, Change, Feed, Follower, Found, Joined, Part};
use crate::flight::FlightLost;
use crate::telemetry::BlobAnswer;
use crate::upstream::UpstreamBody;

use super::blob_feed::UpstreamFeed;
use super::byte_range::ByteRange;
use super::error::ResolveError;
use super::grants::is_callers_own;
use super::resolver::Resolver;

/// How much may have to arrive before a part can be sent for its reader to wait: if it is more, the upstream is asked.
const REACH: u64 = 16 << 20;

/// What a client asks for.
pub struct BlobRequest {
    /// The repository that it names.
    pub repository: Repository,
    /// The blob.
    pub digest: Digest,
    /// Whether it is a HEAD.
    pub head: bool,
    /// The part of the blob; none for the whole.
    pub range: Option<ByteRange>,
}

/// What it gets.
pub enum BlobReply {
    /// The blob or a part of it, verified.
    Served(ServedBlob),
    /// The upstream's own answer, not verified: 200, 206 or 416.
    Passed(Response<UpstreamBody>),
    /// The blob, of this size in bytes, has no such part.
    OutOfRange(u64),
    /// There is no such blob.
    Absent,
}

/// A blob that is served.
pub struct ServedBlob {
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    /// The first byte and the one after the last, for a part.
    pub part: Option<(u64, u64)>,
    /// The bytes; none for HEAD.
    pub body: Option<BlobBody>,
    /// Whether all of it is here, and right.
    pub is_hit: bool,
}

type Answered = (BlobAnswer, BlobReply);

/// What the cache says to a request.
enum Cached {
    Answer(Answered),
    /// What was looked at has changed meanwhile.
    Again,
    /// The upstream is to be asked.
    Pass,
}

impl Resolver {
    /// Answers a request for a blob. Unless all of it is here, the answer begins once there are bytes to send,
    /// so that an early failure is told as such.
    pub async fn blob(self: &Arc<Self>, request: BlobRequest) -> Result<BlobReply, ResolveError> {
        let answered = if self.grants_digest(&request.repository, &request.digest).await? {
            let answered = Asking::new(self, &request).answer().await;
            self.note_refusal(std::slice::from_ref(&request.repository), &answered);
            answered
        } else {
            // The upstream's own answer to a caller for whom nothing is in the cache.
            Asking::new(self, &request).past_the_cache().await
        };
        self.metrics.blob(match &answered {
            Ok((answer, _)) => *answer,
            Err(_) => BlobAnswer::Failed,
        });
        answered.map(|(_, reply)| reply)
    }
}

impl Resolver {
    /// Whether the upstream says that a repository has a blob; that it has is remembered.
    async fn has_blob(
        self: Arc<Self>,
        (repository, digest): (Repository, Digest),
    ) -> Result<bool, ResolveError> {
        let before = self.changes.now();
        let found = self.fetch_blob(&repository, &digest, Method::HEAD, None).await?;
        let has = found.status() == StatusCode::OK;
        let deleted = |change: &Change| matches!(change, Change::Deleted(of, gone) if *of == repository && *gone == digest);
        self.changes.keep(before, deleted, |late| {
            if has && !late {
                self.links.note(&repository, &digest);
            }
        });
        Ok(has)
    }
}

/// A request that is being answered.
pub(super) struct Asking<'a> {
    pub(super) resolver: &'a Arc<Resolver>,
    pub(super) request: &'a BlobRequest,
    pub(super) feed: Arc<dyn Feed>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(resolver: &'a Arc<Resolver>, request: &'a BlobRequest) -> Self {
        let BlobRequest { repository, digest, .. } = request;
        let (repository, digest) = (repository.clone(), digest.clone());
        let feed = Arc::new(UpstreamFeed { resolver: Arc::clone(resolver), repository, digest });
        Self { resolver, request, feed }
    }

    async fn answer(&self) -> Result<Answered, ResolveError> {
        if let Some(blobs) = &self.resolver.blobs {
            // A second look is enough: what it misses is not worth a third one.
            for _ in 0..2 {
                match self.look_in(blobs).await? {
                    Cached::Answer(answered) => return Ok(answered),
                    Cached::Again => {}
                    Cached::Pass => break,
                }
            }
        }
        self.past_the_cache().await
    }

    async fn look_in(&self, blobs: &Arc<Blobs>) -> Result<Cached, ResolveError> {
        let BlobRequest { repository, digest, head, range } = self.request;
        match blobs.find(digest).await {
            // Its size, too, is told only once its content is known to be right (threat T31).
            Found::Here { size, .. } if *head => {
                let answer = if self.may_read().await? { hit(size, None, None) } else { absent() };
                return Ok(Cached::Answer(answer));
            }
            Found::Here { file, size } => return self.here(blobs, file, size).await.map(Cached::Answer),
            Found::Slow => return Ok(Cached::Pass),
            Found::Missing if *head => return Ok(Cached::Pass),
            Found::Missing => {}
        }
        let is_part = range.is_some_and(|range| range != ByteRange::From(0));
        let mut allowed = false;
        loop {
            // For a part alone nothing is downloaded.
            let joined = if is_part {
                blobs.follow(digest, repository, allowed)
            } else {
                blobs.join(digest, repository, allowed, &self.feed)
            };
            match joined {
                Joined::Started(follower) => return self.behind(blobs, follower, BlobAnswer::Filled).await,
                Joined::Joined(follower) => return self.behind(blobs, follower, BlobAnswer::Arriving).await,
                Joined::Foreign if self.may_read().await? => allowed = true,
                Joined::Foreign => return Ok(Cached::Answer(absent())),
                Joined::Here => return Ok(Cached::Again),
                Joined::Closed => return Ok(Cached::Pass),
            }
        }
    }

    /// An answer out of a file.
    async fn here(&self, blobs: &Arc<Blobs>, file: Arc<File>, size: u64) -> Result<Answered, ResolveError> {
        if !self.may_read().await? {
            return Ok(absent());
        }
        let range = self.request.range;
        let Some((first, end)) = range.map_or(Some((0, size)), |range| range.within(size)) else {
            return Ok(out_of_range(size));
        };
        let body = BlobBody::of_file(blobs, file, self.part(first, Some(end)));
        Ok(hit(size, range.map(|_| (first, end)), Some(body)))
    }

    /// An answer that follows an arrival.
    async fn behind(
        &self,
        blobs: &Arc<Blobs>,
        mut follower: Follower,
        answer: BlobAnswer,
    ) -> Result<Cached, ResolveError> {
        let BlobRequest { repository, digest, range, .. } = self.request;
        let is_own = follower.repository() == repository;
        // What another repository's arrival says of a failure does not hold for this one.
        // Nor what another caller's credentials came to.
        let failed = |error| {
            let error = self.failed(error);
            let is_anothers = self.resolver.caller.is_some() && is_callers_own(&error);
            if is_own && !is_anothers { Err(error) } else { Ok(Cached::Pass) }
        };
        if let Err(error) = follower.opened().await {
            return failed(error);
        }
        let (size, written) = follower.progress();
        let (first, part) = match (range, size) {
            (None, _) | (Some(ByteRange::From(0)), None) => (0, None),
            (Some(range), Some(size)) => match range.within(size) {
                Some(part) => (part.0, Some(part)),
                None => return Ok(Cached::Answer(out_of_range(size))),
            },
            (Some(_), None) => return Ok(Cached::Pass),
        };
        // Who reads to the end is kept waiting for it until all is verified; what stops before the end could never be
        // taken back, so it does not begin earlier.
        let awaited =
            part.zip(size).filter(|((_, end), size)| end < size).map_or(first, |(_, size)| size - 1);
        if awaited > written + REACH {
            return Ok(Cached::Pass);
        }
        match follower.ready(awaited).await {
            Ok(true) => {}
            Ok(false) if is_own && self.resolver.caller.is_none() => return Ok(Cached::Answer(absent())),
            Ok(false) => return Ok(Cached::Pass),
            Err(error) => return failed(error),
        }
        if is_own {
            self.resolver.links.note(repository, digest);
        }
        let answer = if follower.is_abandoned() { BlobAnswer::Bypassed } else { answer };
        let (size, _) = follower.progress();
        let wanted = self.part(first, part.map_or(size, |(_, end)| Some(end)));
        let body = BlobBody::following(blobs, follower, wanted).begun().await;
        let body = body.map_err(|error| self.failed(error))?;
        let served = ServedBlob { size, part, body: Some(body), is_hit: false };
        Ok(Cached::Answer((answer, BlobReply::Served(served))))
    }

    /// The upstream's answer: verified on its way if it is the whole, else as it is.
    async fn past_the_cache(&self) -> Result<Answered, ResolveError> {
        let BlobRequest { repository, digest, head, range } = self.request;
        if *head || range.is_some() {
            let (method, answer) = match head {
                true => (Method::HEAD, BlobAnswer::Bypassed),
                false => (Method::GET, BlobAnswer::PassedRange),
            };
            let found = self.resolver.fetch_blob(repository, digest, method, *range).await?;
            match found.status() {
                StatusCode::NOT_FOUND => return Ok(absent()),
                // The upstream does not know ranges: then the whole is verified, over a stream of its own.
                StatusCode::OK if !*head => {}
                _ => return Ok((answer, BlobReply::Passed(found))),
            }
        }
        let opened = self.feed.open(0).await.map_err(|error| self.failed(error.into()))?;
        let Some(opened) = opened else { return Ok(absent()) };
        let size = opened.total;
        let body = BlobBody::passing(opened, self.part(0, size), &self.resolver.metrics);
        let body = body.begun().await.map_err(|error| self.failed(error))?;
        let served = ServedBlob { size, part: None, body: Some(body), is_hit: false };
        Ok((BlobAnswer::Bypassed, BlobReply::Served(served)))
    }

    /// Whether the repository is known to have the blob, or says so now. Callers share one question.
    pub(super) async fn may_read(&self) -> Result<bool, ResolveError> {
        let BlobRequest { repository, digest, .. } = self.request;
        if self.resolver.links.knows(repository, digest).await {
            return Ok(true);
        }
        let key = (repository.clone(), digest.clone());
        let ask = || Arc::clone(self.resolver).has_blob(key.clone());
        let known = self.resolver.link_flights.join(key.clone(), ask).await?;
        let may_be_anothers = known.as_ref().map_or_else(is_callers_own, |has| !has);
        if self.resolver.caller.is_some() && may_be_anothers { ask().await } else { known }
    }

    fn part(&self, first: u64, end: Option<u64>) -> Part {
        Part { digest: self.request.digest.clone(), first, end, feed: Arc::clone(&self.feed) }
    }

    pub(super) fn failed(&self, error: BlobError) -> ResolveError {
        match error {
            BlobError::Feed(error) => match error.cause.downcast_ref::<ResolveError>() {
                Some(cause) => cause.clone(),
                None => ResolveError::Lost(FlightLost),
            },
            BlobError::Lost => ResolveError::Lost(FlightLost),
            error => {
                let BlobRequest { repository, digest, .. } = self.request;
                ResolveError::Blob { repository: repository.clone(), digest: digest.clone(), error }
            }
        }
    }
}

fn hit(size: u64, part: Option<(u64, u64)>, body: Option<BlobBody>) -> Answered {
    (BlobAnswer::Hit, BlobReply::Served(ServedBlob { size: Some(size), part, body, is_hit: true }))
}

fn out_of_range(size: u64) -> Answered {
    (BlobAnswer::Hit, BlobReply::OutOfRange(size))
}

fn absent() -> Answered {
    (BlobAnswer::Absent, BlobReply::Absent)
}
