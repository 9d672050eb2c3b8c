//! A request, with all that is decided about it before it is answered: which upstream, who asks, and what that one
//! may do (threats T1, T2).

use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;
use onetag_oci::{Digest, Repository, Tag};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::endpoint::Endpoint;
use super::error::{Code, RegistryError};
use super::external::External;
use super::fields::{Fields, Lines};
use super::peer::Peer;
use super::routes::{Names, Route};
use crate::access::{Access, Action, Caller};
use crate::cache::TagRecord;
use crate::resolve::{ResolveError, Resolver};

/// What is escaped in a registry's name: all that no host and port has.
const NAMESPACE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b':');

/// The request of somebody.
pub(super) struct Call<'a> {
    pub(super) request: &'a Parts,
    pub(super) fields: Fields<'a>,
    pub(super) route: Route<'a>,
    /// What answers, with the credentials that the upstream is to be asked with.
    pub(super) resolver: Arc<Resolver>,
    /// Who asks, and who knows what that one may do; none where the upstream decides.
    caller: Option<(Arc<Access>, Caller)>,
    external: &'a External,
    peer: &'a Peer,
}

impl<'a> Call<'a> {
    /// Finds out who asks. A caller that proves to be nobody, or has to prove something, is refused here.
    pub(super) async fn of(
        (request, fields): (&'a Parts, Fields<'a>),
        route: Route<'a>,
        (access, external): (Arc<Access>, &'a External),
        peer: &'a Peer,
    ) -> Result<Self, RegistryError> {
        let authorization = authorization(&fields.authorization)?;
        let site = route.site;
        let (resolver, caller) = if site.asks_upstream {
            let login = authorization.filter(|value| is_somebody(value) && route.takes_logins());
            (Arc::new(site.resolver.on_behalf(login.cloned())), None)
        } else {
            let caller = access.caller(authorization, peer.identity.as_ref()).await?;
            (Arc::clone(&site.resolver), Some((access, caller)))
        };
        Ok(Self { request, fields, route, resolver, caller, external, peer })
    }

    /// Whether onetag itself decides what callers may do.
    pub(super) fn is_decided_here(&self) -> bool {
        self.caller.is_some()
    }

    /// Whether the caller may do something with a repository; where the upstream decides, it is asked.
    pub(super) fn may(&self, action: Action, inner: &Repository) -> bool {
        self.may_all(action)
            || self.caller.as_ref().is_none_or(|(access, caller)| {
                access.allows(caller, action, &self.route.site.canonical(inner))
            })
    }

    /// Whether it may do so with any repository.
    pub(super) fn may_all(&self, action: Action) -> bool {
        self.caller.as_ref().is_none_or(|(access, caller)| access.allows_all(caller, action))
    }

    /// Fails unless the caller may do what the request wants. To read what one may not is to find nothing; that one
    /// may not write says nothing about what there is.
    pub(super) fn demand(
        &self,
        action: Action,
        names: &Names,
        endpoint: &Endpoint,
    ) -> Result<(), RegistryError> {
        if self.may(action, &names.inner) {
            return Ok(());
        }
        let (access, caller) = self.caller.as_ref().ok_or_else(|| endpoint.absent())?;
        if matches!(caller, Caller::Anonymous) && access.knows_callers() {
            return Err(RegistryError::login("log in: this is not for everybody"));
        }
        match action {
            Action::Pull => Err(endpoint.absent()),
            Action::Push | Action::Delete => {
                Err(RegistryError::new(Code::Denied, "you may not change this repository through onetag"))
            }
        }
    }

    /// Leaves to the upstream alone whatever is asked of a digest that is in a repository which the caller may not read
    /// (rule X2): the one that it asks may have it as well.
    pub(super) async fn keep_within(&mut self, names: &Names, digest: &Digest) -> Result<(), RegistryError> {
        if !self.may_all(Action::Pull) {
            let sources = self.resolver.sources(&names.inner, digest).await?;
            if !sources.iter().all(|source| self.may(Action::Pull, source)) {
                self.resolver = Arc::new(self.resolver.alone());
            }
        }
        Ok(())
    }

    /// What a tag answers who asks: nothing of it is in a repository that the caller may not read (rule X2).
    pub(super) async fn tag(&mut self, names: &Names, tag: &Tag) -> Result<TagRecord, ResolveError> {
        let record = self.resolver.tag(&names.inner, tag).await?;
        if self.may_all(Action::Pull) || record.sources().all(|source| self.may(Action::Pull, source)) {
            return Ok(record);
        }
        self.resolver = Arc::new(self.resolver.alone());
        Box::pin(self.resolver.tag(&names.inner, tag)).await
    }

    /// Whether a caller that sent no credentials has to be asked for them before anything else: clients learn that
    /// from `GET /v2/` alone.
    pub(super) fn has_to_log_in(&self) -> bool {
        let anonymous = |(access, caller): &(Arc<Access>, Caller)| {
            matches!(caller, Caller::Anonymous) && access.needs_login()
        };
        self.caller.as_ref().is_some_and(anonymous)
    }

    /// The address of something of a repository, for a client: what stands behind `/v2/<repository>/`.
    pub(super) fn address(&self, names: &Names, rest: &str) -> String {
        self.address_of(&format!("/v2/{}/{rest}", names.outer))
    }

    /// The address of a path, for a client. It names the registry in the client's way: without `ns`, where that is
    /// how it was named, it would lead to another registry (threat T15).
    pub(super) fn address_of(&self, path: &str) -> String {
        let base = self.external.base(self.request, self.peer.address);
        let Some(namespace) = &self.route.namespace else { return format!("{base}{path}") };
        let separator = if path.contains('?') { '&' } else { '?' };
        let namespace = percent_encode(namespace.as_bytes(), NAMESPACE);
        format!("{base}{path}{separator}ns={namespace}")
    }
}

/// The one `Authorization`; with two of them, nobody can say who is meant.
fn authorization<'a>(lines: &Lines<'a>) -> Result<Option<&'a HeaderValue>, RegistryError> {
    match lines {
        Lines::None => Ok(None),
        Lines::One(line) => Ok(Some(*line)),
        Lines::Several(_) => {
            Err(RegistryError::new(Code::BadRequest, "the request has several Authorization headers"))
        }
    }
}

/// Whether an Authorization is more than an empty account, by which podman means nobody.
fn is_somebody(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii() != b"Basic Og=="
}
