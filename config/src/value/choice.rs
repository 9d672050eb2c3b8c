//! Settings that are one word out of few.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::text::{Text, text_setting};

/// The text is none of the words; they are in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not one of the words that are known; write {0}")]
pub struct ChoiceError(&'static str);

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $noun:literal, $words:literal,
     $($(#[$item_doc:meta])* $item:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$item_doc])* $item,)+ }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$item => $word,)+ })
            }
        }

        impl Text for $name {
            const NOUN: &'static str = $noun;
        }

        impl FromStr for $name {
            type Err = ChoiceError;

            fn from_str(text: &str) -> Result<Self, ChoiceError> {
                match text {
                    $($word => Ok(Self::$item),)+
                    _ => Err(ChoiceError($words)),
                }
            }
        }

        text_setting!($name);
    };
}

choice! {
    /// With whose credentials an upstream is asked.
    CredentialSource, "source of credentials", "\"proxy\" or \"client\"",
    /// Onetag's own; it decides itself what callers may do.
    Proxy = "proxy",
    /// Those that each caller sends; the upstream decides.
    Client = "client",
}

choice! {
    /// Whether clients have to show a certificate.
    ClientAuth, "way to treat client certificates", "\"none\", \"optional\" or \"required\"",
    /// None is asked for.
    None = "none",
    /// One that is shown has to be right.
    Optional = "optional",
    /// There is no connection without one.
    Required = "required",
}

choice! {
    /// What a caller does with a repository.
    Action, "action", "\"pull\", \"push\" or \"delete\"",
    /// It reads.
    Pull = "pull",
    /// It writes.
    Push = "push",
    /// It removes.
    Delete = "delete",
}
