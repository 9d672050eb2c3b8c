use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// How much of a wrong value a message repeats.
const QUOTE_LIMIT: usize = 64;

/// A setting that is written as a string. The errors of its `FromStr` are predicates ("has no unit"), so
/// that they read well behind the value here and behind the name of a flag on the command line.
pub(crate) trait Text: FromStr<Err: Display> {
    /// What the value is, for messages.
    const NOUN: &'static str;
    /// Whether a message may repeat a wrong value; not so where it may hold a secret.
    const QUOTED: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: Self::Err| error.to_string())
    }
}

/// Reads a string; a bare number is read as if quoted, because the error of the type then says what lacks.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Text>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(TextVisitor(PhantomData))
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: Text> TextVisitor<T> {
    fn read<E: Error>(text: &str, shown: fmt::Arguments<'_>) -> Result<T, E> {
        T::read(text).map_err(|error| {
            if T::QUOTED {
                let shown: String = shown.to_string().chars().take(QUOTE_LIMIT).collect();
                E::custom(format_args!("{shown} {error}"))
            } else {
                E::custom(format_args!("the {} {error}", T::NOUN))
            }
        })
    }
}

impl<T: Text> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string that holds one {}", T::NOUN)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Self::read(text, format_args!("{text:?}"))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Self::read(&number.to_string(), format_args!("{number}"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        Self::read(&number.to_string(), format_args!("{number}"))
    }

    // A tag `1.10` would have become `1.1`.
    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Self::read(&number.to_string(), format_args!("{number}"))?;
        Err(E::invalid_type(Unexpected::Float(number), &self))
    }
}

impl Text for SocketAddr {
    const NOUN: &'static str = "socket address";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "is not an IP address and a port; write \"127.0.0.1:5080\", or \"[::]:5080\" for every interface"
                .into()
        })
    }
}

/// Serde for a type that implements [`Text`] and `Display`.
macro_rules! text_setting {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, $($generics)*> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::value::text::deserialize(deserializer)
            }
        }
    };
    ($type:ty) => { text_setting!([] $type); };
}

pub(crate) use text_setting;
