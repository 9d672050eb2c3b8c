//! Content digests (image-spec `descriptor.md`, section Digests).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The digest of some content: the algorithm and its value.
///
/// Only the registered algorithms `sha256` and `sha512` exist here; both are compared byte by byte.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digest {
    /// SHA-256, the algorithm of every digest that onetag makes (rule L3).
    Sha256([u8; 32]),
    /// SHA-512, accepted wherever an upstream uses it.
    Sha512(Box<[u8; 64]>),
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `:` between algorithm and value.
    #[error("a digest is written algorithm:hex, for example sha256:9f86d0...")]
    Form,
    /// The algorithm is not a registered one.
    #[error("the digest algorithm is neither sha256 nor sha512")]
    Algorithm,
    /// The value is not lower-case hexadecimal of the algorithm's length.
    #[error("the digest value is not the lower-case hexadecimal text of its algorithm's length")]
    Value,
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(&digest::SHA256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Whether `bytes` have this digest.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish() == *self
    }

    /// An empty hasher of this digest's algorithm.
    pub fn hasher(&self) -> Hasher {
        Hasher::new(match self {
            Self::Sha256(_) => &digest::SHA256,
            Self::Sha512(_) => &digest::SHA512,
        })
    }

    /// The algorithm's registered name.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        }
    }

    /// The raw value, 32 or 64 bytes.
    pub fn value(&self) -> &[u8] {
        match self {
            Self::Sha256(value) => value,
            Self::Sha512(value) => &value[..],
        }
    }
}

/// A digest that is computed while content passes by.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    fn new(algorithm: &'static digest::Algorithm) -> Self {
        Self(digest::Context::new(algorithm))
    }

    /// Takes the next bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes taken so far.
    pub fn finish(self) -> Digest {
        let value = self.0.finish();
        if let Ok(short) = <[u8; 32]>::try_from(value.as_ref()) {
            return Digest::Sha256(short);
        }
        let mut long = [0; 64];
        long.copy_from_slice(value.as_ref());
        Digest::Sha512(Box::new(long))
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, value) = text.split_once(':').ok_or(DigestError::Form)?;
        match algorithm {
            "sha256" => unhex::<32>(value).map(Self::Sha256),
            "sha512" => unhex::<64>(value).map(|value| Self::Sha512(Box::new(value))),
            _ => Err(DigestError::Algorithm),
        }
    }
}

/// The bytes that `text` writes in lower-case hexadecimal.
fn unhex<const N: usize>(text: &str) -> Result<[u8; N], DigestError> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(DigestError::Value),
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return Err(DigestError::Value);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm())?;
        f.write_str(":")?;
        self.value().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_two_forms_of_one_digest() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::sha256(b"")));
        assert!(Digest::sha256(b"").matches(b""));
        assert!(!Digest::sha256(b"").matches(b"x"));
    }

    #[test]
    fn sha512_is_parsed_verified_and_printed() {
        use sha2::Digest as _;
        let text = format!("sha512:{:x}", sha2::Sha512::digest(b"onetag"));
        let digest: Digest = text.parse().unwrap();
        assert!(digest.matches(b"onetag"));
        assert!(!digest.matches(b"Onetag"));
        assert_eq!(digest.to_string(), text);
    }

    #[test]
    fn anything_else_is_refused() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, error) in [
            (hex.to_owned(), DigestError::Form),
            (format!("md5:{hex}"), DigestError::Algorithm),
            (format!("SHA256:{hex}"), DigestError::Algorithm),
            (format!("sha256:{}", hex.to_uppercase()), DigestError::Value),
            (format!("sha256:{}", &hex[1..]), DigestError::Value),
            (format!("sha256:{hex}0"), DigestError::Value),
            (format!("sha512:{hex}"), DigestError::Value),
            (format!("sha256:../../{}", &hex[6..]), DigestError::Value),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        }
    }
}
