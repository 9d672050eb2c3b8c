//! Who may do what: nobody asked, Basic credentials, or tokens from the token server.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::token::Issuer;

/// A user and the repositories open to it.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: String,
    /// `None` for all of them.
    pub(super) repositories: Option<Vec<String>>,
}

/// All accounts; one can be taken away while the registry runs.
#[derive(Default)]
pub(super) struct Accounts(Mutex<Vec<Account>>);

/// How the registry admits requests.
pub(super) enum Access {
    Open,
    Basic(Accounts),
    Bearer { issuer: Arc<Issuer>, realm: String },
}

/// One action on one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission {
    pub(super) repository: String,
    pub(super) action: String,
}

impl Account {
    pub(super) fn may_use(&self, repository: &str) -> bool {
        self.repositories.as_ref().is_none_or(|open| open.iter().any(|name| name == repository))
    }
}

impl Accounts {
    pub(super) fn new(accounts: Vec<Account>) -> Self {
        Self(Mutex::new(accounts))
    }

    /// The account that the `Authorization` header proves.
    pub(super) fn authenticated(&self, headers: &HeaderMap) -> Option<Account> {
        let (user, password) = basic_credentials(headers)?;
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().find(|known| known.user == user && known.password == password).cloned()
    }

    pub(super) fn remove(&self, user: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|account| account.user != user);
    }
}

impl Access {
    /// The refusal, when this request may not go on.
    pub(super) fn refusal(
        &self,
        method: &Method,
        endpoint: &Endpoint,
        headers: &HeaderMap,
    ) -> Option<Answer> {
        match self {
            Self::Open => None,
            Self::Basic(accounts) => match accounts.authenticated(headers) {
                None => Some(basic_challenge()),
                Some(account) => {
                    let closed = endpoint.repository().is_some_and(|repository| !account.may_use(repository));
                    closed.then(denied)
                }
            },
            Self::Bearer { issuer, realm } => {
                let needed = needed(method, endpoint);
                (!issuer.accepts(headers, &needed)).then(|| bearer_challenge(realm, &needed, headers))
            }
        }
    }

    /// Whether the caller may read `repository`, from which it wants a blob mounted.
    pub(super) fn may_mount_from(&self, repository: &str, headers: &HeaderMap) -> bool {
        let source = Endpoint::Tags { repository: repository.to_owned() };
        self.refusal(&Method::GET, &source, headers).is_none()
    }

    pub(super) fn revoke(&self, user: &str) {
        match self {
            Self::Open => {}
            Self::Basic(accounts) => accounts.remove(user),
            Self::Bearer { issuer, .. } => issuer.revoke(user),
        }
    }
}

fn needed(method: &Method, endpoint: &Endpoint) -> Vec<Permission> {
    let actions: &[&str] = match *method {
        Method::GET | Method::HEAD if !matches!(endpoint, Endpoint::Upload { .. }) => &["pull"],
        Method::DELETE if !matches!(endpoint, Endpoint::Upload { .. }) => &["delete"],
        _ => &["pull", "push"],
    };
    let Some(repository) = endpoint.repository() else { return Vec::new() };
    let permission =
        |&action: &&str| Permission { repository: repository.to_owned(), action: action.to_owned() };
    actions.iter().map(permission).collect()
}

/// The user and password of a Basic `Authorization` header.
pub(super) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn basic_challenge() -> Answer {
    unauthorized().header(WWW_AUTHENTICATE, "Basic realm=\"testkit\"")
}

fn bearer_challenge(realm: &str, needed: &[Permission], headers: &HeaderMap) -> Answer {
    let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{}\"", Issuer::SERVICE);
    if let Some(first) = needed.first() {
        let actions: Vec<&str> = needed.iter().map(|permission| permission.action.as_str()).collect();
        let scope = format!("repository:{}:{}", first.repository, actions.join(","));
        challenge.extend([",scope=\"", &scope, "\""]);
    }
    if headers.contains_key(AUTHORIZATION) {
        challenge.push_str(",error=\"invalid_token\"");
    }
    unauthorized().header(WWW_AUTHENTICATE, &challenge)
}

pub(super) fn unauthorized() -> Answer {
    Answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
}

fn denied() -> Answer {
    Answer::error(StatusCode::FORBIDDEN, "DENIED", "requested access to the resource is denied")
}
