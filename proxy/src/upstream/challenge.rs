//! What a 401 asks for (RFC 9110, section 11.6.1; the distribution project's token specification).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_auth::parser::ChallengeParser;
use http_auth::{ChallengeRef, ParamValue};

use super::destination::{Destinations, Refused};
use super::error::Asked;
use super::kind::Denied;

/// How an upstream wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By an account with each request.
    Basic,
    /// By a token.
    Bearer(TokenServer),
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenServer {
    /// The token endpoint, one that may be asked.
    pub(super) realm: Uri,
    /// How the upstream calls itself there.
    pub(super) service: Option<Box<str>>,
}

/// The most values of `WWW-Authenticate` that a caller is told, and the most bytes of each.
const MAX_TOLD: usize = 8;
const MAX_TOLD_BYTES: usize = 4 << 10;

/// The challenges of an answer, as a caller that can meet them is to see them.
pub(super) fn told(headers: &HeaderMap) -> Box<[HeaderValue]> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    values.filter(|value| value.len() <= MAX_TOLD_BYTES).take(MAX_TOLD).cloned().collect()
}

impl Challenge {
    /// Reads the challenges of a 401; Bearer is preferred over Basic.
    ///
    /// The scope in a Bearer challenge is not taken: which repository is read, and that it is only read,
    /// is known better here.
    pub(super) fn read(headers: &HeaderMap, destinations: &Destinations) -> Result<Self, Denied> {
        let lines = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|line| line.to_str().ok());
        // A line that turns unreadable ends the iterator; what stood before it counts.
        let challenges: Vec<_> = lines.flat_map(|line| ChallengeParser::new(line).flatten()).collect();
        let find = |scheme: &str| challenges.iter().find(|c| c.scheme.eq_ignore_ascii_case(scheme));
        match (find("Bearer"), find("Basic")) {
            (Some(bearer), _) => TokenServer::read(bearer, destinations).map(Self::Bearer),
            (None, Some(_)) => Ok(Self::Basic),
            (None, None) => Err(Denied::Challenge),
        }
    }
}

impl TokenServer {
    /// How errors name a request to it.
    pub(super) fn asked(&self, method: Method) -> Asked {
        Asked::new(method, &self.realm)
    }

    fn read(challenge: &ChallengeRef<'_>, destinations: &Destinations) -> Result<Self, Denied> {
        let parameter = |name: &str| {
            let value = |(key, value): &(&str, ParamValue<'_>)| {
                key.eq_ignore_ascii_case(name).then(|| value.to_unescaped())
            };
            challenge.params.iter().find_map(value)
        };
        let realm = parameter("realm").ok_or(Denied::Challenge)?;
        let realm: Uri = realm.parse().map_err(|_| Denied::Realm(Refused::Malformed))?;
        destinations.admit(&realm).map_err(Denied::Realm)?;
        Ok(Self { realm, service: parameter("service").map(String::into_boxed_str) })
    }
}
