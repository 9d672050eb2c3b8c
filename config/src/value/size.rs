use std::fmt;
use std::str::FromStr;

use bytesize::ByteSize;
use thiserror::Error;

use super::text::{Text, text_setting};

const MIB: u64 = 1 << 20;
const MAX: u64 = 1 << 50;
const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];

/// An amount of bytes from 1 MiB to 1 PiB, written like "256 MiB".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// Why a text is not a [`Size`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SizeError {
    /// A number alone: bytes and mebibytes are too easily taken for each other.
    #[error("has no unit; write \"256 MiB\"")]
    NoUnit,
    /// Not in the form of a size.
    #[error("is not a size; write it like \"256 MiB\" or \"2 GiB\"")]
    Malformed,
    /// Below 1 MiB or above 1 PiB.
    #[error("is out of bounds; it must be from 1 MiB to 1 PiB")]
    OutOfBounds,
}

impl Size {
    /// For defaults.
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count * MIB)
    }

    /// A part of it, but not less than the least size.
    #[must_use]
    pub fn divided(self, parts: u64) -> Self {
        Self((self.0 / parts.max(1)).max(MIB))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

// bytesize rounds what it prints ("976.6 KiB"); a printed setting has to read back as the same number.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, shift)| self.0.is_multiple_of(1 << shift)) {
            Some((unit, shift)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl Text for Size {
    const NOUN: &'static str = "size";
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let text = text.trim();
        if text.parse::<f64>().is_ok() {
            return Err(SizeError::NoUnit);
        }
        match text.parse().map_err(|_| SizeError::Malformed)? {
            ByteSize(bytes @ MIB..=MAX) => Ok(Self(bytes)),
            _ => Err(SizeError::OutOfBounds),
        }
    }
}

text_setting!(Size);
