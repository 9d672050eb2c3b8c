//! The decisions: what a tag is, what a digest is.

mod closure;
mod digest;
mod error;
mod explanation;
mod fill;
mod gather;
mod invalidate;
mod learn;
mod reader;
mod resolver;
mod revalidate;
mod tag;
mod times;

pub use error::ResolveError;
pub use explanation::{
    Answer, Cached, ExplainedEntry, ExplainedMember, Explanation, MemberState, Note, PlatformSource,
};
pub use invalidate::Change;
pub use resolver::Resolver;
