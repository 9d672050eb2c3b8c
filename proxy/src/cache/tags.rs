//! Tags: pointers that move, each with the time until which it is believed; in memory, and in the data
//! directory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use moka::sync::Cache;
use onetag_oci::{Digest, Repository, Tag};

use super::content::Content;
use super::manifests::Manifests;
use super::merged::MergedStore;
use super::records::Records;
use super::saved;
use super::store::{Table, Write};
use crate::merge::Address;

/// How often a record that did not change is written again, so that the disk knows when it was confirmed.
const WRITTEN_EVERY: Duration = Duration::from_mins(5);

/// How many keys one look at the disk reads.
const PAGE: usize = 1_000;

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
}

/// Tag records, in memory bounded by bytes and by age.
pub struct Tags {
    memory: Cache<(Repository, Tag), Remembered>,
    records: Arc<Records>,
    /// What the settings are that the answers were made with, in few bytes.
    settings: u64,
}

#[derive(Clone)]
struct Remembered {
    record: TagRecord,
    /// When it was last written to the disk.
    written: Option<Instant>,
}

impl Tags {
    /// Room for `bytes`; a record that was not renewed for `keep` is dropped from memory. Records on the disk
    /// count only if they were made with the same `settings`.
    pub fn new(bytes: u64, keep: Duration, records: Arc<Records>, settings: u64) -> Self {
        let weigh = |key: &(Repository, Tag), kept: &Remembered| kept.record.weight(key);
        let memory = Cache::builder().max_capacity(bytes).time_to_live(keep).weigher(weigh).build();
        Self { memory, records, settings }
    }

    /// The record of a tag, fresh or not, if it is in memory.
    pub fn get(&self, key: &(Repository, Tag)) -> Option<TagRecord> {
        self.memory.get(key).map(|kept| kept.record)
    }

    /// The record of a tag from the data directory, with the content that it leads to; it is not fresh, and not
    /// in memory until it is recalled. What is damaged there is as good as absent.
    pub async fn load(
        &self,
        key: &(Repository, Tag),
        manifests: &Manifests,
        merged: &MergedStore,
    ) -> Option<TagRecord> {
        if !self.records.are_kept() {
            return None;
        }
        let value = self.records.get(Table::Tags, text(key)).await.ok().flatten()?;
        let saved = saved::read(&value, self.settings)?;
        saved.record(&key.0, manifests, merged).await
    }

    /// Keeps a record in memory that is in the data directory.
    pub fn recall(&self, key: (Repository, Tag), record: TagRecord) {
        self.memory.insert(key, Remembered { record, written: Some(Instant::now()) });
    }

    /// Keeps a record. What changed is written to the disk soon.
    pub fn put(&self, key: (Repository, Tag), record: TagRecord) {
        let before = self.memory.get(&key);
        let mut written = before.as_ref().and_then(|kept| kept.written);
        if self.records.are_kept() {
            let same = before.is_some_and(|kept| kept.record.is_as(&record));
            let recent = written.is_some_and(|at| at.elapsed() < WRITTEN_EVERY);
            if !(same && recent) {
                written = self.write(&key, &record, written);
            }
        }
        self.memory.insert(key, Remembered { record, written });
    }

    /// Has a record written; what does not exist is not kept: who floods with names must not fill the disk.
    fn write(&self, key: &(Repository, Tag), record: &TagRecord, before: Option<Instant>) -> Option<Instant> {
        let Some(value) = saved::write(record, self.settings) else {
            if before.is_some() {
                self.records.note(vec![Write::Remove(Table::Tags, text(key))]);
            }
            return None;
        };
        let mut writes = vec![Write::Put(Table::Tags, text(key), value.into())];
        writes.extend(record.contents(&key.0));
        self.records.note(writes);
        Some(Instant::now())
    }

    /// Forgets a record altogether.
    pub fn remove(&self, key: &(Repository, Tag)) {
        self.memory.invalidate(key);
        self.records.note(vec![Write::Remove(Table::Tags, text(key))]);
    }

    /// From now on no record with such a key is answered before the upstream was asked again; how many those
    /// are. `only` tells that all are of this repository. Takes a look at every record.
    pub async fn expire(
        &self,
        only: Option<&Repository>,
        concerns: impl Fn(&(Repository, Tag)) -> bool,
    ) -> usize {
        let concerned = self.memory.iter().filter(|(key, _)| concerns(key));
        let concerned: Vec<_> = concerned.collect();
        let mut expired = concerned.len();
        for (key, Remembered { record, .. }) in concerned {
            let record = TagRecord { expired: true, fresh_until: Instant::now(), ..record };
            self.memory.insert((*key).clone(), Remembered { record, written: None });
        }
        let mut removed = Vec::new();
        for key in self.keys_on_disk(only).await.into_iter().filter(concerns) {
            if !self.memory.contains_key(&key) {
                expired += 1;
                // The disk has the old one until it gets to it, or for good if it fails.
                let record = TagRecord::expired();
                self.memory.insert(key.clone(), Remembered { record, written: None });
            }
            // Memory has what can stand in; after a restart the upstream is to be asked.
            removed.push(Write::Remove(Table::Tags, text(&key)));
        }
        // Waited for: else the next pull may still find them.
        if !removed.is_empty()
            && let Err(error) = self.records.write(removed).await
        {
            tracing::warn!(%error, "tags that were pushed to stay in the data directory");
        }
        expired
    }

    async fn keys_on_disk(&self, only: Option<&Repository>) -> Vec<(Repository, Tag)> {
        if !self.records.are_kept() {
            return Vec::new();
        }
        self.records.flush().await;
        let prefix = only.map_or(String::new(), |repository| format!("{repository}:"));
        let read = self.records.read(move |store| {
            let (mut all, mut from) = (Vec::new(), prefix.clone());
            loop {
                let page = store.keys(Table::Tags, &from, PAGE)?;
                let Some(last) = page.last() else { return Ok(all) };
                // The first key after this one.
                from = format!("{last}\0");
                let more = page.len() == PAGE && last.starts_with(&prefix);
                let ours = page.iter().filter(|key| key.starts_with(&prefix));
                all.extend(ours.filter_map(|key| parse(key)));
                if !more {
                    return Ok(all);
                }
            }
        });
        read.await.unwrap_or_default()
    }

    /// The bytes that are held in memory.
    pub fn weight(&self) -> u64 {
        self.memory.weighted_size()
    }
}

fn text((repository, tag): &(Repository, Tag)) -> String {
    format!("{repository}:{tag}")
}

fn parse(key: &str) -> Option<(Repository, Tag)> {
    let (repository, tag) = key.split_once(':')?;
    Some((repository.parse().ok()?, tag.parse().ok()?))
}

impl TagRecord {
    /// Nothing is known but that the upstream has to be asked.
    fn expired() -> Self {
        let (confirmed, fresh_until) = (Instant::now(), Instant::now());
        let (tagged, withheld, held) = (None, None, None);
        Self { tagged, withheld, confirmed, fresh_until, stale: false, held, expired: true }
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
    fn contents(&self, repository: &Repository) -> Vec<Write> {
        let Some(tagged) = &self.tagged else { return Vec::new() };
        let touch = |table, digest: &Digest| Write::Touch(table, super::manifests::key(repository, digest));
        let table = if tagged.origin == Origin::Merged { Table::Merged } else { Table::Manifests };
        let single = match &tagged.single {
            Single::Manifest(content) if content.digest != tagged.content.digest => Some(&content.digest),
            Single::Child(digest) => Some(digest),
            _ => None,
        };
        let single = single.map(|digest| touch(Table::Manifests, digest));
        std::iter::once(touch(table, &tagged.content.digest)).chain(single).collect()
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
    fn is_as(&self, other: &Self) -> bool {
        self.content.digest == other.content.digest
            && self.basis.tags == other.basis.tags
            && self.basis.complete == other.basis.complete
            && self.members == other.members
    }
}
