//! Who may read what, where callers use their own credentials (`docs/threats.md`, decision 1; threats T1 to T3).
//!
//! What is in the cache was fetched for somebody. Before anybody else gets it, the upstream has to have said yes to
//! that caller for that repository: a *grant*. Only the upstream's 2xx makes one. Without one the upstream itself answers,
//! to the caller's own credentials. It is believed for a minute, and for
//! longer only while the upstream cannot be asked; a no takes it away at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use http::HeaderValue;
use moka::sync::Cache;
use onetag_oci::{Digest, Repository, Tag};

use crate::flight::Flights;
use crate::upstream::{ErrorKind, UpstreamError};

use super::error::ResolveError;
use super::resolver::Resolver;

/// The most grants that are remembered.
const MAX_GRANTS: u64 = 100_000;

/// A caller, without what proves it: a keyed hash, whose key dies with the process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallerKey([u8; 32]);

type Key = (CallerKey, Repository);

/// Whether a caller may read a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// The upstream lets it.
    Granted,
    /// The upstream does not, or there is no such repository. Nobody is told which (threat T2).
    Hidden,
}

/// What the upstream allowed callers lately.
pub(super) struct Grants {
    /// Since when; the time at which the upstream was asked.
    kept: Cache<Key, Instant>,
    questions: Flights<Key, Result<Permission, ResolveError>>,
    hash: hmac::Key,
    fresh: Duration,
    /// How much longer a grant holds while the upstream fails.
    stale: Duration,
    /// What the upstream last said to somebody without credentials.
    pinged: Mutex<Option<Result<(), UpstreamError>>>,
}

impl Grants {
    pub(super) fn new(config: &onetag_config::Upstream) -> Self {
        let mut secret = [0; 32];
        // Without randomness the hashes can be computed by others, who never see any.
        let _unchanged = aws_lc_rs::rand::fill(&mut secret);
        let (fresh, stale) = (config.grant_ttl.get(), config.stale_grant.get());
        Self {
            kept: Cache::builder().max_capacity(MAX_GRANTS).time_to_live(fresh + stale).build(),
            questions: Flights::default(),
            hash: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            fresh,
            stale,
            pinged: Mutex::default(),
        }
    }

    /// Who a caller is by its Authorization.
    pub(super) fn caller(&self, authorization: Option<&HeaderValue>) -> CallerKey {
        let mut context = hmac::Context::with_key(&self.hash);
        context.update(&[u8::from(authorization.is_some())]);
        context.update(authorization.map_or(&[], HeaderValue::as_bytes));
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        CallerKey(key)
    }

    fn last_ping(&self) -> MutexGuard<'_, Option<Result<(), UpstreamError>>> {
        self.pinged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age(&self, key: &Key) -> Option<Duration> {
        self.kept.get(key).map(|since| since.elapsed())
    }
}

impl Resolver {
    /// What `GET /v2/` comes to for who asks. While the upstream fails, it is what it last was: from its challenge
    /// alone some clients learn how to prove who they are.
    pub async fn ping(&self) -> Result<(), ResolveError> {
        let answer = self.upstream.ping().await;
        let is_outage = answer.as_ref().is_err_and(UpstreamError::is_transient);
        let has_credentials = self.caller.as_ref() != Some(&self.grants.caller(None));
        let answer = match (is_outage, has_credentials) {
            (false, true) => answer,
            (false, false) => self.grants.last_ping().insert(answer).clone(),
            (true, true) => Ok(()),
            (true, false) => self.grants.last_ping().clone().unwrap_or(answer),
        };
        Ok(answer?)
    }

    /// Whether who asks may read a repository. Onetag itself may read what its own credentials can. Where it is not so,
    /// nothing that is known answers, but the upstream alone: it knows best what it has for this caller.
    ///
    /// A 401 is an error that has the challenge for the caller; so are failures to ask, unless the upstream said yes
    /// not long ago.
    pub async fn grants_reading(&self, repository: &Repository) -> Result<bool, ResolveError> {
        let Some(caller) = &self.caller else { return Ok(true) };
        let key = (caller.clone(), repository.clone());
        let age = self.grants.age(&key);
        if age.is_some_and(|age| age < self.grants.fresh) {
            return Ok(true);
        }
        let (upstream, grants) = (self.upstream.clone(), self.grants.kept.clone());
        let ask = |key: Key| async move {
            let asked = Instant::now();
            let answer = upstream.may_read(&key.1).await;
            match answer {
                Ok(true) => {
                    grants.insert(key, asked);
                    Ok(Permission::Granted)
                }
                Ok(false) => {
                    grants.invalidate(&key);
                    Ok(Permission::Hidden)
                }
                Err(error) => {
                    if let ErrorKind::Denied(_) = error.kind() {
                        grants.invalidate(&key);
                    }
                    if error.is_forbidden() { Ok(Permission::Hidden) } else { Err(error.into()) }
                }
            }
        };
        let asked = self.grants.questions.join(key.clone(), || ask(key.clone())).await?;
        match asked {
            Ok(permission) => Ok(permission == Permission::Granted),
            // The upstream fails: its last yes holds a little longer.
            Err(ResolveError::Upstream(error))
                if error.is_transient()
                    && self
                        .grants
                        .age(&key)
                        .is_some_and(|age| age < self.grants.fresh + self.grants.stale) =>
            {
                tracing::debug!(%error, %repository, "an earlier grant is used");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// The upstream let who asks read something of a repository.
    pub(super) fn note_grant(&self, repository: &Repository) {
        if let Some(caller) = &self.caller {
            self.grants.kept.insert((caller.clone(), repository.clone()), Instant::now());
        }
    }

    /// Whether who asks may read a digest of a repository: it may be another's in truth (rule X2).
    pub async fn grants_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, ResolveError> {
        if self.caller.is_none() {
            return Ok(true);
        }
        if !self.grants_reading(repository).await? {
            return Ok(false);
        }
        match self.source(repository, digest).await? {
            Some(source) => self.grants_reading(&source).await,
            None => Ok(true),
        }
    }

    /// Whether the answer to a tag may be shared with who asks: nothing of it can be in a repository that it may not
    /// read. Where that is not so, it gets an answer of its own.
    pub(super) async fn may_share(&self, repository: &Repository, tag: &Tag) -> Result<bool, ResolveError> {
        if self.caller.is_none() {
            return Ok(true);
        }
        for other in self.others(repository, tag) {
            match self.grants_reading(&other).await {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(ResolveError::Upstream(error)) if matches!(error.kind(), ErrorKind::Denied(_)) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The other repositories that the merge of a tag needs, each once.
    pub fn others(&self, repository: &Repository, tag: &Tag) -> Vec<Repository> {
        let rule = self.rules.of(repository, tag);
        if rule.elsewhere() == 0 {
            return Vec::new();
        }
        let mut others: Vec<Repository> = Vec::new();
        for candidate in rule.candidates(repository, tag) {
            let other = candidate.address.repository.filter(|other| other != repository);
            others.extend(other.filter(|other| !others.contains(other)));
        }
        others
    }
}

/// Whether the upstream answered that this account may not see it, which is no failure.
pub(super) fn is_denied(error: &ResolveError) -> bool {
    matches!(error, ResolveError::Upstream(error) if matches!(error.kind(), ErrorKind::Denied(_)))
}
