//! Names: repository, tag, reference (distribution-spec, section Pulling manifests).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Digest, DigestError};

/// A repository name such as `team/app`; cheap to clone.
///
/// Grammar: path components of lower-case letters and digits, joined inside by one `.`, one or two `_`,
/// or any number of `-`; components are separated by `/`; at most 255 bytes in all.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(Arc<str>);

/// A tag such as `latest`: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

/// What names a manifest within its repository.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A movable name.
    Tag(Tag),
    /// The content's own digest.
    Digest(Digest),
}

/// Why a text names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The repository grammar is broken.
    #[error(
        "a repository name is lower-case letters and digits, separated by '.', '_', '-' or '/', at most 255 bytes"
    )]
    Repository,
    /// The tag grammar is broken.
    #[error("a tag is 1 to 128 letters, digits, '_', '.' or '-', and starts with none of '.' and '-'")]
    Tag,
    /// The reference has a `:` and is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() <= 255 && is_repository(text.as_bytes()) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Repository)
        }
    }
}

/// Path components, of `[a-z0-9]` joined by `.`, `_`, `__` or any number of `-`.
fn is_repository(text: &[u8]) -> bool {
    #[derive(PartialEq)]
    enum Last {
        Slash,
        Alphanumeric,
        Dot,
        Underscore,
        Underscores,
        Dashes,
    }
    // A component begins with a letter or digit, as after a slash.
    let mut last = Last::Slash;
    for byte in text {
        last = match (last, byte) {
            (_, b'a'..=b'z' | b'0'..=b'9') => Last::Alphanumeric,
            (Last::Alphanumeric, b'/') => Last::Slash,
            (Last::Alphanumeric, b'.') => Last::Dot,
            (Last::Alphanumeric, b'_') => Last::Underscore,
            (Last::Underscore, b'_') => Last::Underscores,
            (Last::Alphanumeric | Last::Dashes, b'-') => Last::Dashes,
            _ => return false,
        };
    }
    last == Last::Alphanumeric
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let bytes = text.as_bytes();
        let fits = bytes.len() <= 128
            && bytes.first().copied().is_some_and(word)
            && bytes.iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-'));
        if fits { Ok(Self(text.into())) } else { Err(NameError::Tag) }
    }
}

impl FromStr for Reference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.as_bytes().contains(&b':') {
            Ok(Self::Digest(text.parse()?))
        } else {
            Ok(Self::Tag(text.parse()?))
        }
    }
}

impl Repository {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Repository {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_specification() {
        for good in ["app", "team/app", "a/b/c/d", "a.b", "a_b", "a__b", "a-b", "a---b", "0/9", "x86-64/app"]
        {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a._b", "-a", "a-", ".a", "_a", "a/../b",
            "a/./b", "a b", "a%2fb", "a\0b", "ä", &long,
        ] {
            assert_eq!(bad.parse::<Repository>(), Err(NameError::Repository), "{bad}");
        }
        assert!(long[..255].parse::<Repository>().is_ok());
    }

    #[test]
    fn tags_follow_the_specification() {
        let long = "t".repeat(129);
        for good in ["latest", "v1.2.3", "_x", "A-b_c.d", "9", &long[..128]] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", ".x", "-x", "a/b", "a b", "a%20", "a\0", "ä", &long] {
            assert_eq!(bad.parse::<Tag>(), Err(NameError::Tag), "{bad}");
        }
    }

    #[test]
    fn a_colon_makes_a_reference_a_digest() {
        let digest = Digest::sha256(b"");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert_eq!("latest".parse(), Ok(Reference::Tag(Tag("latest".into()))));
        assert!(matches!("sha256:abc".parse::<Reference>(), Err(NameError::Digest(_))));
        assert!(matches!("a:b".parse::<Reference>(), Err(NameError::Digest(_))));
    }
}
