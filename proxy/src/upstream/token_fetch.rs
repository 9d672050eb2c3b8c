//! One request to a token server (the distribution project's token and OAuth 2 specifications).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use onetag_config::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::telemetry::{Metrics, UpstreamKind};

use super::credential::Credential;
use super::credentials::Credentials;
use super::error::UpstreamError;
use super::kind::{Denied, ErrorKind, Wrong};
use super::token::{Token, TokenKey};
use super::transport::Transport;
use super::verdict;
use super::watch::Watch;

/// The most bytes of a token server's answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// How long a token lives when the server does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);

/// The longest life that is believed.
const MAX_LIFETIME: Duration = Duration::from_hours(24);

/// What stands as it is in a query or a form.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Fetches tokens.
pub(super) struct TokenFetch {
    pub(super) transport: Transport,
    pub(super) credentials: Arc<Credentials>,
    pub(super) metrics: Arc<Metrics>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<f64>,
}

impl TokenFetch {
    /// Fetches a token. Credentials that are refused are looked up anew, once.
    pub(super) async fn run(&self, key: &TokenKey) -> Result<Token, UpstreamError> {
        let credential = self.credentials.current().await;
        let first = self.fetch(key, credential.as_deref()).await;
        match first {
            Err(error) if matches!(error.kind(), ErrorKind::Denied(_)) => {
                match self.credentials.instead_of(credential.as_deref()).await {
                    Some(other) => self.fetch(key, Some(&other)).await,
                    None => Err(error),
                }
            }
            _ => first,
        }
    }

    async fn fetch(&self, key: &TokenKey, credential: Option<&Credential>) -> Result<Token, UpstreamError> {
        let mut watch = Watch::start(&self.metrics, UpstreamKind::Token);
        let token = self.exchange(key, credential, &mut watch).await;
        let method = match credential {
            Some(Credential::Identity(_)) => Method::POST,
            _ => Method::GET,
        };
        let token = token.map_err(|kind| UpstreamError::new(key.server.asked(method), kind));
        watch.stop(token.as_ref().err());
        token
    }

    async fn exchange(
        &self,
        key: &TokenKey,
        credential: Option<&Credential>,
        watch: &mut Watch<'_>,
    ) -> Result<Token, ErrorKind> {
        let asked_at = Instant::now();
        let sent = self.transport.send(request(key, credential)?).await;
        let response = sent.map_err(|kind| match kind {
            // Its name is one that may be asked, and led to an address that may not.
            ErrorKind::Redirect(refused) => ErrorKind::Denied(Denied::Realm(refused)),
            kind => kind,
        })?;
        watch.headers();
        if response.status() != StatusCode::OK {
            return Err(verdict::failure(&self.transport, response, Some(Box::default())).await);
        }
        let body = self.transport.gather(response.into_body(), MAX_ANSWER_BYTES).await?;
        read(&body, asked_at).ok_or(ErrorKind::Wrong(Wrong::Json))
    }
}

/// The token in an answer. Registries differ in what they call it.
fn read(body: &[u8], asked_at: Instant) -> Option<Token> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let some = |token: &Secret| !token.expose().is_empty();
    let token = answer.token.filter(some).or(answer.access_token.filter(some))?;
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    header.set_sensitive(true);
    let lifetime = answer.expires_in.map_or(DEFAULT_LIFETIME, |seconds| {
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO).min(MAX_LIFETIME)
    });
    Some(Token::new(header, asked_at, lifetime))
}

/// The request for a token: a GET, or with an identity token the OAuth 2 form, which alone takes it.
fn request(key: &TokenKey, credential: Option<&Credential>) -> Result<Request<Full<Bytes>>, ErrorKind> {
    let service = key.server.service.as_deref().map(|service| ("service", service));
    let scopes = key.scope.words();
    let request = Request::builder().header(ACCEPT, "application/json");
    let request = match credential {
        Some(Credential::Identity(token)) => {
            // In a form, all scopes are one value (RFC 6749, section 3.3).
            let scopes = scopes.join(" ");
            let scope = (!scopes.is_empty()).then_some(("scope", &*scopes));
            let rest =
                [("grant_type", "refresh_token"), ("client_id", "onetag"), ("refresh_token", token.expose())];
            request
                .method(Method::POST)
                .uri(key.server.realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::from(encode(service.into_iter().chain(scope).chain(rest))))
        }
        account => {
            let scopes = scopes.iter().map(|scope| ("scope", &**scope));
            let query = encode(service.into_iter().chain(scopes));
            let request = request.uri(with_query(&key.server.realm, &query)?);
            match account {
                Some(Credential::Basic(account)) => request.header(AUTHORIZATION, account),
                _ => request,
            }
            .body(Full::default())
        }
    };
    // Each part was checked before.
    request.map_err(|_| ErrorKind::Denied(Denied::Challenge))
}

fn with_query(realm: &Uri, query: &str) -> Result<Uri, ErrorKind> {
    let separator = if realm.query().is_some() { '&' } else { '?' };
    format!("{realm}{separator}{query}").parse().map_err(|_| ErrorKind::Denied(Denied::Challenge))
}

fn encode<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    let pairs: Vec<_> = fields.map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::super::challenge::TokenServer;
    use super::super::scope::{Actions, Scope};
    use super::*;

    fn key(from: Option<&str>) -> TokenKey {
        let realm = Uri::from_static("https://auth.example.com/token");
        let server = TokenServer { realm, service: Some("a b&c".into()) };
        let repository = "team/app".parse().unwrap();
        let from = from.map(|name| name.parse().unwrap());
        TokenKey { server, scope: Scope::Repository { repository, actions: Actions::Push, from } }
    }

    #[tokio::test]
    async fn an_identity_token_stands_in_a_form_with_all_that_a_query_would_hold() {
        let request = request(&key(Some("base")), Some(&Credential::Identity("s=e+c".into()))).unwrap();
        let form = request.into_body().collect().await.unwrap().to_bytes();
        let expected = "service=a%20b%26c&scope=repository%3Ateam%2Fapp%3Apull%2Cpush%20repository%3Abase%3Apull\
                        &grant_type=refresh_token&client_id=onetag&refresh_token=s%3De%2Bc";
        assert_eq!(form, expected);
    }

    #[test]
    fn each_scope_is_a_value_of_its_own_in_a_query() {
        let request = request(&key(Some("base")), None).unwrap();
        let expected = "service=a%20b%26c&scope=repository%3Ateam%2Fapp%3Apull%2Cpush\
                        &scope=repository%3Abase%3Apull";
        assert_eq!(request.uri().query(), Some(expected));
    }
}
