//! What there is to say about a member besides that it was used.

use std::fmt;

use onetag_oci::{Digest, MediaType, Platform};

use super::rules::Address;

/// Why a member, or one entry of it, was left out or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The member is an artifact, not an image (rule P11).
    Artifact,
    /// The member is a schema 1 manifest (rule T4).
    Schema1,
    /// The member's media type is unknown.
    UnknownType(MediaType),
    /// The member is an index without a single image, such as a build cache (rule P11).
    NoImages,
    /// The image's config is there and verified, but cannot be read.
    BadConfig(String),
    /// The upstream lists the blob or manifest but does not have it.
    Missing(Digest),
    /// What an index lists is of another type than it says (threat T16).
    Mistyped {
        /// What it lists.
        digest: Digest,
        /// The type that it says.
        listed: MediaType,
        /// The type that it has.
        found: MediaType,
    },
    /// Indexes nested deeper than the limit, or in a circle (rule I1).
    TooDeep,
    /// More requests or entries than one merge may take (threats T18, T19).
    TooMuch,
    /// os or architecture are missing and nothing fills the gap (rule P3).
    NoPlatform(Digest),
    /// The platform is not one that the tag's name may stand for (rule P8).
    OutsideToken {
        /// What the image says it is.
        platform: Box<Platform>,
        /// What the tag's name says.
        claim: String,
    },
    /// The rule's word was taken instead of the image's own (rule P8, `platform_source`).
    Overruled {
        /// What the image says it is.
        platform: Box<Platform>,
        /// What the rule says.
        by: String,
    },
    /// Another member already gives this platform, with other content (rule P10).
    Shadowed {
        /// The platform that both have.
        platform: Box<Platform>,
        /// The member that was preferred.
        by: Address,
    },
    /// Another member already gives exactly this image (rule P10).
    Same {
        /// That member.
        other: Address,
    },
    /// A variant that its architecture does not have was dropped (rule P6).
    VariantDropped {
        /// The platform without the variant.
        platform: Box<Platform>,
        /// The variant.
        variant: String,
    },
    /// arm without a variant is taken for this one (rule P9).
    VariantAssumed(Box<Platform>),
    /// The merged index would be too large (rule L1).
    TooLarge {
        /// Its entries.
        entries: usize,
    },
}

impl Finding {
    /// Whether a person should look at it; the same image under two tags, for one, is nothing to mend.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::Same { .. } | Self::Overruled { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact => f.write_str("it is an artifact, not an image"),
            Self::Schema1 => f.write_str("it is a Docker schema 1 manifest, which cannot be merged"),
            Self::UnknownType(media_type) => write!(f, "its type {media_type} is unknown"),
            Self::NoImages => f.write_str("it is an index without images, such as a build cache"),
            Self::BadConfig(error) => write!(f, "its image config cannot be read: {error}"),
            Self::Missing(digest) => write!(f, "the upstream lists {digest} but does not have it"),
            Self::Mistyped { digest, listed, found } => {
                write!(f, "it lists {digest} as {listed}, which is {found}")
            }
            Self::TooDeep => f.write_str("its indexes are nested too deeply or in a circle"),
            Self::TooMuch => f.write_str("it would take too many requests or entries to merge"),
            Self::NoPlatform(digest) => {
                write!(f, "{digest} does not say its os or architecture, and its tag does not fill the gap")
            }
            Self::OutsideToken { platform, claim } => {
                write!(f, "its image is {platform}, which \"{claim}\" does not stand for")
            }
            Self::Overruled { platform, by } => {
                write!(f, "its image says {platform}; the rule says \"{by}\" and is believed")
            }
            Self::Shadowed { platform, by } => write!(f, "{by} already gives another image for {platform}"),
            Self::Same { other } => write!(f, "{other} gives the same image"),
            Self::VariantDropped { platform, variant } => {
                write!(f, "variant {variant:?} makes no sense and was dropped, leaving {platform}")
            }
            Self::VariantAssumed(platform) => write!(f, "it does not say its variant; {platform} is assumed"),
            Self::TooLarge { entries } => {
                write!(f, "the merged index of {entries} entries would be over the limit")
            }
        }
    }
}
