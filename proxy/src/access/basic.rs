//! The credentials of a request (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// The longest name and password together, in bytes.
const MAX_LENGTH: usize = 1_024;

/// What of a password counts: bcrypt reads no further, and so does whoever made the hash.
const MAX_PASSWORD: usize = 72;

/// A name and a password. Has no `Debug`, and is not kept.
pub(super) struct Login {
    text: String,
    colon: usize,
}

impl Login {
    /// The login of an `Authorization` header. `Ok(None)` where name and password are empty: so say clients that
    /// have none. Fails for other schemes and for what is malformed.
    pub(super) fn read(header: &HeaderValue) -> Result<Option<Self>, Malformed> {
        let (scheme, rest) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Malformed)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Malformed);
        }
        let bytes = STANDARD.decode(rest.trim_matches(' ')).map_err(|_| Malformed)?;
        let text = String::from_utf8(bytes).map_err(|_| Malformed)?;
        let colon = text.find(':').ok_or(Malformed)?;
        if text.len() > MAX_LENGTH || text.contains(char::is_control) {
            return Err(Malformed);
        }
        Ok((text != ":").then_some(Self { text, colon }))
    }

    /// The name.
    pub(super) fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    /// What counts of the password.
    pub(super) fn password(&self) -> &[u8] {
        let password = &self.text.as_bytes()[self.colon + 1..];
        &password[..password.len().min(MAX_PASSWORD)]
    }
}

/// The header holds no login.
#[derive(Debug)]
pub(super) struct Malformed;
