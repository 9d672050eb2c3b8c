//! How a registry is set up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio_rustls::TlsAcceptor;

use super::access::{Access, Scheme};
use super::account::{Account, Accounts};
use super::front::Front;
use super::handle::Registry;
use super::manners::{Locations, Manners};
use super::routes::Api;
use super::server::Server;
use super::token::{Issuer, Tokens};
use crate::tls::Authority;

/// See [`Registry::builder`].
#[must_use]
pub struct Builder {
    admission: Admission,
    accounts: Vec<Account>,
    token_ttl: Duration,
    denied: Option<StatusCode>,
    challenges_mounts: bool,
    tls: Option<TlsAcceptor>,
    manners: Manners,
}

enum Admission {
    Open,
    Basic,
    Bearer,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            admission: Admission::Open,
            accounts: Vec::new(),
            token_ttl: Duration::from_mins(5),
            denied: None,
            challenges_mounts: false,
            tls: None,
            manners: Manners::default(),
        }
    }

    /// Every request must carry these Basic credentials.
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.admission = Admission::Basic;
        self.admit(Account::new(user, password))
    }

    /// Every request must carry a token of the token server, which asks for these credentials, if any.
    pub fn bearer(mut self, user: Option<(&str, &str)>) -> Self {
        self.admission = Admission::Bearer;
        match user {
            Some((user, password)) => self.admit(Account::new(user, password)),
            None => self,
        }
    }

    /// One more user, for these repositories alone; after [`Self::basic`] or [`Self::bearer`].
    pub fn account(self, user: &str, password: &str, repositories: &[&str]) -> Self {
        self.admit(Account::new(user, password).repositories(repositories))
    }

    /// One more account; after [`Self::basic`] or [`Self::bearer`].
    pub fn admit(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// How long a token is good for; five minutes when not called. `expires_in` rounds it down to seconds.
    pub fn token_ttl(mut self, ttl: Duration) -> Self {
        self.token_ttl = ttl;
        self
    }

    /// The status (401, 403 or 404) for an account that may not do what it asks. When not called: 403 with Basic
    /// credentials, and with tokens a challenge for more than the account can get.
    pub fn denied(mut self, code: u16) -> Self {
        self.denied = Some(status(code));
        self
    }

    /// The status (401, 403 or 404) for reading from a repository that does not exist; 404 when not called.
    pub fn absent(mut self, code: u16) -> Self {
        self.manners.absent = Some(status(code));
        self
    }

    /// A mount must carry access to its source as well, or is challenged for both scopes. When not called, a mount
    /// without that access opens an upload.
    pub fn challenges_mounts(mut self) -> Self {
        self.challenges_mounts = true;
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

    /// Locations without scheme and host.
    pub fn relative_locations(self) -> Self {
        self.locations(Locations::Relative)
    }

    /// How locations are written; absolute ones when not called.
    pub fn locations(mut self, locations: Locations) -> Self {
        self.manners.locations = locations;
        self
    }

    /// A mount that names no source finds the blob in whatever repository has it.
    pub fn anonymous_mount(mut self) -> Self {
        self.manners.anonymous_mount = true;
        self
    }

    /// The status for a manifest whose content is missing; 400 when not called.
    pub fn missing_content(mut self, code: u16) -> Self {
        self.manners.missing_content = status(code);
        self
    }

    /// Knows no referrers: 404 when asked, and no `OCI-Subject`.
    pub fn without_referrers(mut self) -> Self {
        self.manners.referrers = false;
        self
    }

    /// Deletes nothing: 405 when told to.
    pub fn without_deletion(mut self) -> Self {
        self.manners.deletion = false;
        self
    }

    /// Announces `OCI-Chunk-Min-Length` (bytes) and takes nothing more after a chunk that is shorter.
    pub fn chunk_min_length(mut self, length: usize) -> Self {
        self.manners.chunk_min_length = Some(length);
        self
    }

    /// Starts the registry on a free port of 127.0.0.1, and its token server on another.
    pub async fn start(self) -> Registry {
        let front = Arc::new(Front::default());
        let (scheme, token_server) = match self.admission {
            Admission::Open => (Scheme::Open, None),
            Admission::Basic => (Scheme::Basic(Accounts::new(self.accounts)), None),
            Admission::Bearer => {
                let accounts = (!self.accounts.is_empty()).then(|| Accounts::new(self.accounts));
                let issuer = Arc::new(Issuer::new(accounts, self.token_ttl, None));
                let handler = Arc::new(Tokens(Arc::clone(&issuer)));
                let server = Server::start(handler, Arc::clone(&front), self.tls.clone()).await;
                let realm = format!("{}{}", server.url(), Issuer::PATH);
                (Scheme::Bearer { issuer, realm }, Some(server))
            }
        };
        let api = Arc::new(Api {
            store: Arc::default(),
            access: Access { scheme, denied: self.denied, challenges_mounts: self.challenges_mounts },
            redirection: Mutex::new(None),
            scheme: if self.tls.is_some() { "https" } else { "http" },
            manners: self.manners,
        });
        let server = Server::start(Arc::clone(&api) as _, Arc::clone(&front), self.tls).await;
        Registry { server, token_server, api, front }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a status code")
}
