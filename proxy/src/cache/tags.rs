//! Tags: pointers that move, each with the time until which it is believed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use moka::sync::Cache;
use onetag_oci::{Digest, Repository, Tag};

use super::content::Content;

/// What a tag answers.
#[derive(Debug, Clone)]
pub struct Tagged {
    /// The answer for clients that take an index; for a single image, the answer for all.
    pub content: Arc<Content>,
    /// The answer for clients that take no index (rule T8).
    pub single: Single,
    /// Whose bytes the content is.
    pub origin: Origin,
    /// The members that the answer is made of, as they stand in a header.
    pub members: HeaderValue,
    /// How the members differ in their build, if they do (rule I7): a word for a header.
    pub skew: Option<&'static str>,
    /// How many images it has.
    pub images: usize,
}

/// Whose bytes an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An index that onetag made.
    Merged,
    /// The upstream's own bytes.
    Passed,
}

/// The one image for clients that take no index (rule T8).
#[derive(Debug, Clone)]
pub enum Single {
    /// The base's own manifest.
    Manifest(Arc<Content>),
    /// The linux/amd64 child of the index, to be had by its digest.
    Child(Digest),
    /// There is none.
    None,
}

/// A tag as it was last seen.
#[derive(Debug, Clone)]
pub struct TagRecord {
    /// The answer; none when the upstream has no such tag, or the rule withholds it.
    pub tagged: Option<Arc<Tagged>>,
    /// Why the rule withholds what there is.
    pub withheld: Option<Arc<str>>,
    /// When the upstream last said so.
    pub confirmed: Instant,
    /// Until when it is believed without asking.
    pub fresh_until: Instant,
    /// Whether it stands in for an answer that the upstream failed to give.
    pub stale: bool,
    /// Since when it stands in for an answer whose members do not belong together (rule I7).
    pub held: Option<Instant>,
}

/// Tag records, bounded by bytes and by age.
pub struct Tags(Cache<(Repository, Tag), TagRecord>);

impl Tags {
    /// Room for `bytes`; a record that was not renewed for `keep` is dropped.
    pub fn new(bytes: u64, keep: Duration) -> Self {
        let weigh = |_: &(Repository, Tag), record: &TagRecord| record.weight();
        Self(Cache::builder().max_capacity(bytes).time_to_live(keep).weigher(weigh).build())
    }

    /// The record of a tag, fresh or not.
    pub fn get(&self, key: &(Repository, Tag)) -> Option<TagRecord> {
        self.0.get(key)
    }

    /// Keeps a record.
    pub fn put(&self, key: (Repository, Tag), record: TagRecord) {
        self.0.insert(key, record);
    }

    /// The bytes that are held.
    pub fn weight(&self) -> u64 {
        self.0.weighted_size()
    }
}

impl TagRecord {
    /// Whether it may be served without asking the upstream.
    pub fn is_fresh(&self) -> bool {
        Instant::now() < self.fresh_until
    }

    /// What the answer is, for the header Onetag-Source.
    pub fn source(&self) -> &'static str {
        match self {
            Self { stale: true, .. } => "stale",
            Self { held: Some(_), .. } => "held",
            Self { tagged: Some(tagged), .. } if tagged.origin == Origin::Merged => "merged",
            Self { tagged: Some(_), .. } => "passed",
            Self { withheld: Some(_), .. } => "withheld",
            Self { .. } => "absent",
        }
    }

    fn weight(&self) -> u32 {
        const FIXED: u32 = 512;
        let tagged = self.tagged.as_ref().map_or(0, |tagged| {
            let members = u32::try_from(tagged.members.len()).unwrap_or(u32::MAX);
            let single = match &tagged.single {
                Single::Manifest(content) => content.weight(),
                Single::Child(_) | Single::None => 0,
            };
            tagged.content.weight().saturating_add(single).saturating_add(members)
        });
        tagged.saturating_add(FIXED)
    }
}
