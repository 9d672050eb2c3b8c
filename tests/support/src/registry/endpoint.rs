//! What a path of the distribution API names.

use percent_encoding::percent_decode_str;

use super::journal::Kind;

/// Where uploads go on with [`super::Locations::Foreign`]: `<this><repository>/<id>`.
pub(super) const FOREIGN_UPLOADS: &str = "/artifacts-uploads/";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Ping,
    Catalog,
    Manifest { repository: String, reference: String },
    Blob { repository: String, digest: String },
    UploadStart { repository: String },
    Upload { repository: String, id: String },
    Tags { repository: String },
    Referrers { repository: String, digest: String },
    Unknown,
}

impl Endpoint {
    /// Parses from the right: a repository name may hold any of the words that follow it.
    pub(super) fn parse(path: &str) -> Self {
        let path = percent_decode_str(path).decode_utf8_lossy();
        if let Some((repository, id)) =
            path.strip_prefix(FOREIGN_UPLOADS).and_then(|rest| rest.rsplit_once('/'))
        {
            return Self::Upload { repository: repository.to_owned(), id: id.to_owned() };
        }
        let Some(rest) = path.strip_prefix("/v2").filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            return Self::Unknown;
        };
        let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
        let name = |words: &[&str]| words.join("/");
        let text = |word: &str| word.to_owned();
        match parts.as_slice() {
            [""] => Self::Ping,
            ["_catalog"] => Self::Catalog,
            [repository @ .., "blobs", "uploads"] | [repository @ .., "blobs", "uploads", ""]
                if !repository.is_empty() =>
            {
                Self::UploadStart { repository: name(repository) }
            }
            [repository @ .., "blobs", "uploads", id] if !repository.is_empty() => {
                Self::Upload { repository: name(repository), id: text(id) }
            }
            [repository @ .., "manifests", reference] if !repository.is_empty() => {
                Self::Manifest { repository: name(repository), reference: text(reference) }
            }
            [repository @ .., "blobs", digest] if !repository.is_empty() => {
                Self::Blob { repository: name(repository), digest: text(digest) }
            }
            [repository @ .., "tags", "list"] if !repository.is_empty() => {
                Self::Tags { repository: name(repository) }
            }
            [repository @ .., "referrers", digest] if !repository.is_empty() => {
                Self::Referrers { repository: name(repository), digest: text(digest) }
            }
            _ => Self::Unknown,
        }
    }

    pub(super) fn repository(&self) -> Option<&str> {
        match self {
            Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::UploadStart { repository }
            | Self::Upload { repository, .. }
            | Self::Tags { repository }
            | Self::Referrers { repository, .. } => Some(repository),
            Self::Ping | Self::Catalog | Self::Unknown => None,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Ping => Kind::Ping,
            Self::Manifest { reference, .. } if reference.contains(':') => Kind::ManifestByDigest,
            Self::Manifest { .. } => Kind::ManifestByTag,
            Self::Blob { .. } => Kind::Blob,
            Self::UploadStart { .. } | Self::Upload { .. } => Kind::Upload,
            _ => Kind::Other,
        }
    }
}

/// The values of a query's parameter, decoded.
pub(super) fn parameters<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    })
}

pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    parameters(query, name).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_name_may_hold_the_words_of_the_api() {
        let expected =
            Endpoint::Manifest { repository: "tags/blobs/manifests".into(), reference: "list".into() };
        assert_eq!(Endpoint::parse("/v2/tags/blobs/manifests/manifests/list"), expected);
    }

    #[test]
    fn paths_outside_the_api_are_unknown() {
        for path in ["/", "/v1/", "/v22/", "/v2/manifests/latest", "/v2/a/b"] {
            assert_eq!(Endpoint::parse(path), Endpoint::Unknown, "{path}");
        }
        assert_eq!(Endpoint::parse("/v2"), Endpoint::Ping);
        assert_eq!(Endpoint::parse("/v2/"), Endpoint::Ping);
    }

    #[test]
    fn parameters_are_decoded_and_may_repeat() {
        let query = "scope=repository%3Aa%3Apull&service=x&scope=b+c";
        assert_eq!(parameters(query, "scope").collect::<Vec<_>>(), ["repository:a:pull", "b c"]);
        assert_eq!(parameter(query, "n"), None);
    }
}
