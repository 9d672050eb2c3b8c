use serde::{Deserialize, Serialize};

use super::glob::{RepositoryGlob, TagGlob};
use super::member::MemberPattern;
use super::platform::RequiredPlatform;
use super::preset::Preset;
use super::skew::Skew;
use super::source::PlatformSource;
use super::word::Word;
use super::{list, name};
use crate::value::{Age, NegativeTtl};

/// One `[[rule]]`: which repositories and tags it takes, which members they have, and how these are
/// merged.
///
/// The first rule whose `repositories` and `tags` match holds; where none does, `[merge]` alone holds. What
/// a rule leaves out is as in `[merge]` and in `[cache]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// What messages call the rule; 1 to 64 printable characters.
    #[serde(deserialize_with = "name::deserialize", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The repositories that the rule takes. Empty where the file has none: then those of the preset, or
    /// all.
    #[serde(deserialize_with = "list::filled", skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryGlob>,
    /// The tags that the rule takes. Empty where the file has none: then those of the preset, or all.
    #[serde(deserialize_with = "list::filled", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<TagGlob>,
    /// A known way to name members; its pattern comes after `members`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The names of the members, in order of precedence.
    #[serde(deserialize_with = "list::filled_distinct", skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberPattern>,
    /// What `{arch}` stands for, in order of precedence. Empty where the file has none: then the words of
    /// the preset, or the suffixes of `[merge]`.
    #[serde(deserialize_with = "list::filled_distinct", skip_serializing_if = "Vec::is_empty")]
    pub arch: Vec<Word>,
    /// Which is believed where a member's config and the rule name different platforms.
    #[serde(skip_serializing_if = "is_default")]
    pub platform_source: PlatformSource,
    /// Whether a tag exists only if it exists without its members.
    #[serde(skip_serializing_if = "is_default")]
    pub require_base: bool,
    /// Whether a member's repository that denies access counts as one that does not exist. Many registries
    /// deny access to what does not exist; without this such a member fails the pull, since an index must
    /// not shrink because an account lost a right.
    #[serde(skip_serializing_if = "is_default")]
    pub skip_denied: bool,
    /// What a merged tag has to run on; a tag that lacks one of these is incomplete.
    #[serde(deserialize_with = "list::distinct", skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<RequiredPlatform>,
    /// Whether a tag that already is an index of several platforms is completed from its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_index: Option<bool>,
    /// Whether tag lists leave out members of the rule's tags; else as in `[merge]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hide_members: Option<bool>,
    /// What happens when the members are not of one build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew: Option<Skew>,
    /// How long `hold` waits for the other members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew_grace: Option<Age>,
    /// How far the build times of the members may lie apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew_gap: Option<Age>,
    /// How long a tag is answered without asking the upstream again; else `tag_ttl` of `[cache]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Age>,
    /// How long a tag that the upstream does not have is answered as absent; else as in `[cache]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_ttl: Option<NegativeTtl>,
    /// How long after `ttl` a tag is answered at once while one check runs; else as in `[cache]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_while_revalidate: Option<Age>,
    /// How long a tag may still be served while the upstream fails; else as in `[cache]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_if_error: Option<Age>,
    /// Tags that are never asked for again once they are complete; none where the list is empty, and those
    /// of `[cache]` where there is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immutable: Option<Vec<TagGlob>>,
}

impl Rule {
    /// Whether the rule takes this tag of this repository.
    pub fn matches(&self, repository: &str, tag: &str) -> bool {
        self.takes_repository(repository) && self.takes_tag(tag)
    }

    /// The patterns of the members, those of the preset last. Without any, the members are `{tag}-{arch}`.
    pub fn patterns(&self) -> Vec<MemberPattern> {
        self.members.iter().cloned().chain(self.preset.map(Preset::pattern)).collect()
    }

    /// What `{arch}` stands for. Without any, it stands for the suffixes of `[merge]`.
    pub fn words(&self) -> Vec<Word> {
        match self.preset {
            Some(preset) if self.arch.is_empty() => preset.words(),
            _ => self.arch.clone(),
        }
    }

    /// Whether the rule takes every tag of the repositories that it takes.
    pub(super) fn takes_all_tags(&self) -> bool {
        match self.tags[..] {
            [] => self.preset.and_then(Preset::tag).is_none(),
            ref tags => tags.iter().any(TagGlob::is_all),
        }
    }

    /// Whether the rule takes every repository.
    pub(super) fn takes_all_repositories(&self) -> bool {
        match self.repositories[..] {
            [] => self.preset.and_then(Preset::namespace).is_none(),
            ref globs => globs.iter().any(RepositoryGlob::is_all),
        }
    }

    /// Whether the rule names its repositories one by one, and all of them are so.
    pub(super) fn names_only(&self, is_so: impl Fn(&str) -> bool) -> bool {
        let names: Option<Vec<&str>> = self.repositories.iter().map(RepositoryGlob::name).collect();
        names.is_some_and(|names| !names.is_empty() && names.into_iter().all(is_so))
    }

    pub(super) fn takes_repository(&self, repository: &str) -> bool {
        if self.repositories.is_empty() {
            let namespace = self.preset.and_then(Preset::namespace);
            return namespace.is_none_or(|namespace| {
                repository
                    .split_once('/')
                    .is_some_and(|(start, name)| start == namespace && !name.contains('/'))
            });
        }
        self.repositories.iter().any(|glob| glob.matches(repository))
    }

    fn takes_tag(&self, tag: &str) -> bool {
        if self.tags.is_empty() {
            return self.preset.and_then(Preset::tag).is_none_or(|only| tag == only);
        }
        self.tags.iter().any(|glob| glob.matches(tag))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
