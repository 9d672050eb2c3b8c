use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads a section. Serde by itself would also take a list of values in the order of the fields, so that
/// `[[upstream]]` became a riddle and `upstream = []` a silent default.
pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_map(TableVisitor(PhantomData))
}

/// One of the tables of a section that is a list, as `[[rule]]`.
pub(crate) trait Entry: Sized {
    /// The name of the section.
    const SECTION: &'static str;
    /// How many there may be.
    const MAX: usize;
    /// What to do where there are more.
    const ADVICE: &'static str;

    /// Checks an entry that stands behind others.
    fn check(&self, earlier: &[Self]) -> Result<(), String>;
}

/// Reads a section that is a list. Each entry is checked while it is read, so that the error has its place.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Entry,
{
    deserializer.deserialize_seq(ListVisitor(PhantomData))
}

struct TableVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Entry> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tables that begin with [[{}]], in two brackets", T::SECTION)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = seq.next_element_seed(Next { earlier: &list })? {
            list.push(entry);
        }
        Ok(list)
    }
}

/// The entry that follows others.
struct Next<'a, T> {
    earlier: &'a [T],
}

impl<'de, T: Deserialize<'de> + Entry> DeserializeSeed<'de> for Next<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de> + Entry> Visitor<'de> for Next<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        if self.earlier.len() == T::MAX {
            let (section, max, advice) = (T::SECTION, T::MAX, T::ADVICE);
            return Err(A::Error::custom(format_args!("at most {max} [[{section}]] are allowed; {advice}")));
        }
        let entry = T::deserialize(MapAccessDeserializer::new(map))?;
        entry.check(self.earlier).map_err(A::Error::custom)?;
        Ok(entry)
    }
}
