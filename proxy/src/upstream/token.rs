//! Bearer tokens: fetched once for all that wait, and kept until shortly before they expire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::flight::Flights;

use super::challenge::TokenServer;
use super::error::UpstreamError;
use super::kind::ErrorKind;
use super::scope::Scope;
use super::token_fetch::TokenFetch;

/// The most tokens that are kept; there is one per repository and what is done with it.
const MAX_TOKENS: u64 = 10_000;

/// A token that grants something at the upstream.
pub(super) struct Token {
    header: HeaderValue,
    fresh_until: Instant,
}

/// What one token is good for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    pub(super) server: TokenServer,
    pub(super) scope: Scope,
}

/// The tokens for one upstream.
pub(super) struct Tokens {
    kept: Cache<TokenKey, Arc<Token>>,
    fetches: Flights<TokenKey, Result<Arc<Token>, UpstreamError>>,
    fetch: Arc<TokenFetch>,
}

impl Token {
    /// A token that the server gave out after `asked_at`, to live for `lifetime`.
    ///
    /// It is renewed ahead of its end, because a request takes its time, too: by 10 s, or by a tenth of
    /// a short life. The server's clock counts for nothing.
    pub(super) fn new(header: HeaderValue, asked_at: Instant, lifetime: Duration) -> Self {
        let fresh = lifetime.saturating_sub((lifetime / 10).min(Duration::from_secs(10)));
        Self { header, fresh_until: asked_at + fresh }
    }

    /// The value of `Authorization`.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl Tokens {
    pub(super) fn new(fetch: TokenFetch) -> Self {
        Self { kept: Cache::new(MAX_TOKENS), fetches: Flights::default(), fetch: Arc::new(fetch) }
    }

    /// A token for `scope`.
    pub(super) async fn get(&self, server: TokenServer, scope: &Scope) -> Result<Arc<Token>, UpstreamError> {
        let key = TokenKey { server, scope: scope.clone() };
        if let Some(token) = fresh(&self.kept, &key) {
            return Ok(token);
        }
        let (kept, fetch, wanted) = (self.kept.clone(), Arc::clone(&self.fetch), key.clone());
        let work = || async move {
            if let Some(token) = fresh(&kept, &wanted) {
                return Ok(token);
            }
            let token = Arc::new(fetch.run(&wanted).await?);
            kept.insert(wanted, Arc::clone(&token));
            Ok(token)
        };
        let asked = key.server.asked(Method::GET);
        let lost = |error| UpstreamError::new(asked, ErrorKind::Broken(error));
        self.fetches.join(key, work).await.map_err(|error| lost(error.into()))?
    }

    /// A token in place of one that was refused. Callers with the same refused token share a new one.
    pub(super) async fn instead_of(
        &self,
        refused: &Arc<Token>,
        server: TokenServer,
        scope: &Scope,
    ) -> Result<Arc<Token>, UpstreamError> {
        let key = TokenKey { server, scope: scope.clone() };
        self.kept.entry_by_ref(&key).and_compute_with(|entry| match entry {
            Some(entry) if Arc::ptr_eq(entry.value(), refused) => Op::Remove,
            _ => Op::Nop,
        });
        self.get(key.server, scope).await
    }
}

fn fresh(kept: &Cache<TokenKey, Arc<Token>>, key: &TokenKey) -> Option<Arc<Token>> {
    kept.get(key).filter(|token| Instant::now() < token.fresh_until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_fresh_until_shortly_before_its_end() {
        let now = Instant::now();
        for (lifetime_ms, fresh_ms) in [(300_000, 290_000), (60_000, 54_000), (1_000, 900), (0, 0)] {
            let token = Token::new(HeaderValue::from_static("x"), now, Duration::from_millis(lifetime_ms));
            assert_eq!(token.fresh_until - now, Duration::from_millis(fresh_ms));
        }
    }
}
