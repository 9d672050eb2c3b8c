//! Credentials: as headers, and as an answer to a registry's challenge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Body, Client, Error, Response};

/// The value of `Authorization` for a user and password.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

/// The value of `Authorization` for a token.
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A client that answers challenges as those of registries do: with its password, or with a token that it gets
/// for it. It keeps nothing between requests.
#[derive(Clone)]
pub struct Login {
    client: Client,
    account: Option<(String, String)>,
}

/// One `WWW-Authenticate`.
struct Challenge<'a>(&'a str);

impl Login {
    /// Nobody: a token is asked for without a password, and a Basic challenge stays unanswered.
    pub fn anonymous(client: Client) -> Self {
        Self { client, account: None }
    }

    /// This user.
    pub fn new(client: Client, user: &str, password: &str) -> Self {
        Self { client, account: Some((user.to_owned(), password.to_owned())) }
    }

    /// One request, which is sent again, with an `Authorization`, when the first answer is a challenge that can
    /// be answered. The last response comes back, whatever its status.
    pub async fn request(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Result<Response, Error> {
        let body = body.into();
        let first = self.client.request(method, url, headers, body.clone()).await?;
        if first.status != 401 {
            return Ok(first);
        }
        let Some(authorization) = self.authorization(&first).await? else { return Ok(first) };
        let headers = [headers, &[("authorization", authorization.as_str())]].concat();
        self.client.request(method, url, &headers, body).await
    }

    /// What answers the challenge of `refused`, if anything does.
    async fn authorization(&self, refused: &Response) -> Result<Option<String>, Error> {
        let own = self.account.as_ref().map(|(user, password)| basic(user, password));
        let challenge = Challenge(refused.header("www-authenticate").unwrap_or_default());
        if challenge.is("basic") {
            return Ok(own);
        }
        let Some(realm) = challenge.parameter("realm").filter(|_| challenge.is("bearer")) else {
            return Ok(None);
        };
        let mut url = format!("{realm}?service={}", challenge.parameter("service").unwrap_or_default());
        for scope in challenge.parameter("scope").unwrap_or_default().split(' ') {
            url.extend(["&scope=", scope]);
        }
        let headers: Vec<_> = own.iter().map(|own| ("authorization", own.as_str())).collect();
        let issued = self.client.get(&url, &headers).await?;
        if issued.status != 200 {
            return Ok(None);
        }
        Ok(issued.json()["token"].as_str().map(bearer))
    }
}

impl<'a> Challenge<'a> {
    fn is(&self, scheme: &str) -> bool {
        self.0.split(' ').next().is_some_and(|own| own.eq_ignore_ascii_case(scheme))
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let (_, rest) = self.0.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    }
}
