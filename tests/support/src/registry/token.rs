//! The token server: short-lived bearer tokens for scopes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::access::{Account, Accounts, Permission, unauthorized};
use super::answer::Answer;
use super::endpoint::{parameter, parameters};
use super::journal::Kind;
use super::server::{Call, Handler};

pub(super) struct Issuer {
    /// `None`: anyone may have a token for anything.
    accounts: Option<Accounts>,
    ttl: Duration,
    granted: Mutex<HashMap<String, Grant>>,
    issued: AtomicU64,
}

struct Grant {
    user: Option<String>,
    permissions: Vec<Permission>,
    expires: Instant,
}

/// The issuer as a server of its own.
pub(super) struct TokenServer(pub(super) Arc<Issuer>);

impl Issuer {
    pub(super) const SERVICE: &'static str = "testkit-registry";
    pub(super) const PATH: &'static str = "/token";

    pub(super) fn new(accounts: Option<Accounts>, ttl: Duration) -> Self {
        Self { accounts, ttl, granted: Mutex::default(), issued: AtomicU64::new(1) }
    }

    /// Whether the request carries a token that is not expired and covers all of `needed`.
    pub(super) fn accepts(&self, headers: &HeaderMap, needed: &[Permission]) -> bool {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = value.and_then(|value| value.split_once(' ')) else { return false };
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(grant) = granted.get(token.trim()) else { return false };
        scheme.eq_ignore_ascii_case("bearer")
            && grant.expires > Instant::now()
            && needed.iter().all(|permission| grant.permissions.contains(permission))
    }

    /// Ends an account and every token that it was given.
    pub(super) fn revoke(&self, user: &str) {
        if let Some(accounts) = &self.accounts {
            accounts.remove(user);
        }
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.retain(|_, grant| grant.user.as_deref() != Some(user));
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
            .flat_map(|scopes| scopes.split(' ').flat_map(permissions_of).collect::<Vec<_>>())
            .filter(|asked| account.as_ref().is_none_or(|account| account.may_use(&asked.repository)))
            .collect();
        self.grant(account, permissions)
    }

    fn grant(&self, account: Option<Account>, permissions: Vec<Permission>) -> Answer {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let token = format!("testkit-token-{number}");
        let grant = Grant {
            user: account.map(|account| account.user),
            permissions,
            expires: Instant::now() + self.ttl,
        };
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), grant);
        Answer::json(StatusCode::OK, &json!({ "token": token, "expires_in": self.ttl.as_secs() }))
    }
}

impl Handler for TokenServer {
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

/// The permissions of one scope, `repository:NAME:ACTION[,ACTION]`; of another kind of scope none.
fn permissions_of(scope: &str) -> Vec<Permission> {
    let Some((name, actions)) = scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':'))
    else {
        return Vec::new();
    };
    let permission = |action: &str| Permission { repository: name.to_owned(), action: action.to_owned() };
    actions.split(',').map(permission).collect()
}
