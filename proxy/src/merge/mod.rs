//! What a merged index is: the rules of `docs/merge-rules.md`, pure.
//!
//! Nothing here waits, reads a clock or knows a network: the same members give the same bytes.

mod entry;
mod finding;
mod index;
mod platform;
mod scheme;
mod select;
mod token;

pub use finding::Finding;
pub use index::MergedIndex;
pub use platform::{Normal, normalise};
pub use scheme::{Candidate, MAX_SUFFIXES, Scheme, UnknownToken};
pub use select::{Member, Outcome, Policy, Selection, Verdict, has_several_platforms, is_image, select};
pub use token::Token;

#[cfg(test)]
mod tests;
