//! The path of a request, parsed once (threat T11).

use onetag_oci::{Digest, Reference, Repository};

use crate::telemetry::Route;

use super::error::{Code, RegistryError};

/// What a request is about. Whatever cannot be one of these is refused here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v2/`
    Ping,
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Repository, Reference),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Repository, Digest),
    /// `/v2/<name>/blobs/uploads/...`
    Upload(Repository),
    /// `/v2/<name>/tags/list`
    Tags(Repository),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Repository, Digest),
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
        if rest.is_empty() {
            return Ok(Self::Ping);
        }
        let (head, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
        let (name, noun) = head.rsplit_once('/').ok_or_else(unknown)?;
        match (noun, last) {
            ("manifests", _) => Ok(Self::Manifest(repository(name)?, reference(last)?)),
            ("blobs", "uploads") => Ok(Self::Upload(repository(name)?)),
            ("blobs", _) => Ok(Self::Blob(repository(name)?, digest(last)?)),
            ("uploads", _) => match name.strip_suffix("/blobs") {
                Some(name) => Ok(Self::Upload(repository(name)?)),
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
            Self::Upload(_) => Route::Other,
        }
    }
}

fn repository(text: &str) -> Result<Repository, RegistryError> {
    text.parse().map_err(|error| RegistryError::new(Code::NameInvalid, format!("{error}")))
}

fn digest(text: &str) -> Result<Digest, RegistryError> {
    text.parse().map_err(|error| RegistryError::new(Code::DigestInvalid, format!("{error}")))
}

fn reference(text: &str) -> Result<Reference, RegistryError> {
    let code = if text.contains(':') { Code::DigestInvalid } else { Code::ManifestInvalid };
    text.parse().map_err(|error| RegistryError::new(code, format!("{error}")))
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
            ("/v2/app/blobs/uploads/".into(), Endpoint::Upload(name("app"))),
            ("/v2/app/blobs/uploads".into(), Endpoint::Upload(name("app"))),
            ("/v2/app/blobs/uploads/6f1c".into(), Endpoint::Upload(name("app"))),
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
            ("/v2/app/referrers/latest", Code::DigestInvalid),
        ] {
            assert_eq!(Endpoint::parse(path).unwrap_err().code(), code, "{path}");
        }
    }
}
