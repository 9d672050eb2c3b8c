use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::pattern::{DELIMITERS, Part};
use super::platform::RequiredPlatform;
use super::word::Word;
use crate::value::text;

/// How a member is named: `[REPOSITORY:]TAG` with placeholders, and perhaps the platform that it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberPattern {
    pub(super) text: Box<str>,
    pub(super) repository: Option<Box<[Part]>>,
    pub(super) tag: Box<[Part]>,
    pub(super) platform: Option<RequiredPlatform>,
}

impl MemberPattern {
    /// The repository, which is the one asked for where there is none, and the tag.
    pub fn parts(&self) -> (Option<&[Part]>, &[Part]) {
        (self.repository.as_deref(), &self.tag)
    }

    /// The platform of the member, where the file names it.
    pub fn platform(&self) -> Option<&RequiredPlatform> {
        self.platform.as_ref()
    }

    /// Whether the pattern stands for one member per word.
    pub fn has_arch(&self) -> bool {
        self.all_parts().any(|part| *part == Part::Arch)
    }

    /// The word in the text itself, for a pattern with neither `{arch}` nor a platform: the longest, and of
    /// those the first.
    pub fn literal_word(&self) -> Option<Word> {
        if self.has_arch() || self.platform.is_some() {
            return None;
        }
        let found = Word::all().filter_map(|word| Some((word, self.position(word)?)));
        let length = |word: Word| word.as_str().len();
        // No placeholder is called like a word, so that the text can be searched as it is.
        found.max_by(|(a, at), (b, bt)| length(*a).cmp(&length(*b)).then(bt.cmp(at))).map(|(word, _)| word)
    }

    /// Where the word stands by itself.
    fn position(&self, word: Word) -> Option<usize> {
        self.text.match_indices(word.as_str()).map(|(at, _)| at).find(|at| {
            let (before, after) = (&self.text[..*at], &self.text[at + word.as_str().len()..]);
            (before.is_empty() || before.ends_with(DELIMITERS))
                && (after.is_empty() || after.starts_with(DELIMITERS))
        })
    }

    pub(super) fn has_tag(&self) -> bool {
        self.tag.contains(&Part::Tag)
    }

    /// Whether the members are in the repository that was asked for.
    pub(super) fn is_in_same_repository(&self) -> bool {
        match self.repository.as_deref() {
            None | Some([Part::Repo]) => true,
            Some([Part::Namespace, Part::Literal(slash), Part::Name]) => **slash == *"/",
            Some(_) => false,
        }
    }

    /// Whether two patterns name the same members, whatever their platforms.
    pub(super) fn names_the_same(&self, other: &Self) -> bool {
        let same = self.is_in_same_repository() && other.is_in_same_repository();
        (same || self.repository == other.repository) && self.tag == other.tag
    }

    pub(super) fn all_parts(&self) -> impl Iterator<Item = &Part> {
        self.repository.iter().flatten().chain(&self.tag)
    }
}

impl fmt::Display for MemberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for MemberPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(platform) = &self.platform else { return serializer.collect_str(self) };
        let mut table = serializer.serialize_struct("MemberPattern", 2)?;
        table.serialize_field("pattern", &self.text)?;
        table.serialize_field("platform", platform)?;
        table.end()
    }
}

impl<'de> Deserialize<'de> for MemberPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

/// The long form of a member.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default, deserialize_with = "some")]
    pattern: Option<MemberPattern>,
    platform: Option<RequiredPlatform>,
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MemberPattern>, D::Error> {
    text::deserialize(deserializer).map(Some)
}

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = MemberPattern;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a pattern like \"{tag}-{arch}\", or { pattern = \"{tag}-edge\", platform = \"linux/arm64\" }",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<MemberPattern, E> {
        text::deserialize(text.into_deserializer())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MemberPattern, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        let pattern = table.pattern.ok_or_else(|| {
            A::Error::custom(
                "the pattern is missing; write { pattern = \"{tag}-edge\", platform = \"linux/arm64\" }",
            )
        })?;
        if pattern.has_arch() && table.platform.is_some() {
            return Err(A::Error::custom(format_args!(
                "\"{pattern}\" has {{arch}}, which is one platform per word; write \"{pattern}\" alone, or a word for {{arch}}"
            )));
        }
        Ok(MemberPattern { platform: table.platform, ..pattern })
    }
}
