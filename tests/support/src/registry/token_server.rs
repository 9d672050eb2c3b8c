//! A token server for a registry that is not the kit's own.

use std::sync::Arc;
use std::time::Duration;

use super::account::{Account, Accounts};
use super::fault::{Fault, FaultId, Match};
use super::front::Front;
use super::journal::Recorded;
use super::jwt::Signer;
use super::server::Server;
use super::token::{Issuer, Tokens};
use crate::tls::Authority;

/// Issues signed tokens (ES256) to its accounts; stops when dropped.
///
/// A token is good until it expires, whatever becomes of its account: the registry does not ask. Debian's
/// docker-registry allows for clocks that differ and takes one for a minute longer.
pub struct TokenServer {
    server: Server,
    front: Arc<Front>,
    issuer: Arc<Issuer>,
    authority: Authority,
}

impl TokenServer {
    /// The name of the registry that tokens are for.
    pub const SERVICE: &'static str = Issuer::SERVICE;
    /// The name of the issuer in every token.
    pub const ISSUER: &'static str = Signer::ISSUER;

    /// Starts it on a free port of 127.0.0.1; its tokens are good for `ttl`, rounded down to seconds.
    pub async fn start(accounts: impl IntoIterator<Item = Account>, ttl: Duration) -> Self {
        let authority = Authority::new();
        let accounts = Accounts::new(accounts.into_iter().collect());
        let issuer = Arc::new(Issuer::new(Some(accounts), ttl, Some(Signer::new(&authority))));
        let front = Arc::new(Front::default());
        let server = Server::start(Arc::new(Tokens(Arc::clone(&issuer))), Arc::clone(&front), None).await;
        Self { server, front, issuer, authority }
    }

    /// Where tokens are to be had.
    pub fn realm(&self) -> String {
        format!("{}{}", self.server.url(), Issuer::PATH)
    }

    /// The certificate (PEM) that all tokens lead back to.
    pub fn root_pem(&self) -> String {
        self.authority.ca_pem()
    }

    /// Gives this user no more tokens.
    pub fn revoke(&self, user: &str) {
        self.issuer.revoke(user);
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.front.journal.requests()
    }

    /// Makes matching requests fail; see [`super::Registry::fail`].
    pub fn fail(&self, matching: Match, fault: Fault) -> FaultId {
        self.front.script.add(None, matching, fault)
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.front.script.heal_all();
    }
}
