use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::word::Word;
use crate::keys::nearest;
use crate::value::text::{Text, text_setting};

const SYSTEMS: [&str; 10] =
    ["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "illumos", "aix", "wasip1"];
/// The values of GOARCH for which images exist.
const ARCHITECTURES: [&str; 12] = [
    "amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "ppc64", "mips64le", "mips64", "loong64",
    "wasm",
];
const MAX_VARIANT: usize = 16;

/// A platform, written `os/architecture` or `os/architecture/variant`, in the form in which an index holds
/// it: amd64 of the first level has no variant, arm64 has `v8`, arm has `v7` where none was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequiredPlatform {
    /// The operating system, a GOOS value.
    pub os: String,
    /// The architecture, a GOARCH value.
    pub architecture: String,
    /// The variant of the architecture; often empty.
    pub variant: String,
}

/// Why a text is not a [`RequiredPlatform`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlatformError {
    /// An architecture alone, or with a variant.
    #[error("has no operating system; did you mean \"{0}\"?")]
    NoSystem(Box<str>),
    /// Not two or three parts.
    #[error("is not a platform; write it like \"linux/arm64\" or \"linux/arm/v7\"")]
    Malformed,
    /// A misspelt part.
    #[error("is not a platform; did you mean \"{0}\"?")]
    Misspelt(Box<str>),
    /// Not the name of an operating system.
    #[error("has an unknown operating system; known are {}", SYSTEMS.join(", "))]
    System,
    /// Not the name of an architecture.
    #[error("has an unknown architecture; known are {}", ARCHITECTURES.join(", "))]
    Architecture,
    /// Not a variant of this architecture.
    #[error("has a variant that {0} does not have; {1}")]
    Variant(&'static str, &'static str),
}

impl fmt::Display for RequiredPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl Text for RequiredPlatform {
    const NOUN: &'static str = "platform";
}

impl FromStr for RequiredPlatform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let folded = text.to_ascii_lowercase();
        let parts: Vec<&str> = folded.split('/').collect();
        if parts.len() < 3 && read_architecture(parts[0]).is_some() {
            return Err(PlatformError::NoSystem(format!("linux/{folded}").into()));
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, ""),
            [os, architecture, variant] if !variant.is_empty() => (os, architecture, variant),
            _ => return Err(PlatformError::Malformed),
        };
        let system = read_system(os).ok_or_else(|| misspelt(&folded, os, &SYSTEMS, PlatformError::System))?;
        let (architecture, implied) = read_architecture(architecture)
            .ok_or_else(|| misspelt(&folded, architecture, &ARCHITECTURES, PlatformError::Architecture))?;
        let variant = if variant.is_empty() { implied } else { variant };
        let variant = canonical_variant(architecture, variant)?;
        Ok(Self { os: system.into(), architecture: architecture.into(), variant })
    }
}

fn misspelt(text: &str, part: &str, known: &[&'static str], otherwise: PlatformError) -> PlatformError {
    match nearest(part, known) {
        Some(near) => PlatformError::Misspelt(text.replacen(part, near, 1).into()),
        None => otherwise,
    }
}

fn read_system(text: &str) -> Option<&'static str> {
    let name = if text == "macos" { "darwin" } else { text };
    SYSTEMS.into_iter().find(|system| *system == name)
}

/// The architecture and the variant that an older name of it implies.
fn read_architecture(text: &str) -> Option<(&'static str, &'static str)> {
    if let Some(known) = ARCHITECTURES.into_iter().find(|known| *known == text) {
        return Some((known, ""));
    }
    match text {
        "x86-64" => Some(("amd64", "")),
        word => word.parse::<Word>().ok()?.platform(),
    }
}

fn canonical_variant(architecture: &'static str, text: &str) -> Result<String, PlatformError> {
    let wrong = |advice| Err(PlatformError::Variant(architecture, advice));
    let number = text.trim_start_matches("arm").trim_start_matches('v');
    match architecture {
        "amd64" => match number {
            "" | "1" => Ok(String::new()),
            level if is_level(level) => Ok(format!("v{level}")),
            _ => wrong("write none, or v2 to v4"),
        },
        "arm" => match number {
            "" => Ok("v7".into()),
            "5" | "6" | "7" | "8" => Ok(format!("v{number}")),
            _ => wrong("write v5, v6 or v7"),
        },
        "arm64" => match number {
            "" | "8" | "8.0" => Ok("v8".into()),
            level if is_level(level) => Ok(format!("v{level}")),
            _ => wrong("write none, or v8"),
        },
        _ if text.len() <= MAX_VARIANT && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(text.into())
        }
        other => Err(PlatformError::Variant(other, "leave it out")),
    }
}

/// One digit, and perhaps a second one behind a dot.
fn is_level(text: &str) -> bool {
    let digit = |text: &str| text.len() == 1 && text.bytes().all(|byte| (b'1'..=b'9').contains(&byte));
    let (major, minor) = text.split_once('.').unwrap_or((text, "1"));
    digit(major) && digit(minor)
}

text_setting!(RequiredPlatform);
