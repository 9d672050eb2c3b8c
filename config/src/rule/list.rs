//! Reads the lists of a rule, and the list of the rules.

use std::fmt::{self, Display};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::check::check;
use super::entry::Rule;
use super::member::MemberPattern;
use super::platform::RequiredPlatform;
use super::word::Word;

/// More rules than this are better said with globs.
const MAX_RULES: usize = 256;

/// What stands in a list once.
pub(crate) trait Distinct: Display {
    fn is_same(&self, other: &Self) -> bool;
}

impl Distinct for Word {
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Distinct for RequiredPlatform {
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Distinct for MemberPattern {
    fn is_same(&self, other: &Self) -> bool {
        self.names_the_same(other)
    }
}

/// Reads a list that has entries.
pub(super) fn filled<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    not_empty(Vec::deserialize(deserializer)?)
}

/// Reads a list that has each of its entries once.
pub(crate) fn distinct<'de, D: Deserializer<'de>, T: Deserialize<'de> + Distinct>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list: Vec<T> = Vec::deserialize(deserializer)?;
    match repeated(&list) {
        Some(entry) => Err(D::Error::custom(format_args!("\"{entry}\" is listed twice; keep the first one"))),
        None => Ok(list),
    }
}

/// Reads a list that has entries, and each of them once.
pub(super) fn filled_distinct<'de, D: Deserializer<'de>, T: Deserialize<'de> + Distinct>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    not_empty(distinct(deserializer)?)
}

fn not_empty<T, E: Error>(list: Vec<T>) -> Result<Vec<T>, E> {
    if list.is_empty() {
        return Err(E::custom("the list is empty; leave the setting out to have its default"));
    }
    Ok(list)
}

/// The first entry that stands in the list a second time.
pub(crate) fn repeated<T: Distinct>(list: &[T]) -> Option<&T> {
    let earlier = |at: usize, entry: &T| list[..at].iter().any(|other| other.is_same(entry));
    list.iter().enumerate().find(|(at, entry)| earlier(*at, entry)).map(|(_, entry)| entry)
}

/// Reads every `[[rule]]`. Each is checked while it is read, so that the error has its place.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rule>, D::Error> {
    deserializer.deserialize_seq(RulesVisitor)
}

struct RulesVisitor;

impl<'de> Visitor<'de> for RulesVisitor {
    type Value = Vec<Rule>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tables that begin with [[rule]], in two brackets")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Rule>, A::Error> {
        let mut rules = Vec::new();
        while let Some(rule) = seq.next_element_seed(Next { earlier: &rules })? {
            rules.push(rule);
        }
        Ok(rules)
    }
}

/// The rule that follows others.
struct Next<'a> {
    earlier: &'a [Rule],
}

impl<'de> DeserializeSeed<'de> for Next<'_> {
    type Value = Rule;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rule, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Next<'_> {
    type Value = Rule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
        if self.earlier.len() == MAX_RULES {
            return Err(A::Error::custom(format_args!(
                "at most {MAX_RULES} rules are allowed; take several repositories together, as in \"team/*\""
            )));
        }
        let rule = Rule::deserialize(MapAccessDeserializer::new(map))?;
        check(&rule, self.earlier).map_err(A::Error::custom)?;
        Ok(rule)
    }
}
