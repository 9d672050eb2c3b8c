//! What a member's name claims about its platform (rules P3, P7 to P9).

use onetag_oci::Platform;

use super::token::Token;

/// What a member's name, or the rule that found it, says about the platform of its image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the base, or a pattern without an architecture.
    #[default]
    Nothing,
    /// A word that stands for a set of platforms (rule P7).
    Word(&'static Token),
    /// Exactly this platform, in normal form.
    Platform(Box<Platform>),
}

impl Claim {
    /// Whether a platform in normal form is one that the name may stand for (rule P8).
    pub fn allows(&self, platform: &Platform) -> bool {
        match self {
            Self::Nothing => true,
            Self::Word(token) => token.allows(platform),
            Self::Platform(claimed) => {
                let of = |platform: &Platform| {
                    (platform.os.clone(), platform.architecture.clone(), platform.variant.clone())
                };
                of(claimed) == of(platform)
            }
        }
    }

    /// What is claimed, as a person reads it.
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Word(token) => token.text.to_owned(),
            Self::Platform(platform) => platform.to_string(),
        }
    }

    /// What fills a gap: architecture and variant (rules P3, P9).
    pub(super) fn hint(&self) -> Option<(&str, &str)> {
        match self {
            Self::Nothing => None,
            Self::Word(token) => token.hint(),
            Self::Platform(platform) => Some((&platform.architecture, &platform.variant)),
        }
    }

    /// The operating system that fills a gap; a word never says one (rule P3).
    pub(super) fn os(&self) -> &str {
        match self {
            Self::Platform(platform) => &platform.os,
            Self::Nothing | Self::Word(_) => "",
        }
    }

    /// The platform with what is claimed in the place of what the image says (rule P8, `platform_source`).
    pub(super) fn overrule(&self, found: &Platform) -> Platform {
        let mut platform = found.clone();
        if let Some((architecture, variant)) = self.hint() {
            architecture.clone_into(&mut platform.architecture);
            variant.clone_into(&mut platform.variant);
        }
        if !self.os().is_empty() {
            self.os().clone_into(&mut platform.os);
        }
        platform
    }
}
