//! The decisions: what a tag is, what a digest is.

mod digest;
mod error;
mod explanation;
mod fill;
mod gather;
mod learn;
mod resolver;
mod tag;

pub use error::ResolveError;
pub use explanation::{Answer, ExplainedEntry, ExplainedMember, Explanation, MemberState, Note};
pub use resolver::Resolver;
