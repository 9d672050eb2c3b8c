//! A tag's record as it is kept on the disk: JSON, with times of the clock.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;
use onetag_oci::{Digest, Repository, Tag};
use serde::{Deserialize, Serialize};

use super::changes::Place;
use super::content::Content;
use super::manifests::Manifests;
use super::merged::MergedStore;
use super::tags::{Basis, Origin, Single, TagRecord, Tagged};
use crate::merge::Address;

/// The record. Its content is kept by digest, in tables of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The settings that it was made with: under others it means nothing.
    settings: u64,
    digest: Digest,
    origin: Origin,
    single: SavedSingle,
    members: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skew: Option<String>,
    images: usize,
    basis: SavedBasis,
    /// Seconds of the Unix epoch, as all times here.
    confirmed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    expired: bool,
    seen: Place,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SavedSingle {
    Manifest(Digest),
    Child(Digest),
    None,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedBasis {
    tags: Vec<SavedTag>,
    alone: bool,
    complete: bool,
    incomplete: bool,
    found: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedTag {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    tag: String,
    digest: Digest,
}

/// What is to be written of a record; none if it has no answer.
pub(super) fn write(record: &TagRecord, settings: u64) -> Option<Vec<u8>> {
    let tagged = record.tagged.as_ref()?;
    let saved = |(Address { repository, tag }, digest): &(Address, Digest)| SavedTag {
        repository: repository.as_ref().map(|name| name.as_str().to_owned()),
        tag: tag.as_str().to_owned(),
        digest: digest.clone(),
    };
    let saved = Saved {
        settings,
        digest: tagged.content.digest.clone(),
        origin: tagged.origin,
        single: match &tagged.single {
            Single::Manifest(content) => SavedSingle::Manifest(content.digest.clone()),
            Single::Child(digest) => SavedSingle::Child(digest.clone()),
            Single::None => SavedSingle::None,
        },
        members: text(&tagged.members),
        skew: tagged.skew.as_ref().map(text),
        images: tagged.images,
        basis: SavedBasis {
            tags: tagged.basis.tags.iter().map(saved).collect(),
            alone: tagged.basis.alone,
            complete: tagged.basis.complete,
            incomplete: tagged.basis.incomplete,
            found: clock(tagged.basis.found),
        },
        confirmed: clock(record.confirmed),
        held: record.held.map(clock),
        expired: record.expired,
        seen: record.seen,
    };
    serde_json::to_vec(&saved).ok()
}

/// Reads what was written with the same settings; none where that is not what it is.
pub(super) fn read(value: &[u8], settings: u64) -> Option<Saved> {
    serde_json::from_slice::<Saved>(value).ok().filter(|saved| saved.settings == settings)
}

impl Saved {
    /// The record; none when its content is not there any more.
    pub(super) async fn record(
        self,
        repository: &Repository,
        manifests: &Manifests,
        merged: &MergedStore,
    ) -> Option<TagRecord> {
        let manifest = async |digest: &Digest| -> Option<Arc<Content>> {
            match manifests.get(repository, digest) {
                Some(content) => Some(content),
                None => manifests.load(repository, digest).await,
            }
        };
        let content = match self.origin {
            Origin::Merged => merged.find(repository, &self.digest).await.ok().flatten()?,
            Origin::Passed => manifest(&self.digest).await?,
        };
        let single = match self.single {
            SavedSingle::Manifest(digest) if digest == content.digest => Single::Manifest(content.clone()),
            SavedSingle::Manifest(digest) => Single::Manifest(manifest(&digest).await?),
            SavedSingle::Child(digest) => Single::Child(digest),
            SavedSingle::None => Single::None,
        };
        let tagged = Tagged {
            content,
            single,
            origin: self.origin,
            members: HeaderValue::from_str(&self.members).ok()?,
            skew: self.skew.map(|word| HeaderValue::from_str(&word)).transpose().ok()?,
            images: self.images,
            basis: self.basis.read()?,
        };
        Some(TagRecord {
            tagged: Some(Arc::new(tagged)),
            withheld: None,
            confirmed: moment(self.confirmed)?,
            fresh_until: Instant::now(),
            stale: false,
            held: self.held.and_then(moment),
            expired: self.expired,
            seen: self.seen,
        })
    }
}

impl SavedBasis {
    fn read(&self) -> Option<Basis> {
        let tags: Option<Box<[_]>> = self.tags.iter().map(SavedTag::read).collect();
        let Self { alone, complete, incomplete, found, .. } = *self;
        Some(Basis { tags: tags?, alone, complete, incomplete, found: moment(found)? })
    }
}

impl SavedTag {
    fn read(&self) -> Option<(Address, Digest)> {
        let repository: Option<Repository> =
            self.repository.as_ref().map(|name| name.parse()).transpose().ok()?;
        let tag: Tag = self.tag.parse().ok()?;
        Some((Address { repository, tag }, self.digest.clone()))
    }
}

fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap_or_default().to_owned()
}

/// The time of the clock, in seconds, at a moment of this process.
fn clock(moment: Instant) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    now.saturating_sub(moment.elapsed()).as_secs()
}

/// The moment of this process at a time of the clock; one that lies ahead, because the clock was set back, is
/// now (threat T33). None where it was before the machine's own time began.
fn moment(clock: u64) -> Option<Instant> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Instant::now().checked_sub(now.saturating_sub(Duration::from_secs(clock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_and_a_clock_that_was_set_back_makes_nothing_immortal() {
        let then = Instant::now().checked_sub(Duration::from_secs(100)).unwrap();
        let again = moment(clock(then)).unwrap();
        let apart = again.max(then) - again.min(then);
        assert!(apart < Duration::from_secs(3), "{apart:?}");
        let ahead = moment(clock(Instant::now()) + 1_000_000).unwrap();
        assert!(ahead <= Instant::now());
    }

    #[test]
    fn what_is_no_record_or_of_other_settings_is_no_record() {
        for value in ["", "{}", "null", "[1]", r#"{"settings":1}"#] {
            assert!(read(value.as_bytes(), 1).is_none(), "{value}");
        }
    }
}
