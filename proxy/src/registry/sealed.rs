//! Where a push goes on: the Locations that an upstream hands out, as clients see them.
//!
//! One below `/v2/<repository>/blobs/uploads/` keeps its own name and its query. Any other (some registries have
//! their uploads on other paths, or at another host) is wrapped into a name of that form, signed, so that a client
//! cannot have onetag send a body, and its credentials with it, where the upstream did not.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use onetag_oci::Repository;

/// What a wrapped Location begins with. No registry's own uploads do.
const MARK: &str = "onetag.";

const MAC_BYTES: usize = 32;

/// Wraps and unwraps Locations, for as long as the process lives.
pub(super) struct Seal(hmac::Key);

impl Seal {
    /// With a key of its own.
    pub(super) fn new() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// A name for a Location that this site handed out for an upload to a repository.
    pub(super) fn wrap(&self, site: &str, repository: &Repository, location: &Uri) -> String {
        let text = location.to_string();
        let mut sealed = self.mac(site, repository, text.as_bytes()).as_ref().to_vec();
        sealed.extend_from_slice(text.as_bytes());
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The Location behind a name; none where it is not such a name, or another's.
    pub(super) fn unwrap(&self, site: &str, repository: &Repository, name: &str) -> Option<Uri> {
        let sealed = URL_SAFE_NO_PAD.decode(name.strip_prefix(MARK)?).ok()?;
        let (mac, text) = sealed.split_at_checked(MAC_BYTES)?;
        hmac::verify(&self.0, &message(site, repository, text), mac).ok()?;
        str::from_utf8(text).ok()?.parse().ok()
    }

    fn mac(&self, site: &str, repository: &Repository, text: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &message(site, repository, text))
    }
}

/// Whether a name is one of ours.
pub(super) fn is_wrapped(name: &str) -> bool {
    name.starts_with(MARK)
}

/// What is signed: neither a site's name nor a repository's holds a line feed.
fn message(site: &str, repository: &Repository, text: &[u8]) -> Vec<u8> {
    let mut message = format!("{site}\n{repository}\n").into_bytes();
    message.extend_from_slice(text);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_upload_is_unwrapped_and_only_here() {
        let seal = Seal::new().unwrap();
        let (app, other): (Repository, Repository) = ("team/app".parse().unwrap(), "app".parse().unwrap());
        let location = Uri::from_static("https://storage.example/up?x=1&y=%2F");
        let name = seal.wrap("", &app, &location);
        assert!(is_wrapped(&name));
        assert_eq!(seal.unwrap("", &app, &name), Some(location));
        assert_eq!(seal.unwrap("", &other, &name), None);
        assert_eq!(seal.unwrap("docker.io", &app, &name), None);
        assert_eq!(Seal::new().unwrap().unwrap("", &app, &name), None);
        let mut changed = name.clone();
        changed.pop();
        for bad in [&*changed, "onetag.", "onetag.AAAA", "other", ""] {
            assert_eq!(seal.unwrap("", &app, bad), None, "{bad}");
        }
    }
}
