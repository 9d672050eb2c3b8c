//! What a check comes to: nothing, or the reason why it failed.

use testkit::client::Response;
use testkit::sha256;

pub(super) type Verdict<T = ()> = Result<T, String>;

/// The longest part of a body that a reason shows.
const SHOWN: usize = 200;

pub(super) fn expect(holds: bool, reason: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(reason()) }
}

/// Whether the status is one of these.
pub(super) fn status(response: &Response, wanted: &[u16]) -> Verdict {
    expect(wanted.contains(&response.status), || {
        format!("{} instead of {wanted:?}: {}", response.status, excerpt(response))
    })
}

/// A header that must be there.
pub(super) fn header<'a>(response: &'a Response, name: &str) -> Verdict<&'a str> {
    response.header(name).ok_or_else(|| format!("no {name}"))
}

pub(super) fn header_is(response: &Response, name: &str, wanted: &str) -> Verdict {
    let value = header(response, name)?;
    expect(value == wanted, || format!("{name} is {value} instead of {wanted}"))
}

/// Whether the answer is a 200 with these bytes, and its length and digest, where told, are theirs.
pub(super) fn holds(response: &Response, bytes: &[u8]) -> Verdict {
    status(response, &[200])?;
    expect(response.body == bytes, || format!("other {} bytes", response.body.len()))?;
    described(response, bytes)
}

/// Whether the length and, where it is told, the digest are those of `bytes`.
pub(super) fn described(response: &Response, bytes: &[u8]) -> Verdict {
    header_is(response, "content-length", &bytes.len().to_string())?;
    match response.header("docker-content-digest") {
        Some(digest) if digest.starts_with("sha256:") => {
            header_is(response, "docker-content-digest", &sha256(bytes))
        }
        _ => Ok(()),
    }
}

/// Whether it is a refusal with this status and code.
pub(super) fn refused(response: &Response, wanted: &[u16], code: &str) -> Verdict {
    status(response, wanted)?;
    let body: serde_json::Value =
        serde_json::from_slice(&response.body).map_err(|error| format!("no JSON: {error}"))?;
    let own = body["errors"][0]["code"].as_str();
    expect(own == Some(code), || format!("{own:?} instead of {code}"))
}

fn excerpt(response: &Response) -> String {
    let typed = response.header("content-type").unwrap_or_default();
    if !typed.contains("json") && !typed.starts_with("text/") {
        return format!("{} bytes", response.body.len());
    }
    response.text().chars().take(SHOWN).collect()
}
