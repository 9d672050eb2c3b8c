//! From challenges to the `Authorization` header (wire rule 10, threats T4 and T5).

use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, HeaderValue};

use super::challenge::Challenge;
use super::credential::Credential;
use super::credentials::Credentials;
use super::destination::{Destinations, Origin, Refused};
use super::error::{Asked, UpstreamError};
use super::kind::{Denied, ErrorKind};
use super::scope::Scope;
use super::token::{Token, Tokens};

/// How one upstream is convinced.
pub(super) struct Auth {
    pub(super) credentials: Arc<Credentials>,
    tokens: Tokens,
    destinations: Arc<Destinations>,
    learned: RwLock<Learned>,
}

/// What challenges have told.
#[derive(Default)]
struct Learned {
    /// What the last one asked for: with it, a request to another repository need not first run into a
    /// 401. It holds no right by itself.
    challenge: Option<Challenge>,
    /// Whether it was asked, and asked for nothing.
    is_open: bool,
    /// Where the first realm was: nowhere else do credentials ever go (threat T5).
    realm: Option<Origin>,
}

/// What a request is sent with.
#[derive(Clone)]
pub(super) enum Proof {
    /// The account.
    Account(HeaderValue),
    /// A token.
    Token(Arc<Token>),
    /// What a caller sent.
    Caller(HeaderValue),
}

impl Proof {
    /// The value of `Authorization`.
    pub(super) fn header(&self) -> &HeaderValue {
        match self {
            Self::Account(header) | Self::Caller(header) => header,
            Self::Token(token) => token.header(),
        }
    }
}

impl Auth {
    pub(super) fn new(
        credentials: Arc<Credentials>,
        tokens: Tokens,
        destinations: Arc<Destinations>,
    ) -> Self {
        Self { credentials, tokens, destinations, learned: RwLock::default() }
    }

    /// What to send before there is a challenge.
    pub(super) async fn ahead(&self, scope: &Scope) -> Result<Option<Proof>, UpstreamError> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner).challenge.clone();
        match learned {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(account(self.credentials.current().await)),
            Some(Challenge::Bearer(server)) => {
                self.tokens.get(server, scope).await.map(|t| Some(Proof::Token(t)))
            }
        }
    }

    /// What to send in answer to a 401; `None` when there is nothing that was not `refused` already.
    pub(super) async fn answer(
        &self,
        headers: &HeaderMap,
        refused: Option<&Proof>,
        scope: &Scope,
        asked: &Asked,
    ) -> Result<Option<Proof>, UpstreamError> {
        let denied = |denied| UpstreamError::new(asked.clone(), ErrorKind::Denied(denied));
        match (self.learn(headers).map_err(denied)?, refused) {
            (Challenge::Basic, Some(Proof::Account(header))) => {
                let refused = Credential::Basic(header.clone());
                Ok(account(self.credentials.instead_of(Some(&refused)).await))
            }
            (Challenge::Basic, _) => match account(self.credentials.current().await) {
                Some(proof) => Ok(Some(proof)),
                None => Err(denied(Denied::NoCredentials)),
            },
            (Challenge::Bearer(server), Some(Proof::Token(token))) => {
                self.tokens.instead_of(token, server, scope).await.map(|token| Some(Proof::Token(token)))
            }
            (Challenge::Bearer(server), _) => {
                self.tokens.get(server, scope).await.map(|token| Some(Proof::Token(token)))
            }
        }
    }

    /// Whether it is known what the upstream asks for.
    pub(super) fn is_introduced(&self) -> bool {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        learned.is_open || learned.challenge.is_some()
    }

    /// Remembers that there was no challenge. One that comes later counts all the same.
    pub(super) fn asked_for_nothing(&self) {
        self.learned.write().unwrap_or_else(PoisonError::into_inner).is_open = true;
    }

    /// Remembers a challenge.
    pub(super) fn learn(&self, headers: &HeaderMap) -> Result<Challenge, Denied> {
        let challenge = Challenge::read(headers, &self.destinations)?;
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if let Challenge::Bearer(server) = &challenge {
            let origin = Origin::of(&server.realm).map_err(Denied::Realm)?;
            if *learned.realm.get_or_insert_with(|| origin.clone()) != origin {
                return Err(Denied::Realm(Refused::Moved));
            }
        }
        learned.challenge = Some(challenge.clone());
        Ok(challenge)
    }
}

/// The account, where it is one that a request itself can carry.
fn account(credential: Option<Arc<Credential>>) -> Option<Proof> {
    match &*credential? {
        Credential::Basic(header) => Some(Proof::Account(header.clone())),
        Credential::Identity(_) => None,
    }
}
