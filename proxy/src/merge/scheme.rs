//! The naming scheme: which tags could be members of which (rule section 9).

use onetag_oci::Tag;

use super::token::Token;

/// The most suffixes of a scheme; what is known of a repository's suffixes fits one machine word.
pub const MAX_SUFFIXES: usize = 32;

/// The scheme `{tag}` + `{tag}-<token>` for a list of tokens, in order of precedence (rule P10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    tokens: Vec<&'static Token>,
}

/// A tag that may hold a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The member's tag.
    pub tag: Tag,
    /// The token that ends it.
    pub token: &'static Token,
    /// The token's place in the scheme, below [`MAX_SUFFIXES`].
    pub suffix: usize,
}

/// A configured suffix that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("merge.suffixes: \"{0}\" names no platform; known are {known}", known = Token::texts().collect::<Vec<_>>().join(", "))]
pub struct UnknownToken(pub String);

impl Scheme {
    /// The scheme of these suffixes.
    ///
    /// # Panics
    /// When there are more than [`MAX_SUFFIXES`]; the configuration refuses that.
    pub fn new<'a>(suffixes: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownToken> {
        let find = |text: &'a str| Token::find(text).ok_or_else(|| UnknownToken(text.to_owned()));
        let tokens: Vec<_> = suffixes.into_iter().map(find).collect::<Result<_, _>>()?;
        assert!(tokens.len() <= MAX_SUFFIXES, "more than {MAX_SUFFIXES} suffixes");
        Ok(Self { tokens })
    }

    /// The tags that could hold members of `tag`, in order of precedence.
    ///
    /// There are none for a tag that is itself such a member, for the tags of signatures and other
    /// referrers (`sha256-...`, rule P11), and none that would be longer than a tag can be.
    pub fn candidates(&self, tag: &Tag) -> Vec<Candidate> {
        if self.is_member(tag) || tag.as_str().starts_with("sha256-") || tag.as_str().starts_with("sha512-") {
            return Vec::new();
        }
        let candidate = |(suffix, token): (usize, &&'static Token)| {
            let tag = format!("{tag}-{}", token.text).parse().ok()?;
            Some(Candidate { tag, token, suffix })
        };
        self.tokens.iter().enumerate().filter_map(candidate).collect()
    }

    /// The suffixes that end a tag, one bit for each by its place in the scheme.
    pub fn mask(&self, tag: &str) -> u32 {
        let ends = |token: &Token| tag.strip_suffix(token.text).is_some_and(|rest| rest.ends_with('-'));
        let bit = |(suffix, token): (usize, &&Token)| u32::from(ends(token)) << suffix;
        self.tokens.iter().enumerate().map(bit).sum()
    }

    /// Whether a tag is one architecture's by its name: it is a token, or ends in one behind `-`.
    fn is_member(&self, tag: &Tag) -> bool {
        self.tokens.iter().any(|token| {
            let rest = tag.as_str().strip_suffix(token.text);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(suffixes: &[&str], tag: &str) -> Vec<String> {
        let scheme = Scheme::new(suffixes.iter().copied()).unwrap();
        scheme.candidates(&tag.parse().unwrap()).iter().map(|found| found.tag.to_string()).collect()
    }

    #[test]
    fn a_tag_has_a_candidate_for_each_suffix_in_order() {
        assert_eq!(candidates(&["arm", "arm64"], "latest"), ["latest-arm", "latest-arm64"]);
    }

    #[test]
    fn a_members_own_tag_has_no_candidates() {
        for tag in ["latest-arm", "v1.2-arm64", "arm", "arm64"] {
            assert!(candidates(&["arm", "arm64"], tag).is_empty(), "{tag}");
        }
    }

    #[test]
    fn vector_43_words_that_merely_end_in_a_token_are_no_members() {
        for tag in ["latest-alarm", "charm-1", "alarm", "v1.arm"] {
            assert_eq!(candidates(&["arm"], tag), [format!("{tag}-arm")], "{tag}");
        }
    }

    #[test]
    fn vector_44_tags_of_referrers_have_no_candidates() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig")] {
            assert!(candidates(&["arm"], &tag).is_empty(), "{tag}");
        }
    }

    #[test]
    fn a_candidate_never_outgrows_a_tag() {
        assert!(candidates(&["arm64v8"], &"t".repeat(121)).is_empty());
        assert_eq!(candidates(&["arm64v8"], &"t".repeat(120)).len(), 1);
    }

    #[test]
    fn the_mask_has_a_bit_for_each_suffix_of_a_tag() {
        let scheme = Scheme::new(["arm", "x86_64"]).unwrap();
        for (tag, mask) in [("latest-arm", 0b01), ("v1-x86_64", 0b10), ("alarm", 0), ("arm", 0), ("", 0)] {
            assert_eq!(scheme.mask(tag), mask, "{tag}");
        }
    }

    #[test]
    fn an_unknown_suffix_is_refused_by_name() {
        let error = Scheme::new(["arm", "alpha"]).unwrap_err().to_string();
        assert!(error.contains("\"alpha\"") && error.contains("aarch64"), "{error}");
    }
}
