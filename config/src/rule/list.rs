//! Reads the lists of a rule.

use std::fmt::Display;

use serde::de::{Deserialize, Deserializer, Error};

use super::member::MemberPattern;
use super::platform::RequiredPlatform;
use super::word::Word;

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
    once(Vec::deserialize(deserializer)?)
}

/// Refuses a list that has one of its entries twice.
pub(crate) fn once<T: Distinct, E: Error>(list: Vec<T>) -> Result<Vec<T>, E> {
    match repeated(&list) {
        Some(entry) => Err(E::custom(format_args!("\"{entry}\" is listed twice; keep the first one"))),
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
