//! Sizes in bytes, as people write them.

use std::str::FromStr;

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(bytesize::ByteSize);

impl Size {
    pub(crate) fn as_u64(self) -> u64 {
        self.0.as_u64()
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: bytesize::ByteSize = text.parse()?;
        let bounds = 1..=bytesize::ByteSize::gib(64).as_u64();
        if bounds.contains(&size.as_u64()) {
            Ok(Self(size))
        } else {
            Err("is not between 1 B and 64 GiB".into())
        }
    }
}
