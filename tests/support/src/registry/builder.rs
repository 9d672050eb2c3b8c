//! How a registry is set up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

use super::access::{Access, Account, Accounts};
use super::front::Front;
use super::handle::Registry;
use super::routes::Api;
use super::server::Server;
use super::token::{Issuer, TokenServer};
use crate::tls::Authority;

/// See [`Registry::builder`].
#[must_use]
pub struct Builder {
    scheme: Scheme,
    accounts: Vec<Account>,
    token_ttl: Duration,
    tls: Option<TlsAcceptor>,
    relative_locations: bool,
}

enum Scheme {
    Open,
    Basic,
    Bearer,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            scheme: Scheme::Open,
            accounts: Vec::new(),
            token_ttl: Duration::from_mins(5),
            tls: None,
            relative_locations: false,
        }
    }

    /// Every request must carry these Basic credentials.
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.scheme = Scheme::Basic;
        self.with_account(user, password, None)
    }

    /// Every request must carry a token of the token server, which asks for these credentials, if any.
    pub fn bearer(mut self, user: Option<(&str, &str)>) -> Self {
        self.scheme = Scheme::Bearer;
        match user {
            Some((user, password)) => self.with_account(user, password, None),
            None => self,
        }
    }

    /// One more user, for these repositories alone; after [`Self::basic`] or [`Self::bearer`].
    pub fn account(self, user: &str, password: &str, repositories: &[&str]) -> Self {
        let repositories = repositories.iter().map(|&name| name.to_owned()).collect();
        self.with_account(user, password, Some(repositories))
    }

    fn with_account(mut self, user: &str, password: &str, repositories: Option<Vec<String>>) -> Self {
        self.accounts.push(Account { user: user.to_owned(), password: password.to_owned(), repositories });
        self
    }

    /// How long a token is good for; five minutes when not called. `expires_in` rounds it down to seconds.
    pub fn token_ttl(mut self, ttl: Duration) -> Self {
        self.token_ttl = ttl;
        self
    }

    /// HTTPS, with a certificate of this authority.
    pub fn tls(mut self, authority: &Authority) -> Self {
        self.tls = Some(authority.server_identity().acceptor());
        self
    }

    /// HTTPS, with a certificate of this authority that has expired.
    pub fn tls_expired(mut self, authority: &Authority) -> Self {
        self.tls = Some(authority.expired_server_identity().acceptor());
        self
    }

    /// Upload locations without scheme and host; absolute ones, as most registries send, when not called.
    pub fn relative_locations(mut self) -> Self {
        self.relative_locations = true;
        self
    }

    /// Starts the registry on a free port of 127.0.0.1, and its token server on another.
    pub async fn start(self) -> Registry {
        let front = Arc::new(Front::default());
        let accounts = Accounts::new(self.accounts.clone());
        let (access, token_server) = match self.scheme {
            Scheme::Open => (Access::Open, None),
            Scheme::Basic => (Access::Basic(accounts), None),
            Scheme::Bearer => {
                let accounts = (!self.accounts.is_empty()).then_some(accounts);
                let issuer = Arc::new(Issuer::new(accounts, self.token_ttl));
                let handler = Arc::new(TokenServer(Arc::clone(&issuer)));
                let server = Server::start(handler, Arc::clone(&front), self.tls.clone()).await;
                let realm = format!("{}{}", server.url(), Issuer::PATH);
                (Access::Bearer { issuer, realm }, Some(server))
            }
        };
        let api = Arc::new(Api {
            store: Arc::default(),
            access,
            redirection: Mutex::new(None),
            scheme: if self.tls.is_some() { "https" } else { "http" },
            relative_locations: self.relative_locations,
        });
        let server = Server::start(Arc::clone(&api) as _, Arc::clone(&front), self.tls).await;
        Registry { server, token_server, api, front }
    }
}
