//! The path of a request, parsed once (threat T11).

use std::borrow::Cow;

use http::Method;
use onetag_oci::{Digest, Reference, Repository};

use crate::telemetry::Route;

use super::error::{Code, RegistryError};

/// What a request is about. Whatever cannot be one of these is refused here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Repository, Reference),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Repository, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Repository),
    /// `/v2/<name>/blobs/uploads/<session>`
    Upload(Repository, Session),
    /// `/v2/<name>/tags/list`
    Tags(Repository),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Repository, Digest),
}

/// The name of an upload that is under way: one plain path segment, which is the upstream's affair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session(Box<str>);

/// The longest name of an upload: one may hold a signed URL.
const MAX_SESSION: usize = 8 << 10;

impl Session {
    /// A segment that can be forwarded as it stands; none where it could be read in two ways.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~=+@:!$'()*,;".contains(&byte);
        let fits = text.len() <= MAX_SESSION && !matches!(text, "" | "." | "..") && text.bytes().all(plain);
        fits.then(|| Self(text.into()))
    }

    /// As it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Endpoint {
    /// Reads a path. It is taken as it stands, never decoded: no name in the grammar needs an escape,
    /// and what is judged must be what is forwarded. Read from the right, since repository names may
    /// hold any of the nouns.
    pub fn parse(path: &str) -> Result<Self, RegistryError> {
        let unknown = || RegistryError::new(Code::NotFound, "there is no such path in the distribution API");
        let rest = match path {
            "/v2" => return Ok(Self::Ping),
            _ => path.strip_prefix("/v2/").ok_or_else(unknown)?,
        };
        match rest {
            "" => return Ok(Self::Ping),
            "_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let (head, last) = around_last_slash(rest).ok_or_else(unknown)?;
        let (name, noun) = around_last_slash(head).ok_or_else(unknown)?;
        match (noun, last) {
            ("manifests", _) => Ok(Self::Manifest(repository(name)?, reference(last)?)),
            ("blobs", "uploads") => Ok(Self::Uploads(repository(name)?)),
            ("blobs", _) => Ok(Self::Blob(repository(name)?, digest(last)?)),
            ("uploads", _) => match name.strip_suffix("/blobs") {
                Some(name) if last.is_empty() => Ok(Self::Uploads(repository(name)?)),
                Some(name) => Ok(Self::Upload(repository(name)?, session(last)?)),
                None => Err(unknown()),
            },
            ("tags", "list") => Ok(Self::Tags(repository(name)?)),
            ("referrers", _) => Ok(Self::Referrers(repository(name)?, digest(last)?)),
            _ => Err(unknown()),
        }
    }

    /// The metrics' name for it.
    pub fn route(&self) -> Route {
        match self {
            Self::Ping => Route::Ping,
            Self::Manifest(_, Reference::Tag(_)) => Route::ManifestByTag,
            Self::Manifest(_, Reference::Digest(_)) => Route::ManifestByDigest,
            Self::Blob(..) => Route::Blob,
            Self::Tags(_) => Route::Tags,
            Self::Referrers(..) => Route::Referrers,
            Self::Uploads(_) | Self::Upload(..) => Route::Upload,
            Self::Catalog => Route::Other,
        }
    }

    /// That there is no such thing; that the caller may not see it is told in the same words (threat T2).
    pub fn absent(&self) -> RegistryError {
        let (code, message) = match self {
            Self::Manifest(_, Reference::Tag(_)) => (Code::ManifestUnknown, "the upstream has no such tag"),
            Self::Manifest(..) => {
                (Code::ManifestUnknown, "neither the upstream nor onetag has this digest here")
            }
            Self::Blob(..) => (Code::BlobUnknown, "the upstream has no such blob here"),
            Self::Upload(..) => (Code::UploadUnknown, "there is no such upload here"),
            Self::Uploads(_) | Self::Tags(_) | Self::Referrers(..) | Self::Catalog | Self::Ping => {
                (Code::NameUnknown, "the upstream has nothing of this kind here")
            }
        };
        RegistryError::new(code, message)
    }

    /// The methods that it knows.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            Self::Manifest(..) => &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE],
            Self::Blob(..) => &[Method::GET, Method::HEAD, Method::DELETE],
            Self::Uploads(_) => &[Method::POST],
            Self::Upload(..) => &[Method::GET, Method::PATCH, Method::PUT, Method::DELETE],
            Self::Ping | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => &[Method::GET, Method::HEAD],
        }
    }

    /// The repository that it names.
    pub fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Ping | Self::Catalog => None,
            Self::Manifest(repository, _)
            | Self::Blob(repository, _)
            | Self::Uploads(repository)
            | Self::Upload(repository, _)
            | Self::Tags(repository)
            | Self::Referrers(repository, _) => Some(repository),
        }
    }
}

/// What stands before and behind the last slash. Byte by byte: in texts as short as these, a search for patterns takes
/// longer to begin.
fn around_last_slash(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|byte| byte == b'/')?;
    Some((&text[..at], &text[at + 1..]))
}

fn repository(text: &str) -> Result<Repository, RegistryError> {
    text.parse().map_err(|error| RegistryError::new(Code::NameInvalid, format!("{error}")))
}

fn session(text: &str) -> Result<Session, RegistryError> {
    let unknown = || RegistryError::new(Code::UploadUnknown, "this cannot be the name of an upload");
    Session::new(text).ok_or_else(unknown)
}

/// The one escape that some clients write, in a digest.
fn unescaped(text: &str) -> Cow<'_, str> {
    let Some(at) = text.bytes().position(|byte| byte == b'%') else { return text.into() };
    let (before, escape) = (&text[..at], &text[at + 1..]);
    let behind = escape.strip_prefix("3A").or_else(|| escape.strip_prefix("3a"));
    behind.map_or(text.into(), |behind| format!("{before}:{behind}").into())
}

fn digest(text: &str) -> Result<Digest, RegistryError> {
    unescaped(text).parse().map_err(|error| RegistryError::new(Code::DigestInvalid, format!("{error}")))
}

fn reference(text: &str) -> Result<Reference, RegistryError> {
    let text = unescaped(text);
    text.parse().map_err(|error| {
        let code = if text.contains(':') { Code::DigestInvalid } else { Code::ManifestInvalid };
        RegistryError::new(code, format!("{error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn name(text: &str) -> Repository {
        text.parse().unwrap()
    }

    #[test]
    fn every_route_is_read_from_the_right() {
        let digest: Digest = DIGEST.parse().unwrap();
        let tag = |text: &str| Reference::Tag(text.parse().unwrap());
        for (path, endpoint) in [
            ("/v2".into(), Endpoint::Ping),
            ("/v2/".into(), Endpoint::Ping),
            ("/v2/app/manifests/latest".into(), Endpoint::Manifest(name("app"), tag("latest"))),
            (
                "/v2/a/manifests/blobs/tags/manifests/list".into(),
                Endpoint::Manifest(name("a/manifests/blobs/tags"), tag("list")),
            ),
            (
                format!("/v2/team/app/manifests/{DIGEST}"),
                Endpoint::Manifest(name("team/app"), Reference::Digest(digest.clone())),
            ),
            (format!("/v2/a/b/c/blobs/{DIGEST}"), Endpoint::Blob(name("a/b/c"), digest.clone())),
            ("/v2/_catalog".into(), Endpoint::Catalog),
            ("/v2/app/blobs/uploads/".into(), Endpoint::Uploads(name("app"))),
            ("/v2/app/blobs/uploads".into(), Endpoint::Uploads(name("app"))),
            (
                "/v2/app/blobs/uploads/6f1c".into(),
                Endpoint::Upload(name("app"), Session::new("6f1c").unwrap()),
            ),
            (
                format!("/v2/app/blobs/{}", DIGEST.replace(':', "%3A")),
                Endpoint::Blob(name("app"), digest.clone()),
            ),
            ("/v2/app/tags/list".into(), Endpoint::Tags(name("app"))),
            (format!("/v2/app/referrers/{DIGEST}"), Endpoint::Referrers(name("app"), digest)),
        ] {
            assert_eq!(Endpoint::parse(&path).unwrap(), endpoint, "{path}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_code() {
        for (path, code) in [
            ("", Code::NotFound),
            ("/", Code::NotFound),
            ("/v1/", Code::NotFound),
            ("//v2/", Code::NotFound),
            ("/v2/app", Code::NotFound),
            ("/v2/app/tags/other", Code::NotFound),
            ("/v2/manifests/latest", Code::NotFound),
            ("/v2/app/uploads/x", Code::NotFound),
            ("/v2//manifests/latest", Code::NameInvalid),
            ("/v2/../manifests/latest", Code::NameInvalid),
            ("/v2/a%2fb/manifests/latest", Code::NameInvalid),
            ("/v2/App/manifests/latest", Code::NameInvalid),
            ("/v2/app//manifests/latest", Code::NameInvalid),
            ("/v2/app/manifests/", Code::ManifestInvalid),
            ("/v2/app/manifests/..", Code::ManifestInvalid),
            ("/v2/app/manifests/a%00", Code::ManifestInvalid),
            ("/v2/app/manifests/sha256:abc", Code::DigestInvalid),
            ("/v2/app/blobs/latest", Code::DigestInvalid),
            ("/v2/app/blobs/uploads/..", Code::UploadUnknown),
            ("/v2/app/blobs/uploads/a%2fb", Code::UploadUnknown),
            ("/v2/app/referrers/latest", Code::DigestInvalid),
        ] {
            assert_eq!(Endpoint::parse(path).unwrap_err().code(), code, "{path}");
        }
    }
}
