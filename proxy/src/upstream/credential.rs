//! One account's credential, in the form that is sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use onetag_config::Secret;

/// The user name by which Docker marks an identity token.
const TOKEN_USER: &str = "<token>";

/// What proves an account. Neither form can be printed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Credential {
    /// The value of an `Authorization: Basic` header.
    Basic(HeaderValue),
    /// An OAuth 2 refresh token, which only a token server takes.
    Identity(Secret),
}

impl Credential {
    /// The credential of an account; `None` for the empty one, which stands for no account.
    pub(super) fn new(username: &str, password: &str) -> Option<Self> {
        match (username, password) {
            ("" | TOKEN_USER, "") => None,
            (TOKEN_USER, token) => Some(Self::Identity(token.into())),
            _ => Some(Self::Basic(basic(username, password))),
        }
    }
}

fn basic(username: &str, password: &str) -> HeaderValue {
    let text = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    // Base64 is always a legal header value.
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
