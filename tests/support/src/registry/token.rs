//! The token server: short-lived bearer tokens for scopes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::access::unauthorized;
use super::account::{Account, Accounts, Permission};
use super::answer::Answer;
use super::endpoint::{parameter, parameters};
use super::journal::Kind;
use super::jwt::Signer;
use super::server::{Call, Handler};

pub(super) struct Issuer {
    /// `None`: anyone may have a token for anything.
    accounts: Option<Accounts>,
    ttl: Duration,
    /// Signs tokens for a registry that does not ask here; without one they are opaque.
    signer: Option<Signer>,
    granted: Mutex<HashMap<String, Grant>>,
    issued: AtomicU64,
}

/// What a token was given for.
#[derive(Clone)]
pub(super) struct Grant {
    account: Option<Account>,
    permissions: Vec<Permission>,
    expires: Instant,
}

/// The issuer as a server of its own.
pub(super) struct Tokens(pub(super) Arc<Issuer>);

impl Issuer {
    pub(super) const SERVICE: &'static str = "testkit-registry";
    pub(super) const PATH: &'static str = "/token";

    pub(super) fn new(accounts: Option<Accounts>, ttl: Duration, signer: Option<Signer>) -> Self {
        Self { accounts, ttl, signer, granted: Mutex::default(), issued: AtomicU64::new(1) }
    }

    /// What the request's token, if it carries one that is known and not expired, was given for.
    pub(super) fn grant_of(&self, headers: &HeaderMap) -> Option<Grant> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = granted.get(token.trim())?;
        let good = scheme.eq_ignore_ascii_case("bearer") && grant.expires > Instant::now();
        good.then(|| grant.clone())
    }

    /// Ends an account and every token that it was given.
    pub(super) fn revoke(&self, user: &str) {
        if let Some(accounts) = &self.accounts {
            accounts.remove(user);
        }
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.retain(|_, grant| grant.account.as_ref().is_none_or(|account| account.user != user));
    }

    /// Ends every token, and no account.
    pub(super) fn revoke_tokens(&self) {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn issue(&self, call: &Call) -> Answer {
        if parameter(&call.query, "service").as_deref() != Some(Self::SERVICE) {
            return Answer::error(StatusCode::BAD_REQUEST, "UNSUPPORTED", "unknown service");
        }
        let account = match &self.accounts {
            None => None,
            Some(accounts) => match accounts.authenticated(&call.headers) {
                Some(account) => Some(account),
                None => return unauthorized(),
            },
        };
        let permissions = parameters(&call.query, "scope")
            .flat_map(|scopes| scopes.split(' ').flat_map(Permission::of_scope).collect::<Vec<_>>())
            .filter(|asked| account.as_ref().is_none_or(|account| account.may(asked)))
            .collect();
        self.grant(Grant { account, permissions, expires: Instant::now() + self.ttl })
    }

    fn grant(&self, grant: Grant) -> Answer {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let user = grant.account.as_ref().map_or("", |account| &account.user);
        let token = match &self.signer {
            None => format!("testkit-token-{number}"),
            Some(signer) => signer.token(number, user, self.ttl, &grant.permissions),
        };
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), grant);
        Answer::json(StatusCode::OK, &json!({ "token": token, "expires_in": self.ttl.as_secs() }))
    }
}

impl Grant {
    pub(super) fn covers(&self, needed: &[Permission]) -> bool {
        needed.iter().all(|permission| self.permissions.contains(permission))
    }

    /// Whether the holder could have a token that covers this.
    pub(super) fn could_cover(&self, needed: &[Permission]) -> bool {
        self.account.as_ref().is_none_or(|account| needed.iter().all(|asked| account.may(asked)))
    }
}

impl Handler for Tokens {
    fn kind(&self, path: &str) -> Kind {
        if path == Issuer::PATH { Kind::Token } else { Kind::Other }
    }

    fn answer(&self, call: &Call) -> Answer {
        if call.path != Issuer::PATH {
            return Answer::new(StatusCode::NOT_FOUND);
        }
        // Clients that try OAuth's POST first go on with GET after this.
        if call.method != Method::GET {
            return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "use GET");
        }
        self.0.issue(call)
    }
}
