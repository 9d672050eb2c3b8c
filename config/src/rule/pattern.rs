use std::fmt;

use thiserror::Error;

/// As long as a repository, a colon and a tag.
pub(super) const MAX_LENGTH: usize = 384;
/// What a word stands between.
pub(super) const DELIMITERS: [char; 5] = ['-', '_', '.', '/', ':'];
pub(super) const PLACEHOLDERS: [&str; 5] = ["tag", "arch", "repo", "namespace", "name"];

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// Text that stands for itself.
    Literal(Box<str>),
    /// `{tag}`: the tag asked for.
    Tag,
    /// `{arch}`: one of the words.
    Arch,
    /// `{repo}`: the repository asked for.
    Repo,
    /// `{namespace}`: the repository without its last component, and so perhaps nothing.
    Namespace,
    /// `{name}`: the last component of the repository.
    Name,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing at all.
    #[error("is empty; write a pattern like \"{{tag}}-{{arch}}\"")]
    Empty,
    /// Longer than any name.
    #[error("is longer than {MAX_LENGTH} bytes; no name is")]
    TooLong,
    /// `{}`.
    #[error("has empty braces; write {{tag}} or {{arch}}")]
    EmptyBraces,
    /// A brace without its other half.
    #[error("has a '{0}' without its other half; write {{tag}} or {{arch}}")]
    Unbalanced(char),
    /// Almost a placeholder.
    #[error("has an unknown placeholder; did you mean \"{{{0}}}\"?")]
    Misspelt(&'static str),
    /// Not even almost one.
    #[error("has an unknown placeholder; known are {{{}}}", PLACEHOLDERS.join("}, {"))]
    Placeholder,
    /// More than one colon.
    #[error("has several colons; members are in the same registry, so write REPOSITORY:TAG without its host")]
    Colons,
    /// A colon with nothing before it.
    #[error("has no repository before the colon; write \"{0}\"")]
    NoRepository(Box<str>),
    /// A repository alone.
    #[error("is a repository without a tag; write \"{0}\"")]
    NoTag(Box<str>),
    /// `{tag}` before the colon.
    #[error("has {{tag}} in the repository; write it behind the colon")]
    TagInRepository,
    /// A piece of the repository behind the colon.
    #[error("has {0} in the tag; write it before the colon")]
    RepositoryInTag(Part),
    /// A placeholder twice.
    #[error("has {0} twice; write it once")]
    Twice(Part),
    /// The whole repository, and a piece of it.
    #[error("has {{repo}}, which is {{namespace}}/{{name}} already; write {{repo}} or these two, not both")]
    RepoTwice,
    /// The tag asked for itself.
    #[error(
        "is the tag asked for itself, which always is a member; write \"{{tag}}-{{arch}}\" or leave it out"
    )]
    Base,
    /// Nothing between two placeholders, or between one and a word.
    #[error("has no delimiter where names meet; write \"{0}\"")]
    Touching(Box<str>),
    /// A character that no repository has.
    #[error("has {0:?} in the repository, where only a-z, 0-9, '.', '_', '-' and '/' may stand; {advice}", advice = write_or_leave(.1.as_deref()))]
    RepositoryCharacter(char, Option<Box<str>>),
    /// Separators in a row, at an end, or too much text.
    #[error(
        "has a repository that cannot exist: its components are letters and digits joined by '.', '_' or '-'; \
         write it like \"{{namespace}}/{{arch}}-{{name}}:{{tag}}\""
    )]
    Repository,
    /// A character that no tag has.
    #[error("has {0:?} in the tag, where only letters, digits, '_', '.' and '-' may stand; {advice}", advice = write_or_leave(.1.as_deref()))]
    TagCharacter(char, Option<Box<str>>),
    /// A tag that starts with `.` or `-`.
    #[error("has a tag that starts with {0:?}, which none may; {advice}", advice = write_or_leave(.1.as_deref()))]
    TagStart(char, Option<Box<str>>),
    /// A tag that is longer than any.
    #[error("has a tag longer than 128 characters; no tag is")]
    LongTag,
}

fn write_or_leave(pattern: Option<&str>) -> String {
    match pattern {
        Some(pattern) => format!("write \"{pattern}\""),
        None => "leave it out".into(),
    }
}

impl Part {
    /// The placeholder of this name.
    pub(super) fn placeholder(name: &str) -> Option<Self> {
        Some(match name {
            "tag" => Self::Tag,
            "arch" => Self::Arch,
            "repo" => Self::Repo,
            "namespace" => Self::Namespace,
            "name" => Self::Name,
            _ => return None,
        })
    }

    /// Whether this is the repository asked for or a piece of it.
    pub(super) fn is_of_repository(&self) -> bool {
        matches!(self, Self::Repo | Self::Namespace | Self::Name)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Literal(text) => text,
            Self::Tag => "{tag}",
            Self::Arch => "{arch}",
            Self::Repo => "{repo}",
            Self::Namespace => "{namespace}",
            Self::Name => "{name}",
        })
    }
}
