use std::fmt;
use std::str::FromStr;

use glob::Pattern;
use thiserror::Error;

use crate::value::text::{Text, text_setting};

/// As long as the longest name, and some room for wildcards.
const MAX_LENGTH: usize = 512;
const WILDCARDS: &[u8] = b"*?[]!";

/// Which repositories a rule takes: `*` stands for any text within one component, `**` for any number of
/// components, none included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryGlob {
    text: Box<str>,
    /// One by one, because the time that a single [`Pattern`] takes grows with a power of the name's
    /// length when several `*` stand before a slash.
    components: Vec<Component>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Component {
    Any,
    One(Pattern),
}

/// Which tags a rule takes: `*` stands for any text, `?` for one character, `[a-c]` for one of a set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagGlob(Pattern);

/// Why a text is not a [`RepositoryGlob`] or [`TagGlob`], or one that no name could match.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GlobError {
    /// Nothing matches an empty text.
    #[error("is empty; write \"{0}\" for all of them")]
    Empty(&'static str),
    /// Longer than any name.
    #[error("is longer than {MAX_LENGTH} bytes; shorten it with \"*\"")]
    TooLong,
    /// A tag behind a repository.
    #[error("names a tag; write the repository here and the tag in tags")]
    TagInRepository,
    /// A repository before a tag.
    #[error("names a repository; write it in repositories and the tag alone here")]
    RepositoryInTag,
    /// An upper-case letter in a repository.
    #[error("has an upper-case letter, which no repository has; write \"{0}\"")]
    UpperCase(Box<str>),
    /// A character that no name has.
    #[error("has {0:?}, which no name has; leave it out, or write \"?\" for any one character")]
    Character(char),
    /// A component that is empty, or that starts or ends in a separator.
    #[error("matches no repository: {0:?} cannot be a part of its name; write it as in \"library/*\"")]
    Component(Box<str>),
    /// A tag that starts with `.` or `-`.
    #[error("matches no tag, because none starts with {0:?}; write \"*\" before it, or leave it out")]
    Start(char),
    /// `**` beside other text, or in a tag.
    #[error("has \"**\" beside other text; write \"*\"")]
    Doublestar,
    /// `[` without `]`, or a set with nothing in it.
    #[error("has a set that is not closed or empty; write it as in \"[0-9]\"")]
    Set,
}

impl RepositoryGlob {
    /// The one repository that it takes, if it has no wildcard.
    pub(super) fn name(&self) -> Option<&str> {
        (!self.text.bytes().any(|byte| WILDCARDS.contains(&byte))).then_some(&*self.text)
    }

    /// Whether a repository is one of these.
    pub fn matches(&self, repository: &str) -> bool {
        let names: Vec<&str> = repository.split('/').collect();
        let (mut at, mut name, mut retry) = (0, 0, None);
        while name < names.len() {
            match (self.components.get(at), retry) {
                (Some(Component::Any), _) => {
                    retry = Some((at, name));
                    at += 1;
                }
                (Some(Component::One(pattern)), _) if pattern.matches(names[name]) => {
                    (at, name) = (at + 1, name + 1);
                }
                // The last `**` takes one component more.
                (_, Some((any, taken))) => {
                    retry = Some((any, taken + 1));
                    (at, name) = (any + 1, taken + 1);
                }
                (_, None) => return false,
            }
        }
        self.components[at..].iter().all(|component| *component == Component::Any)
    }

    /// Whether every repository is one of these.
    pub(super) fn is_all(&self) -> bool {
        self.components.iter().all(|component| *component == Component::Any)
    }
}

impl TagGlob {
    /// Whether a tag is one of these.
    pub fn matches(&self, tag: &str) -> bool {
        self.0.matches(tag)
    }

    /// Whether every tag is one of these.
    pub(super) fn is_all(&self) -> bool {
        self.0.as_str() == "*"
    }
}

impl fmt::Display for RepositoryGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for TagGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Text for RepositoryGlob {
    const NOUN: &'static str = "repository";
}

impl Text for TagGlob {
    const NOUN: &'static str = "tag";
}

impl FromStr for RepositoryGlob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        check_length(text, "**")?;
        if text.contains(':') {
            return Err(GlobError::TagInRepository);
        }
        if text.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(GlobError::UpperCase(text.to_ascii_lowercase().into()));
        }
        check_characters(text, b"._-/")?;
        let components = text.split('/').map(read_component).collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), components })
    }
}

impl FromStr for TagGlob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        check_length(text, "*")?;
        if text.contains(['/', ':']) {
            return Err(GlobError::RepositoryInTag);
        }
        check_characters(text, b"._-")?;
        if let Some(start) = text.chars().next().filter(|c| matches!(c, '.' | '-')) {
            return Err(GlobError::Start(start));
        }
        read_pattern(text).map(Self)
    }
}

fn check_length(text: &str, all: &'static str) -> Result<(), GlobError> {
    match text.len() {
        0 => Err(GlobError::Empty(all)),
        length if length > MAX_LENGTH => Err(GlobError::TooLong),
        _ => Ok(()),
    }
}

fn check_characters(text: &str, marks: &[u8]) -> Result<(), GlobError> {
    let legal = |c: char| {
        u8::try_from(c).is_ok_and(|byte| {
            byte.is_ascii_alphanumeric() || marks.contains(&byte) || WILDCARDS.contains(&byte)
        })
    };
    text.chars().find(|c| !legal(*c)).map_or(Ok(()), |c| Err(GlobError::Character(c)))
}

fn read_component(text: &str) -> Result<Component, GlobError> {
    if text == "**" {
        return Ok(Component::Any);
    }
    if text.is_empty() || text.starts_with(['.', '_', '-']) || text.ends_with(['.', '_', '-']) {
        return Err(GlobError::Component(text.into()));
    }
    read_pattern(text).map(Component::One)
}

fn read_pattern(text: &str) -> Result<Pattern, GlobError> {
    if text.contains("**") {
        return Err(GlobError::Doublestar);
    }
    let mut pieces = text.split('[');
    let plain = pieces.next().into_iter();
    let behind_sets = pieces.map(|piece| piece.split_once(']').map_or(piece, |(_, behind)| behind));
    // A lone `]` or `!` stands for itself, and no name has it.
    if plain.chain(behind_sets).any(|piece| piece.contains([']', '!'])) {
        return Err(GlobError::Set);
    }
    Pattern::new(text).map_err(|_| GlobError::Set)
}

text_setting!(RepositoryGlob);
text_setting!(TagGlob);
