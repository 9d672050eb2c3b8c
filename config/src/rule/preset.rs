use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::member::MemberPattern;
use super::word::Word;
use crate::keys::nearest;
use crate::value::text::{Text, text_setting};

/// A way to name single-architecture images that is found in the wild, ready to be used by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// `latest-arm` and `latest-x86_64` belong to `latest`: the words that `[merge]` has by itself.
    Suffix,
    /// `latest-amd64` and `latest-386`: the words of Go.
    GoarchSuffix,
    /// `latest-arm64v8` and `latest-arm32v7`: the words of bashbrew, which builds the official images.
    BashbrewSuffix,
    /// `latest-arm64` and `latest-armv7`: the variant belongs to the word.
    VariantSuffix,
    /// `latest-x86_64` and `latest-aarch64`: what `uname -m` prints.
    UnameSuffix,
    /// `latest-linux-amd64`: the words of Go behind the operating system.
    LinuxSuffix,
    /// `arm64v8-latest` and `armhf-latest`: the word stands first.
    Prefix,
    /// `linux-amd64-latest`: operating system and the words of Go stand first.
    LinuxPrefix,
    /// The tags `amd64` and `arm64` belong to `latest`: the tag is the architecture.
    ArchTag,
    /// `arm64v8/nginx:1.27` belongs to `library/nginx:1.27`: the official images of Docker Hub.
    Official,
    /// `team/aarch64-app:1` belongs to `team/app:1`: Home Assistant.
    RepositoryPrefix,
    /// `team/app-arm64:1` belongs to `team/app:1`: Kubernetes of old.
    RepositorySuffix,
    /// `team/app-linux-armv7:1` belongs to `team/app:1`: Prometheus.
    RepositoryLinuxSuffix,
}

/// The text names no [`Preset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PresetError {
    /// Almost one.
    #[error("is not a preset; did you mean \"{0}\"?")]
    Misspelt(&'static str),
    /// Not even almost.
    #[error("is not a preset; known are {}", Preset::ALL.map(Preset::name).join(", "))]
    Unknown,
}

/// The values of GOARCH.
const GO: &[&str] = &["amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64"];

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 13] = [
        Self::Suffix,
        Self::GoarchSuffix,
        Self::BashbrewSuffix,
        Self::VariantSuffix,
        Self::UnameSuffix,
        Self::LinuxSuffix,
        Self::Prefix,
        Self::LinuxPrefix,
        Self::ArchTag,
        Self::Official,
        Self::RepositoryPrefix,
        Self::RepositorySuffix,
        Self::RepositoryLinuxSuffix,
    ];

    /// The name, as written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Suffix => "suffix",
            Self::GoarchSuffix => "goarch-suffix",
            Self::BashbrewSuffix => "bashbrew-suffix",
            Self::VariantSuffix => "variant-suffix",
            Self::UnameSuffix => "uname-suffix",
            Self::LinuxSuffix => "linux-suffix",
            Self::Prefix => "prefix",
            Self::LinuxPrefix => "linux-prefix",
            Self::ArchTag => "arch-tag",
            Self::Official => "official",
            Self::RepositoryPrefix => "repository-prefix",
            Self::RepositorySuffix => "repository-suffix",
            Self::RepositoryLinuxSuffix => "repository-linux-suffix",
        }
    }

    /// The pattern that names the members.
    pub fn pattern(self) -> MemberPattern {
        self.member().parse().unwrap_or_else(|error| unreachable!("{self} {error}"))
    }

    fn member(self) -> &'static str {
        match self {
            Self::Suffix
            | Self::GoarchSuffix
            | Self::BashbrewSuffix
            | Self::VariantSuffix
            | Self::UnameSuffix => "{tag}-{arch}",
            Self::LinuxSuffix => "{tag}-linux-{arch}",
            Self::Prefix => "{arch}-{tag}",
            Self::LinuxPrefix => "linux-{arch}-{tag}",
            Self::ArchTag => "{arch}",
            Self::Official => "{arch}/{name}:{tag}",
            Self::RepositoryPrefix => "{namespace}/{arch}-{name}:{tag}",
            Self::RepositorySuffix => "{repo}-{arch}:{tag}",
            Self::RepositoryLinuxSuffix => "{repo}-linux-{arch}:{tag}",
        }
    }

    /// What `{arch}` stands for, in order of precedence.
    pub fn words(self) -> Vec<Word> {
        let words: &'static [&'static str] = match self {
            Self::Suffix => &crate::merge::SUFFIXES,
            Self::GoarchSuffix
            | Self::LinuxSuffix
            | Self::LinuxPrefix
            | Self::ArchTag
            | Self::RepositorySuffix => GO,
            Self::BashbrewSuffix => &["amd64", "arm64v8", "arm32v7", "arm32v6", "arm32v5", "i386"],
            Self::VariantSuffix => &["amd64", "arm64", "armv7", "armv6", "i386"],
            Self::UnameSuffix => &["x86_64", "aarch64"],
            Self::Prefix => &["amd64", "arm64", "arm64v8", "arm32v7", "arm32v6", "armhf", "i386"],
            Self::Official => {
                &["amd64", "arm32v5", "arm32v6", "arm32v7", "arm64v8", "i386", "ppc64le", "s390x", "riscv64"]
            }
            Self::RepositoryPrefix => &["amd64", "aarch64", "armhf", "armv7", "i386"],
            Self::RepositoryLinuxSuffix => {
                &["amd64", "arm64", "armv7", "armv6", "386", "ppc64le", "s390x", "riscv64"]
            }
        };
        Word::known(words).collect()
    }

    /// The namespace of the repositories that a rule takes when it names none; all of them without one.
    pub(super) fn namespace(self) -> Option<&'static str> {
        (self == Self::Official).then_some("library")
    }

    /// The tag that a rule takes when it names none; all of them without one.
    pub(super) fn tag(self) -> Option<&'static str> {
        (self == Self::ArchTag).then_some("latest")
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Text for Preset {
    const NOUN: &'static str = "preset";
}

impl FromStr for Preset {
    type Err = PresetError;

    fn from_str(text: &str) -> Result<Self, PresetError> {
        Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or_else(|| {
            nearest(text, &Self::ALL.map(Self::name)).map_or(PresetError::Unknown, PresetError::Misspelt)
        })
    }
}

text_setting!(Preset);
