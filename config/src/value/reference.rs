use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::grammar::{fits_repository, fits_tag, is_in_repository, is_in_tag, is_repository};
use super::text::{Text, text_setting};

const DEFAULT_TAG: &str = "latest";

/// A tag of a repository of the upstream, written `REPOSITORY:TAG`; the tag is `latest` where none was
/// written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WarmReference {
    repository: Box<str>,
    tag: Box<str>,
}

/// Why a text is not a [`WarmReference`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WarmReferenceError {
    /// Nothing at all.
    #[error("is empty; write it like \"team/app:latest\"")]
    Empty,
    /// A digest, which always names the same.
    #[error("has a digest, and what that names never changes; it needs no keeping warm, so leave it out")]
    Digest,
    /// A host with a port before the repository.
    #[error("has a colon too many; it is in the one registry, so write REPOSITORY:TAG without a host")]
    Host,
    /// A glob, as the rules have.
    #[error("has the wildcard {0:?}; wildcards do not work here, so name each tag by itself")]
    Wildcard(char),
    /// Only a tag.
    #[error("has no repository before the colon; write it like \"team/app:latest\"")]
    NoRepository,
    /// A colon at the end.
    #[error("has no tag behind the colon; write \"{0}\"")]
    NoTag(Box<str>),
    /// An upper-case letter in the repository.
    #[error("has an upper-case letter, which no repository has; write \"{0}\"")]
    UpperCase(Box<str>),
    /// A character that no repository has.
    #[error(
        "has {0:?} in the repository, where only a-z, 0-9, '.', '_', '-' and '/' may stand; leave it out"
    )]
    RepositoryCharacter(char),
    /// Allowed characters in an order that is none.
    #[error(
        "has a repository that cannot exist: its components are letters and digits joined by '.', '_' or '-'; write it like \"team/app:latest\""
    )]
    Repository,
    /// Longer than any repository.
    #[error("has a repository of more than 255 characters, which none may have")]
    LongRepository,
    /// A character that no tag has.
    #[error("has {0:?} in the tag, where only letters, digits, '_', '.' and '-' may stand; leave it out")]
    TagCharacter(char),
    /// A tag that starts with `.` or `-`.
    #[error("has a tag that starts with {0:?}, which none may; leave it out")]
    TagStart(char),
    /// Longer than any tag.
    #[error("has a tag of more than 128 characters, which none may have")]
    LongTag,
}

impl WarmReference {
    /// The repository, without a host.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl fmt::Display for WarmReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl Text for WarmReference {
    const NOUN: &'static str = "reference";
}

impl FromStr for WarmReference {
    type Err = WarmReferenceError;

    fn from_str(text: &str) -> Result<Self, WarmReferenceError> {
        if text.is_empty() {
            return Err(WarmReferenceError::Empty);
        }
        if text.contains('@') || text.starts_with("sha256:") || text.starts_with("sha512:") {
            return Err(WarmReferenceError::Digest);
        }
        if let Some(wildcard) = text.chars().find(|c| matches!(c, '*' | '?' | '[')) {
            return Err(WarmReferenceError::Wildcard(wildcard));
        }
        let (repository, tag) = text.split_once(':').unwrap_or((text, DEFAULT_TAG));
        if tag.contains([':', '/']) {
            return Err(WarmReferenceError::Host);
        }
        check_repository(repository, tag)?;
        check_tag(repository, tag)?;
        Ok(Self { repository: repository.into(), tag: tag.into() })
    }
}

fn check_repository(repository: &str, tag: &str) -> Result<(), WarmReferenceError> {
    if repository.is_empty() {
        return Err(WarmReferenceError::NoRepository);
    }
    match repository.chars().find(|c| !is_in_repository(*c)) {
        Some(c) if c.is_ascii_uppercase() => {
            let lower = repository.to_ascii_lowercase();
            Err(WarmReferenceError::UpperCase(format!("{lower}:{tag}").into()))
        }
        Some(c) => Err(WarmReferenceError::RepositoryCharacter(c)),
        None if !fits_repository(repository) => Err(WarmReferenceError::LongRepository),
        None if is_repository(repository) => Ok(()),
        None => Err(WarmReferenceError::Repository),
    }
}

fn check_tag(repository: &str, tag: &str) -> Result<(), WarmReferenceError> {
    if let Some(c) = tag.chars().find(|c| !is_in_tag(*c)) {
        return Err(WarmReferenceError::TagCharacter(c));
    }
    match tag.chars().next() {
        None => Err(WarmReferenceError::NoTag(format!("{repository}:{DEFAULT_TAG}").into())),
        Some(start @ ('.' | '-')) => Err(WarmReferenceError::TagStart(start)),
        Some(_) if fits_tag(tag) => Ok(()),
        Some(_) => Err(WarmReferenceError::LongTag),
    }
}

text_setting!(WarmReference);
