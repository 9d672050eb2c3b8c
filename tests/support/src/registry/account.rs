//! Who may do what where.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::access::basic_credentials;

/// A user with a password, and what is open to it: everything, unless narrowed.
#[derive(Clone, Debug)]
#[must_use]
pub struct Account {
    pub(super) user: String,
    password: String,
    /// `None` for all of them.
    repositories: Option<Vec<String>>,
    /// `None` for all of them.
    actions: Option<Vec<String>>,
}

/// One action on one thing, `repository:NAME` or `registry:catalog`, as the scopes of tokens say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission {
    pub(super) resource: String,
    pub(super) action: String,
}

/// All accounts; one can be taken away while the registry runs.
#[derive(Default)]
pub(super) struct Accounts(Mutex<Vec<Account>>);

impl Account {
    /// This user with this password.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned(), repositories: None, actions: None }
    }

    /// Those who send no credentials, or empty ones.
    pub fn anonymous() -> Self {
        Self::new("", "")
    }

    /// These repositories alone, and no catalog.
    pub fn repositories(mut self, names: &[&str]) -> Self {
        self.repositories = Some(names.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// These actions alone: `pull`, `push`, `delete`, and `*` for the catalog.
    pub fn actions(mut self, names: &[&str]) -> Self {
        self.actions = Some(names.iter().map(|&name| name.to_owned()).collect());
        self
    }

    pub(super) fn may(&self, asked: &Permission) -> bool {
        let open = self.repositories.as_ref().is_none_or(|open| {
            asked.resource.strip_prefix("repository:").is_some_and(|name| open.iter().any(|own| own == name))
        });
        open && self.actions.as_ref().is_none_or(|actions| actions.contains(&asked.action))
    }
}

impl Permission {
    pub(super) fn on(repository: &str, action: &str) -> Self {
        Self { resource: format!("repository:{repository}"), action: action.to_owned() }
    }

    /// `registry:catalog:*`
    pub(super) fn catalog() -> Self {
        Self { resource: "registry:catalog".to_owned(), action: "*".to_owned() }
    }

    /// The permissions of one scope, `TYPE:NAME:ACTION[,ACTION]`; of what is none, none.
    pub(super) fn of_scope(scope: &str) -> Vec<Self> {
        let Some((resource, actions)) = scope.rsplit_once(':') else { return Vec::new() };
        let permission = |action: &str| Self { resource: resource.to_owned(), action: action.to_owned() };
        actions.split(',').map(permission).collect()
    }

    /// Each thing with its actions, in the order of their coming.
    pub(super) fn grouped(permissions: &[Self]) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for Self { resource, action } in permissions {
            match groups.iter_mut().find(|(known, _)| known == resource) {
                Some((_, actions)) => actions.push(action),
                None => groups.push((resource, vec![action])),
            }
        }
        groups
    }
}

impl Accounts {
    pub(super) fn new(accounts: Vec<Account>) -> Self {
        Self(Mutex::new(accounts))
    }

    /// The account that the `Authorization` header proves; without one the anonymous account, if there is one.
    pub(super) fn authenticated(&self, headers: &HeaderMap) -> Option<Account> {
        let (user, password) = match headers.get(AUTHORIZATION) {
            Some(_) => basic_credentials(headers)?,
            None => Default::default(),
        };
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().find(|known| known.user == user && known.password == password).cloned()
    }

    pub(super) fn remove(&self, user: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|account| account.user != user);
    }
}
