use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::keys::nearest;
use crate::value::text::{Text, text_setting};

/// A word that stands for an architecture in the name of a tag or a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(&'static str);

/// The text is no [`Word`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WordError {
    /// The hyphen belongs to the tag.
    #[error("starts with a hyphen; write it without")]
    Hyphen,
    /// Almost one.
    #[error("is not a word for an architecture; did you mean \"{0}\"?")]
    Misspelt(&'static str),
    /// Not even almost.
    #[error("is not a word for an architecture; known are {}", WORDS.join(", "))]
    Unknown,
}

const WORDS: [&str; 20] = [
    "amd64", "x86_64", "x64", "i386", "386", "arm64", "aarch64", "arm64v8", "arm", "armhf", "armel", "armv5",
    "armv6", "armv7", "arm32v5", "arm32v6", "arm32v7", "ppc64le", "s390x", "riscv64",
];

impl Word {
    /// Every word.
    pub fn all() -> impl Iterator<Item = Self> {
        WORDS.into_iter().map(Self)
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether the word alone says architecture and variant; `arm` does not, because it is written for
    /// 32 bits and for 64.
    pub fn is_single(self) -> bool {
        self.platform().is_some()
    }

    /// Architecture and variant in the form in which an index holds them.
    pub(super) fn platform(self) -> Option<(&'static str, &'static str)> {
        Some(match self.0 {
            "amd64" | "x86_64" | "x64" => ("amd64", ""),
            "386" | "i386" => ("386", ""),
            "arm64" | "arm64v8" | "aarch64" => ("arm64", "v8"),
            "armv5" | "arm32v5" => ("arm", "v5"),
            "armel" | "armv6" | "arm32v6" => ("arm", "v6"),
            "armhf" | "armv7" | "arm32v7" => ("arm", "v7"),
            "arm" => return None,
            other => (other, ""),
        })
    }

    /// The words of a preset or a default, which a test holds to the list.
    pub(crate) fn known(words: &'static [&'static str]) -> impl Iterator<Item = Self> {
        words.iter().map(|word| Self(word))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Text for Word {
    const NOUN: &'static str = "word for an architecture";
}

impl FromStr for Word {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match WORDS.into_iter().find(|word| *word == text) {
            Some(word) => Ok(Self(word)),
            None if text.starts_with('-') => Err(WordError::Hyphen),
            None => Err(nearest(text, &WORDS).map_or(WordError::Unknown, WordError::Misspelt)),
        }
    }
}

text_setting!(Word);
