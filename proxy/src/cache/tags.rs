//! Tags: pointers that move, each with the time until which it is believed; in memory, and in the data
//! directory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use moka::Entry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use onetag_oci::{Digest, Repository, Tag};

use super::changes::Place;
use super::content::Content;
use super::manifests::{Manifests, key, with_type};
use super::merged::MergedStore;
use super::records::Records;
use super::saved;
use super::store::{Table, Write};
use crate::merge::Address;

/// How often a record that did not change is written again, so that the disk knows when it was confirmed.
const WRITTEN_EVERY: Duration = Duration::from_mins(5);

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
    /// How the members differ in their build, if they do (rule I7), as it stands in a header.
    pub skew: Option<HeaderValue>,
    /// How many images it has.
    pub images: usize,
    /// What the upstream said when the answer was made.
    pub basis: Basis,
}

/// The tags of the upstream that an answer was made of: while they stay, so does the answer.
#[derive(Debug, Clone)]
pub struct Basis {
    /// Those that were there, each with its digest; the base first, if it was there.
    pub tags: Box<[(Address, Digest)]>,
    /// Whether the base stands for itself, so that no other tag matters.
    pub alone: bool,
    /// Whether every tag was there that the repository's tags are known to have: nothing is missing that
    /// may still come.
    pub complete: bool,
    /// Whether the upstream lacked content that it lists itself.
    pub incomplete: bool,
    /// When this was found out.
    pub found: Instant,
}

/// Whose bytes an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// Whether something was pushed since: the upstream has to be asked before this is answered again.
    pub expired: bool,
    /// The latest change that was known when the upstream was asked.
    pub seen: Place,
}

impl TagRecord {
    /// The other repositories that the answer is made of.
    pub fn sources(&self) -> impl Iterator<Item = &Repository> {
        let tags = self.tagged.iter().flat_map(|tagged| &tagged.basis.tags);
        tags.filter_map(|(address, _)| address.repository.as_ref())
    }
}

/// Tag records, in memory bounded by bytes and by age.
pub struct Tags {
    memory: Cache<(Repository, Tag), Remembered>,
    records: Arc<Records>,
}

#[derive(Clone)]
struct Remembered {
    record: TagRecord,
    written: Option<Written>,
}

/// That a record was given to the disk.
#[derive(Clone, Copy)]
struct Written {
    at: Instant,
    /// How many notes had been lost by then; if there are more, it may be among them.
    losses: u64,
}

impl Tags {
    /// Room for `bytes`; a record that was not renewed for `keep` is dropped from memory.
    pub fn new(bytes: u64, keep: Duration, records: Arc<Records>) -> Self {
        let weigh = |key: &(Repository, Tag), kept: &Remembered| kept.record.weight(key);
        // Not by frequency: what was recalled or answered just now must be found.
        let memory = Cache::builder().max_capacity(bytes).time_to_live(keep).weigher(weigh);
        let memory = memory.eviction_policy(EvictionPolicy::lru()).build();
        Self { memory, records }
    }

    /// The record of a tag, fresh or not, if it is in memory.
    pub fn get(&self, key: &(Repository, Tag)) -> Option<TagRecord> {
        self.memory.get(key).map(|kept| kept.record)
    }

    /// The record of a tag from the data directory, with the content that it leads to; it is not fresh, and not
    /// in memory until it is recalled. It counts only if it was made with the same `settings`. What is damaged there is
    /// as good as absent.
    pub async fn load(
        &self,
        key: &(Repository, Tag),
        settings: u64,
        manifests: &Manifests,
        merged: &MergedStore,
    ) -> Option<TagRecord> {
        if !self.records.are_kept() {
            return None;
        }
        let value = self.records.get(Table::Tags, text(key)).await.ok().flatten()?;
        let saved = saved::read(&value, settings)?;
        saved.record(&key.0, manifests, merged).await
    }

    /// Keeps a record in memory that is in the data directory, unless there is a newer one; the one that counts.
    pub fn recall(&self, key: &(Repository, Tag), record: TagRecord) -> TagRecord {
        let written = Some(Written { at: Instant::now(), losses: self.records.losses() });
        let touch = Write::Touch(Table::Tags, text(key));
        self.records.note(std::iter::once(touch).chain(record.touches(&key.0)).collect());
        self.memory.entry_by_ref(key).or_insert(Remembered { record, written }).into_value().record
    }

    /// Keeps a record that was made with these `settings`. What changed is written to the disk soon.
    pub fn put(&self, key: (Repository, Tag), record: TagRecord, settings: u64) {
        let before = self.memory.get(&key);
        let mut written = before.as_ref().and_then(|kept| kept.written);
        if self.records.are_kept() {
            let same = before.is_some_and(|kept| kept.record.is_as(&record));
            let kept = written.is_some_and(|written| written.losses == self.records.losses());
            let recent = written.is_some_and(|written| written.at.elapsed() < WRITTEN_EVERY);
            if !(same && kept && recent) {
                let value = saved::write(&record, settings);
                written = self.write(&key, &record, value, written.is_some(), same && kept);
            }
        }
        self.memory.insert(key, Remembered { record, written });
    }

    /// Has a record written, in one transaction with the content that it leads to, unless that `is_kept`. What does
    /// not exist is not kept: who floods with names must not fill the disk.
    fn write(
        &self,
        key: &(Repository, Tag),
        record: &TagRecord,
        value: Option<Vec<u8>>,
        was_written: bool,
        is_kept: bool,
    ) -> Option<Written> {
        let Some(value) = value else {
            if was_written {
                self.records.note(vec![Write::Remove(Table::Tags, text(key))]);
            }
            return None;
        };
        let written = Written { at: Instant::now(), losses: self.records.losses() };
        let mut writes = if is_kept { record.touches(&key.0) } else { record.contents(&key.0) };
        writes.push(Write::Put(Table::Tags, text(key), value.into()));
        self.records.note(writes);
        Some(written)
    }

    /// Forgets a record altogether.
    pub fn remove(&self, key: &(Repository, Tag)) {
        // One that is just being recalled must not come in its place.
        let remembered = Remembered { record: TagRecord::unknown(), written: None };
        self.memory.insert(key.clone(), remembered);
        self.records.note(vec![Write::Remove(Table::Tags, text(key))]);
    }

    /// From now on no record in memory that is concerned is answered before the upstream was asked again; how many
    /// those are. Takes a look at every record.
    pub fn expire(&self, concerns: impl Fn(&(Repository, Tag), &TagRecord) -> bool) -> usize {
        let mut expired = 0;
        for (key, kept) in &self.memory {
            if !concerns(&key, &kept.record) {
                continue;
            }
            expired += 1;
            let expire = |entry: Option<Entry<(Repository, Tag), Remembered>>| match entry {
                None => Op::Nop,
                Some(entry) => {
                    let Remembered { record, written } = entry.into_value();
                    let record = TagRecord { expired: true, fresh_until: Instant::now(), ..record };
                    Op::Put(Remembered { record, written })
                }
            };
            self.memory.entry_by_ref(&*key).and_compute_with(expire);
        }
        expired
    }

    /// The bytes that are held in memory.
    pub fn weight(&self) -> u64 {
        self.memory.weighted_size()
    }
}

fn text((repository, tag): &(Repository, Tag)) -> String {
    format!("{repository}:{tag}")
}

impl TagRecord {
    /// Nothing is known but that the upstream has to be asked.
    fn unknown() -> Self {
        let (confirmed, fresh_until) = (Instant::now(), Instant::now());
        let (tagged, withheld, held) = (None, None, None);
        Self { tagged, withheld, confirmed, fresh_until, stale: false, held, expired: true, seen: 0 }
    }

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

    /// Whether it answers the same as another one, but for the times.
    fn is_as(&self, other: &Self) -> bool {
        let same = match (&self.tagged, &other.tagged) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other) || own.is_as(other),
            (None, None) => true,
            _ => false,
        };
        same && self.held == other.held && self.expired == other.expired
    }

    /// Notes of use for the content that the record leads to.
    fn touches(&self, repository: &Repository) -> Vec<Write> {
        let touch = |(table, digest): (Table, &Digest)| Write::Touch(table, key(repository, digest));
        let Some(tagged) = &self.tagged else { return Vec::new() };
        let child = match &tagged.single {
            Single::Child(digest) => Some((Table::Manifests, digest)),
            Single::Manifest(_) | Single::None => None,
        };
        let contents = tagged.contents().map(|(table, content)| (table, &content.digest));
        contents.chain(child).map(touch).collect()
    }

    /// The content that the record leads to, to be kept.
    fn contents(&self, repository: &Repository) -> Vec<Write> {
        let put = |(table, content): (Table, &Arc<Content>)| {
            let bytes = if table == Table::Merged { content.bytes.clone() } else { with_type(content) };
            Write::Put(table, key(repository, &content.digest), bytes)
        };
        self.tagged.iter().flat_map(|tagged| tagged.contents()).map(put).collect()
    }

    fn weight(&self, (repository, tag): &(Repository, Tag)) -> u32 {
        /// The record, its key, and what the cache needs for an entry.
        const FIXED: usize = 512;
        const ADDRESS: usize = 112;
        let tagged = self.tagged.as_ref().map_or(0, |tagged| {
            let single = match &tagged.single {
                Single::Manifest(content) if content.digest != tagged.content.digest => content.weight(),
                _ => 0,
            };
            let basis = tagged.basis.tags.iter().map(|(address, _)| ADDRESS + address.tag.as_str().len());
            let own = tagged.members.len() + basis.sum::<usize>();
            tagged
                .content
                .weight()
                .saturating_add(single)
                .saturating_add(u32::try_from(own).unwrap_or(u32::MAX))
        });
        let names = 2 * (repository.as_str().len() + tag.as_str().len());
        tagged.saturating_add(u32::try_from(FIXED + names).unwrap_or(u32::MAX))
    }
}

impl Tagged {
    /// The content that it answers, with the tables that it is in.
    fn contents(&self) -> impl Iterator<Item = (Table, &Arc<Content>)> {
        let table = if self.origin == Origin::Merged { Table::Merged } else { Table::Manifests };
        let single = match &self.single {
            Single::Manifest(content) if content.digest != self.content.digest => Some(content),
            _ => None,
        };
        let single = single.map(|content| (Table::Manifests, content));
        std::iter::once((table, &self.content)).chain(single)
    }

    fn is_as(&self, other: &Self) -> bool {
        self.content.digest == other.content.digest
            && self.basis.tags == other.basis.tags
            && self.basis.complete == other.basis.complete
            && self.members == other.members
    }
}
