//! What was pushed or deleted lately, so that what was asked of the upstream before does not outlive it (threat
//! T13): not in a renewal that is under way, not on the disk, and not across a restart.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use onetag_oci::{Digest, Repository, Tag};
use serde::{Deserialize, Serialize};

use super::records::{Failure, Records};
use super::store::{Store, StoreError, Table, Write};

/// How many changes are remembered; of what was asked before those, it is assumed that it changed.
const REMEMBERED: usize = 4_096;

/// What was pushed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// A tag was pushed or deleted.
    Tag(Repository, Tag),
    /// A manifest was deleted, and with it any tag that named it.
    Deleted(Repository, Digest),
    /// Anything in a repository.
    Repository(Repository),
}

impl Change {
    /// Where it was.
    pub fn repository(&self) -> &Repository {
        match self {
            Self::Tag(repository, _) | Self::Deleted(repository, _) | Self::Repository(repository) => {
                repository
            }
        }
    }
}

/// The place of a change in the order of all; of a later life of the data directory, it is larger.
pub type Place = u64;

/// The latest changes.
pub struct Changes {
    latest: RwLock<Latest>,
    records: Arc<Records>,
}

/// The changes that a store remembers.
#[derive(Default)]
pub struct Latest {
    /// That of the latest change.
    last: Place,
    /// That of the latest one that is not remembered.
    forgotten: Place,
    /// The latest first.
    changes: VecDeque<(Place, Change)>,
}

impl Latest {
    /// The changes that a store has, for the life with this number: each process that keeps anything there is one,
    /// and the changes that an earlier one could not keep must not be mixed up with those of this one.
    pub fn load(store: &dyn Store, life: u32) -> Result<Self, StoreError> {
        let mut latest = Self { last: u64::from(life) << 32, ..Self::default() };
        for key in store.keys(Table::Changes, "", REMEMBERED * 2)? {
            let value = match store.get(Table::Changes, &key) {
                Err(StoreError::Damaged(_)) => Vec::new(),
                value => value?.unwrap_or_default(),
            };
            let change = serde_json::from_slice::<Kept>(&value).ok().and_then(Kept::read);
            match key.parse().ok().zip(change) {
                Some((place, change)) => latest.changes.push_front((place, change)),
                // It may have been any.
                None => latest.forgotten = latest.last,
            }
        }
        if latest.changes.len() >= REMEMBERED {
            let oldest = latest.changes.back().map_or(0, |(place, _)| place - 1);
            latest.forgotten = latest.forgotten.max(oldest);
        }
        latest.forget();
        Ok(latest)
    }

    /// Drops what is too much; the places of those.
    fn forget(&mut self) -> Vec<Place> {
        let mut dropped = Vec::new();
        while self.changes.len() > REMEMBERED {
            let place = self.changes.pop_back().map_or(0, |(place, _)| place);
            self.forgotten = self.forgotten.max(place);
            dropped.push(place);
        }
        dropped
    }
}

impl Changes {
    /// Goes on from the changes that are remembered.
    pub fn new(latest: Latest, records: Arc<Records>) -> Self {
        Self { latest: RwLock::new(latest), records }
    }

    /// The place of the latest change. What is asked of the upstream from now on is newer than that one.
    pub fn now(&self) -> Place {
        self.latest.read().unwrap_or_else(PoisonError::into_inner).last
    }

    /// Notes changes; what has to be written so that a restart knows of them.
    pub fn note(&self, changes: &[Change]) -> Vec<Write> {
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        let mut writes = Vec::with_capacity(changes.len());
        for change in changes {
            latest.last += 1;
            let place = latest.last;
            latest.changes.push_front((place, change.clone()));
            if let Ok(value) = serde_json::to_vec(&Kept::of(change)) {
                writes.push(Write::Put(Table::Changes, key(place), Bytes::from(value)));
            }
        }
        let dropped = latest.forget();
        writes.extend(dropped.into_iter().map(|place| Write::Remove(Table::Changes, key(place))));
        writes
    }

    /// Waits until a restart knows of changes.
    pub async fn keep_noted(&self, writes: Vec<Write>) -> Result<(), Failure> {
        self.records.write(writes).await
    }

    /// Keeps what was asked of the upstream when the latest change was the one at `since`: `keep` is told whether a
    /// later one `concerns` it; of those that are forgotten, it is assumed. No change is noted meanwhile, so whoever
    /// looks through the caches after noting one finds what was kept before.
    pub fn keep<T>(
        &self,
        since: Place,
        concerns: impl Fn(&Change) -> bool,
        keep: impl FnOnce(bool) -> T,
    ) -> T {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        let mut later = latest.changes.iter().take_while(|(place, _)| *place > since);
        keep(since < latest.forgotten || later.any(|(_, change)| concerns(change)))
    }
}

/// Its key, so that the order of keys is that of the changes.
fn key(place: Place) -> String {
    format!("{place:020}")
}

/// A change as it is on the disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    repository: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<Digest>,
}

impl Kept {
    fn of(change: &Change) -> Self {
        let repository = change.repository().as_str().to_owned();
        let (tag, deleted) = match change {
            Change::Tag(_, tag) => (Some(tag.as_str().to_owned()), None),
            Change::Deleted(_, digest) => (None, Some(digest.clone())),
            Change::Repository(_) => (None, None),
        };
        Self { repository, tag, deleted }
    }

    fn read(self) -> Option<Change> {
        let repository = self.repository.parse().ok()?;
        Some(match (self.tag, self.deleted) {
            (Some(tag), _) => Change::Tag(repository, tag.parse().ok()?),
            (None, Some(digest)) => Change::Deleted(repository, digest),
            (None, None) => Change::Repository(repository),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::DiskStore;
    use crate::telemetry::Metrics;

    fn tag(repository: &str, tag: &str) -> Change {
        Change::Tag(repository.parse().unwrap(), tag.parse().unwrap())
    }

    fn in_memory() -> Changes {
        let records = Records::new(None, &Arc::new(Metrics::new().unwrap()));
        Changes::new(Latest::default(), Arc::new(records))
    }

    #[test]
    fn what_was_asked_before_a_change_is_kept_as_late() {
        let (changes, change) = (in_memory(), tag("team/app", "latest"));
        let is_late = |since| changes.keep(since, |noted| *noted == change, |late| late);
        let before = changes.now();
        assert!(!is_late(before));
        changes.note(&[tag("team/app", "v1"), change.clone()]);
        assert!(is_late(before) && is_late(before + 1) && !is_late(changes.now()));
        changes.note(&[tag("team/app", "v2")]);
        assert!(is_late(before) && !is_late(before + 2));
    }

    #[test]
    fn of_changes_that_are_forgotten_it_is_assumed_that_they_concern() {
        let changes = in_memory();
        let before = changes.now();
        changes.note(&vec![tag("team/app", "v1"); REMEMBERED]);
        assert!(!changes.keep(before, |_| false, |late| late));
        changes.note(&[tag("team/app", "v1")]);
        assert!(changes.keep(before, |_| false, |late| late));
        assert!(!changes.keep(before + 1, |_| false, |late| late));
    }

    #[tokio::test]
    async fn a_later_life_knows_of_the_changes_of_an_earlier_one_and_comes_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Store> = Arc::new(DiskStore::open(directory.path()).unwrap());
        let records = Records::new(Some((Arc::clone(&disk), Vec::new())), &Arc::new(Metrics::new().unwrap()));
        let records = Arc::new(records);
        let all = [
            tag("team/app", "latest"),
            Change::Deleted("team/app".parse().unwrap(), Digest::sha256(b"")),
            Change::Repository("other".parse().unwrap()),
        ];
        let first = Changes::new(Latest::load(&*disk, 1).unwrap(), Arc::clone(&records));
        let before = first.now();
        first.keep_noted(first.note(&all)).await.unwrap();
        // One that the disk did not get.
        first.note(&[tag("team/app", "lost")]);
        let asked_then = first.now();
        let second = Changes::new(Latest::load(&*disk, 2).unwrap(), records);
        for change in &all {
            assert!(second.keep(before, |noted| noted == change, |late| late), "{change:?}");
        }
        assert!(!second.keep(asked_then, |_| true, |late| late));
        second.note(&[tag("team/app", "new")]);
        assert!(second.keep(asked_then, |_| true, |late| late));
    }

    #[tokio::test]
    async fn no_more_is_kept_than_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Store> = Arc::new(DiskStore::open(directory.path()).unwrap());
        let records = Records::new(Some((Arc::clone(&disk), Vec::new())), &Arc::new(Metrics::new().unwrap()));
        let changes = Changes::new(Latest::load(&*disk, 1).unwrap(), Arc::new(records));
        let before = changes.now();
        for _ in 0..3 {
            let many = vec![tag("team/app", "v1"); REMEMBERED / 2 + 1];
            changes.keep_noted(changes.note(&many)).await.unwrap();
        }
        assert_eq!(disk.keys(Table::Changes, "", REMEMBERED * 2).unwrap().len(), REMEMBERED);
        let again = Changes::new(Latest::load(&*disk, 2).unwrap(), Arc::clone(&changes.records));
        assert!(again.keep(before, |_| false, |late| late));
        assert!(!again.keep(changes.now(), |_| true, |late| late));
    }
}
