//! The decisions: what a tag is, what a digest is, where a blob comes from.

mod blob;
mod blob_feed;
mod bring;
mod byte_range;
mod callers;
mod closure;
mod digest;
mod error;
mod explanation;
mod fill;
mod gather;
mod grants;
mod invalidate;
mod learn;
mod reader;
mod resolver;
mod revalidate;
mod tag;
mod tag_list;
mod times;
mod warm;

pub use crate::cache::Change;
pub use blob::{BlobReply, BlobRequest, ServedBlob};
pub use byte_range::ByteRange;
pub use error::ResolveError;
pub use explanation::{
    Answer, Cached, ExplainedEntry, ExplainedMember, Explanation, MemberState, Note, PlatformSource,
};
pub use resolver::Resolver;
pub use tag_list::{Page, TagPage};
pub use warm::Warmth;
