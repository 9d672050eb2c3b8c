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

use crate::cache::TagRecord;
use crate::flight::Flights;
use crate::merge::Address;
use crate::upstream::{ErrorKind, Fault, UpstreamError};

use super::error::ResolveError;
use super::resolver::Resolver;

/// The most grants that are remembered.
const MAX_GRANTS: u64 = 100_000;

/// A caller, without what proves it: a keyed hash, whose key dies with the process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallerKey([u8; 32]);

type Key = (CallerKey, Repository);

/// What the upstream allowed callers lately.
pub(super) struct Grants {
    /// Since when; the time at which the upstream was asked.
    kept: Cache<Key, Instant>,
    questions: Flights<Key, Result<bool, ResolveError>>,
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
        let is_younger = |than: Duration| self.grants.age(&key).is_some_and(|age| age < than);
        if is_younger(self.grants.fresh) {
            return Ok(true);
        }
        match self.ask_for_grant(&key).await {
            // The upstream fails: its last yes holds a little longer.
            Err(ResolveError::Upstream(error))
                if is_outage(&error) && is_younger(self.grants.fresh + self.grants.stale) =>
            {
                tracing::debug!(%error, %repository, "an earlier grant is used");
                Ok(true)
            }
            answered => answered,
        }
    }

    /// Asks the upstream whether a caller may read a repository, whatever it said before.
    async fn ask_for_grant(&self, key: &Key) -> Result<bool, ResolveError> {
        let (upstream, grants, asked_for) = (self.upstream.clone(), self.grants.kept.clone(), key.clone());
        let question = || async move {
            let asked = Instant::now();
            match upstream.may_read(&asked_for.1).await {
                Ok(true) => {
                    grants.insert(asked_for, asked);
                    Ok(true)
                }
                // There is no such repository, or it is not to be seen: nobody is told which (threat T2).
                Ok(false) => {
                    grants.invalidate(&asked_for);
                    Ok(false)
                }
                Err(error) => {
                    if let ErrorKind::Denied(_) = error.kind() {
                        grants.invalidate(&asked_for);
                    }
                    // Some registries list no tags at all, or not to everybody who may pull.
                    let is_no_answer =
                        matches!(error.kind(), ErrorKind::Status { status, .. } if status.is_client_error());
                    if error.is_forbidden() || is_no_answer { Ok(false) } else { Err(error.into()) }
                }
            }
        };
        self.grants.questions.join(key.clone(), question).await?
    }

    /// The upstream let who asks read something of a repository, when it was asked at `asked`.
    pub(super) fn note_grant(&self, repository: &Repository, asked: Instant) {
        if let Some(caller) = &self.caller {
            self.grants.kept.insert((caller.clone(), repository.clone()), asked);
        }
    }

    /// Takes the grants away that led to an answer which the upstream refuses: an outage must not bring them back.
    pub(super) fn note_refusal<T>(&self, repositories: &[Repository], answer: &Result<T, ResolveError>) {
        if let (Some(caller), Err(error)) = (&self.caller, answer)
            && is_denied(error)
        {
            for repository in repositories {
                self.grants.kept.invalidate(&(caller.clone(), repository.clone()));
            }
        }
    }

    /// Whether who asks may read a digest of a repository: in truth it may be another's, or lead there (rule X2).
    pub async fn grants_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, ResolveError> {
        if self.alone {
            return Ok(false);
        }
        if self.caller.is_none() {
            return Ok(true);
        }
        if !self.grants_reading(repository).await? {
            return Ok(false);
        }
        for source in self.sources(repository, digest).await? {
            // The upstream itself is asked then, for both: this repository may have it as well.
            if !matches!(self.grants_reading(&source).await, Ok(true)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the answer to a tag may be shared with who asks: nothing of it can be in a repository that it may not
    /// read. Where that is not so, it gets an answer of its own.
    pub(super) async fn may_share(&self, repository: &Repository, tag: &Tag) -> Result<bool, ResolveError> {
        if self.caller.is_none() {
            return Ok(true);
        }
        for involved in self.involved(repository, tag).await? {
            match self.grants_reading(&involved).await {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) if involved != *repository && is_denied(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether the upstream's answer to this caller is that to all who may read the same repositories. Where nothing
    /// was found it may be that this one lost its access since it was let in, and what such a caller does not find
    /// must not be missing for others (threat T21).
    pub(super) async fn holds_for_all(
        &self,
        (repository, tag): &(Repository, Tag),
        record: &TagRecord,
    ) -> Result<bool, ResolveError> {
        let Some(caller) = self.caller.as_ref().filter(|_| !record.stale) else { return Ok(true) };
        let basis = record.tagged.as_ref().map(|tagged| &tagged.basis);
        if basis.is_some_and(|basis| basis.alone) {
            return Ok(true);
        }
        let has_given = |of: &Repository| {
            let home = |address: &Address| address.repository.as_ref().unwrap_or(repository) == of;
            basis.is_some_and(|basis| basis.tags.iter().any(|(address, _)| home(address)))
        };
        for involved in self.involved(repository, tag).await? {
            if !has_given(&involved)
                && !matches!(self.ask_for_grant(&(caller.clone(), involved)).await, Ok(true))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Every repository that the answer to a tag may say something of.
    pub(super) async fn involved(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Vec<Repository>, ResolveError> {
        let mut involved = vec![repository.clone()];
        involved.extend(self.others(repository, tag));
        let home = self.home(repository, tag).await?;
        if !involved.contains(&home) {
            involved.push(home);
        }
        Ok(involved)
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

/// Whether the upstream cannot be asked, which is not to say that onetag is busy: whoever keeps it so must not gain by it.
fn is_outage(error: &UpstreamError) -> bool {
    error.is_transient() && matches!(error.fault(), Fault::Network | Fault::Registry)
}

/// Whether an answer may be that to one caller's credentials alone: it is not shared, and whoever joined it asks anew.
pub(super) fn is_callers_own(error: &ResolveError) -> bool {
    let is_limited = |error: &UpstreamError| matches!(error.kind(), ErrorKind::Limited { .. });
    is_denied(error) || matches!(error, ResolveError::Upstream(error) if is_limited(error))
}

/// Whether the upstream answered that this account may not see it, or in a way that holds for this account alone; that
/// is no failure.
pub(super) fn is_denied(error: &ResolveError) -> bool {
    match error {
        ResolveError::Upstream(error) => matches!(error.kind(), ErrorKind::Denied(_)),
        ResolveError::ForOneAlone => true,
        _ => false,
    }
}
