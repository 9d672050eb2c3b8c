//! Who is let in: everybody, Basic credentials, or tokens from the token server.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::account::{Accounts, Permission};
use super::answer::Answer;
use super::endpoint::{Endpoint, parameter};
use super::server::Call;
use super::token::Issuer;

/// How the registry admits requests.
pub(super) struct Access {
    pub(super) scheme: Scheme,
    /// The status for an account that may not; where it is `None`, 403, or a challenge for a token.
    pub(super) denied: Option<StatusCode>,
    /// Whether a mount without access to its source is challenged for that too, not just carried on as an upload.
    pub(super) challenges_mounts: bool,
}

pub(super) enum Scheme {
    Open,
    Basic(Accounts),
    Bearer { issuer: Arc<Issuer>, realm: String },
}

impl Access {
    /// The refusal, when this request may not go on.
    pub(super) fn refusal(&self, call: &Call, endpoint: &Endpoint) -> Option<Answer> {
        let needed = self.needed(call, endpoint);
        match &self.scheme {
            Scheme::Open => None,
            Scheme::Basic(accounts) => match accounts.authenticated(&call.headers) {
                None => Some(self.challenge(&needed, None)),
                Some(account) if needed.iter().all(|asked| account.may(asked)) => None,
                Some(_) => Some(self.closed(self.denied.unwrap_or(StatusCode::FORBIDDEN), &needed)),
            },
            Scheme::Bearer { issuer, .. } => {
                let Some(grant) = issuer.grant_of(&call.headers) else {
                    let error = call.headers.contains_key(AUTHORIZATION).then_some("invalid_token");
                    return Some(self.challenge(&needed, error));
                };
                if grant.covers(&needed) {
                    return None;
                }
                Some(match self.denied {
                    Some(status) if !grant.could_cover(&needed) => self.closed(status, &needed),
                    _ => self.challenge(&needed, Some("insufficient_scope")),
                })
            }
        }
    }

    /// A refusal with this status, as for what the caller may not know of.
    pub(super) fn refused_as(&self, status: StatusCode, call: &Call, endpoint: &Endpoint) -> Answer {
        self.closed(status, &self.needed(call, endpoint))
    }

    /// Whether the caller may read `repository`, from which it wants a blob mounted.
    pub(super) fn may_mount_from(&self, repository: &str, headers: &HeaderMap) -> bool {
        let source = [Permission::on(repository, "pull")];
        match &self.scheme {
            Scheme::Open => true,
            Scheme::Basic(accounts) => {
                accounts.authenticated(headers).is_some_and(|account| account.may(&source[0]))
            }
            Scheme::Bearer { issuer, .. } => {
                issuer.grant_of(headers).is_some_and(|grant| grant.covers(&source))
            }
        }
    }

    pub(super) fn revoke(&self, user: &str) {
        match &self.scheme {
            Scheme::Open => {}
            Scheme::Basic(accounts) => accounts.remove(user),
            Scheme::Bearer { issuer, .. } => issuer.revoke(user),
        }
    }

    pub(super) fn revoke_tokens(&self) {
        if let Scheme::Bearer { issuer, .. } = &self.scheme {
            issuer.revoke_tokens();
        }
    }

    fn needed(&self, call: &Call, endpoint: &Endpoint) -> Vec<Permission> {
        if let Endpoint::Catalog = endpoint {
            return vec![Permission::catalog()];
        }
        let Some(repository) = endpoint.repository() else { return Vec::new() };
        let actions = actions(&call.method, endpoint).iter();
        let mut needed: Vec<_> = actions.map(|action| Permission::on(repository, action)).collect();
        if let (true, Endpoint::UploadStart { .. }) = (self.challenges_mounts, endpoint)
            && let Some(source) = parameter(&call.query, "from")
        {
            needed.push(Permission::on(&source, "pull"));
        }
        needed
    }

    fn challenge(&self, needed: &[Permission], error: Option<&str>) -> Answer {
        let challenge = match &self.scheme {
            Scheme::Bearer { realm, .. } => bearer_challenge(realm, needed, error),
            Scheme::Open | Scheme::Basic(_) => "Basic realm=\"testkit\"".to_owned(),
        };
        unauthorized().header(WWW_AUTHENTICATE, &challenge)
    }

    fn closed(&self, status: StatusCode, needed: &[Permission]) -> Answer {
        match status {
            StatusCode::UNAUTHORIZED => self.challenge(needed, None),
            StatusCode::NOT_FOUND => {
                Answer::error(status, "NAME_UNKNOWN", "repository name not known to registry")
            }
            _ => Answer::error(status, "DENIED", "requested access to the resource is denied"),
        }
    }
}

fn actions(method: &Method, endpoint: &Endpoint) -> &'static [&'static str] {
    match *method {
        Method::GET | Method::HEAD if !matches!(endpoint, Endpoint::Upload { .. }) => &["pull"],
        Method::DELETE if !matches!(endpoint, Endpoint::Upload { .. }) => &["delete"],
        _ => &["pull", "push"],
    }
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

fn bearer_challenge(realm: &str, needed: &[Permission], error: Option<&str>) -> String {
    let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{}\"", Issuer::SERVICE);
    let groups = Permission::grouped(needed).into_iter();
    let scopes: Vec<String> =
        groups.map(|(resource, actions)| format!("{resource}:{}", actions.join(","))).collect();
    if !scopes.is_empty() {
        challenge.extend([",scope=\"", &scopes.join(" "), "\""]);
    }
    if let Some(error) = error {
        challenge.extend([",error=\"", error, "\""]);
    }
    challenge
}

pub(super) fn unauthorized() -> Answer {
    Answer::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
}
