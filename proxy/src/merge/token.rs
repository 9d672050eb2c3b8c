//! Architecture tokens: what a word in a tag's name may stand for (rule P7).

use onetag_config::Word;
use onetag_oci::Platform;

/// A word that stands for a set of platforms.
///
/// The set only limits which images are believed under that name (rule P8); the platform itself comes
/// from the image's config (rule P1).
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// The word as it stands in a tag.
    pub text: &'static str,
    /// The architectures, each `architecture` or `architecture/variant`, in normal form.
    set: &'static [&'static str],
    /// What fills a gap of the config (rules P3, P9); a token of several architectures gives no hint.
    hint: Option<(&'static str, &'static str)>,
}

const fn token(
    text: &'static str,
    set: &'static [&'static str],
    hint: Option<(&'static str, &'static str)>,
) -> Token {
    Token { text, set, hint }
}

const ARM64: &[&str] = &["arm64"];
const AMD64: &[&str] = &["amd64"];

/// The token of each word.
static TOKENS: &[Token] = &[
    token("amd64", AMD64, Some(("amd64", ""))),
    token("x86_64", AMD64, Some(("amd64", ""))),
    token("x64", AMD64, Some(("amd64", ""))),
    token("i386", &["386"], Some(("386", ""))),
    token("386", &["386"], Some(("386", ""))),
    token("arm64", ARM64, Some(("arm64", "v8"))),
    token("aarch64", ARM64, Some(("arm64", "v8"))),
    token("arm64v8", ARM64, Some(("arm64", "v8"))),
    token("arm", &["arm", "arm64"], None),
    token("armhf", &["arm/v6", "arm/v7"], Some(("arm", "v7"))),
    token("armel", &["arm/v5", "arm/v6"], Some(("arm", "v6"))),
    token("armv5", &["arm/v5"], Some(("arm", "v5"))),
    token("armv6", &["arm/v6"], Some(("arm", "v6"))),
    token("armv7", &["arm/v7"], Some(("arm", "v7"))),
    token("arm32v5", &["arm/v5"], Some(("arm", "v5"))),
    token("arm32v6", &["arm/v6"], Some(("arm", "v6"))),
    token("arm32v7", &["arm/v7"], Some(("arm", "v7"))),
    token("ppc64le", &["ppc64le"], Some(("ppc64le", ""))),
    token("s390x", &["s390x"], Some(("s390x", ""))),
    token("riscv64", &["riscv64"], Some(("riscv64", ""))),
];

impl Token {
    /// The token of a word of the configuration.
    pub(super) fn of(word: Word) -> &'static Self {
        Self::find(word.as_str()).expect("every word has a token, which a test holds to be so")
    }

    /// The token with this text.
    pub fn find(text: &str) -> Option<&'static Self> {
        TOKENS.iter().find(|token| token.text == text)
    }

    /// Whether a platform in normal form is one that this token may name.
    pub fn allows(&self, platform: &Platform) -> bool {
        self.set.iter().any(|member| match member.split_once('/') {
            Some((architecture, variant)) => {
                platform.architecture == architecture && platform.variant == variant
            }
            None => platform.architecture == *member,
        })
    }

    /// What fills a gap: architecture and variant. Never an operating system (rule P3).
    pub(super) fn hint(&self) -> Option<(&'static str, &'static str)> {
        self.hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(token: &str, architecture: &str, variant: &str) -> bool {
        Token::find(token).unwrap().allows(&Platform::new("linux", architecture, variant))
    }

    #[test]
    fn a_token_stands_for_its_set() {
        for variant in ["v5", "v6", "v7"] {
            assert!(allows("arm", "arm", variant));
        }
        assert!(allows("arm", "arm64", "v8"));
        assert!(!allows("arm", "amd64", ""));
        assert!(
            allows("armhf", "arm", "v6") && allows("armhf", "arm", "v7") && !allows("armhf", "arm", "v5")
        );
        assert!(
            allows("armel", "arm", "v5") && allows("armel", "arm", "v6") && !allows("armel", "arm", "v7")
        );
        assert!(allows("x86_64", "amd64", "v3") && !allows("x86_64", "386", ""));
        assert!(allows("aarch64", "arm64", "v8") && !allows("aarch64", "arm", "v8"));
    }

    #[test]
    fn the_configuration_knows_exactly_these_words() {
        let words: Vec<&str> = Word::all().map(Word::as_str).collect();
        assert_eq!(TOKENS.iter().map(|token| token.text).collect::<Vec<_>>(), words);
        for word in Word::all() {
            assert_eq!(word.is_single(), Token::of(word).hint().is_some(), "{word}");
        }
    }

    #[test]
    fn every_hint_lies_in_its_own_set() {
        for token in TOKENS {
            if let Some((architecture, variant)) = token.hint() {
                assert!(token.allows(&Platform::new("linux", architecture, variant)), "{}", token.text);
            }
        }
    }
}
