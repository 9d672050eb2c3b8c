//! Digests, independent of the product's own.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256, Sha512};

/// `sha256:<hex>` of `bytes`.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    written("sha256", &Sha256::digest(bytes))
}

/// `sha512:<hex>` of `bytes`.
pub fn sha512(bytes: impl AsRef<[u8]>) -> String {
    written("sha512", &Sha512::digest(bytes))
}

/// Whether `digest` is the one of `bytes`; an algorithm other than sha256 and sha512 never is.
pub(crate) fn matches(digest: &str, bytes: &[u8]) -> bool {
    match digest.split_once(':') {
        Some(("sha256", _)) => sha256(bytes) == digest,
        Some(("sha512", _)) => sha512(bytes) == digest,
        _ => false,
    }
}

fn written(algorithm: &str, hash: &[u8]) -> String {
    let mut text = format!("{algorithm}:");
    for byte in hash {
        write!(text, "{byte:02x}").expect("a string takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_standards_examples() {
        assert_eq!(sha256("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(sha512("abc").starts_with("sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2"));
    }

    #[test]
    fn only_the_right_bytes_match_and_an_unknown_algorithm_never_does() {
        assert!(matches(&sha512("abc"), b"abc"));
        assert!(!matches(&sha256("abc"), b"abd"));
        assert!(!matches("md5:900150983cd24fb0d6963f7d28e17f72", b"abc"));
    }
}
