//! What a merged index is: the rules of `docs/merge-rules.md`, pure.
//!
//! Nothing here waits, reads a clock or knows a network: the same members give the same bytes.

mod claim;
mod entry;
mod finding;
mod index;
mod platform;
mod policy;
mod rules;
mod select;
mod skew;
mod token;

pub use claim::Claim;
pub use finding::Finding;
pub use index::MergedIndex;
pub use platform::{Normal, normalise};
pub use policy::Policy;
pub use rules::{Address, Candidate, Rule, Rules, is_referrer, required};
pub use select::{Member, Outcome, Selection, Verdict, Withheld, has_several_platforms, is_image, select};
pub use skew::{Build, Skew};
pub use token::Token;

#[cfg(test)]
mod tests;
