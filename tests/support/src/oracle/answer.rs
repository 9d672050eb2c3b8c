//! Which upstream bytes pass, or what is written (P10, I3 to I5, T1, T5, T6, D1 to D3, L1).

use serde_json::{Map, Value};

use super::content::{Content, Contents};
use super::entry::{Attestation, Entry, digest, media_type};
use super::flatten::{Offer, is_manifest, offer};
use super::json;
use crate::image::media_type as mt;

const MOST_ENTRIES: usize = 256;
const MOST_BYTES: usize = 4 << 20;

/// One tag of several that are taken together.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The word that its name has beyond the base's; `None` for the base itself.
    pub word: Option<&'a str>,
    /// What lies under it.
    pub content: &'a Content,
}

/// What a client that accepts everything must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 404: no member has anything to give.
    Absent,
    /// The bytes of one member as they are.
    Passes {
        /// Its place in the list of members.
        member: usize,
        /// The media type.
        media_type: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A new index.
    Merged {
        /// The media type.
        media_type: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl Answer {
    /// Media type and bytes, if there are any.
    pub fn body(&self) -> Option<(&str, &[u8])> {
        match self {
            Self::Absent => None,
            Self::Passes { media_type, bytes, .. } | Self::Merged { media_type, bytes } => {
                Some((media_type, bytes))
            }
        }
    }
}

/// The answer for these members, which stand in the order of their precedence: the base (if there is one)
/// first. A base that cannot be merged (an artifact, an index of no images or with one whose platform
/// cannot be told) and, by the known reading, one that is an index of several platforms pass as they
/// are.
pub fn answer(contents: &Contents, members: &[Member<'_>]) -> Answer {
    let offers: Vec<Option<Offer>> = members.iter().map(|member| offer(contents, member)).collect();
    let base = members.first().filter(|member| member.word.is_none()).map(|_| offers[0].as_ref());
    if base.is_some_and(|offer| offer.is_none_or(stands_for_itself)) {
        return passes(members, 0);
    }
    let mut extras = base.flatten().map(|offer| offer.extras.clone()).unwrap_or_default();
    extras.sort_by_key(|extra| (!is_manifest(media_type(extra)), digest(extra).to_owned()));
    let (mut kept, mut effective): (Vec<Entry>, Vec<usize>) = (Vec::new(), Vec::new());
    for (number, offer) in offers.iter().enumerate() {
        let before = kept.len();
        for entry in offer.iter().flat_map(|offer| &offer.entries) {
            if !kept.iter().any(|other| excludes(other, entry)) {
                kept.push(entry.clone());
            }
        }
        if kept.len() > before {
            effective.push(number);
        }
    }
    match effective[..] {
        [] => Answer::Absent,
        [only] => passes(members, only),
        _ => merged(kept, &extras, &offers)
            .unwrap_or_else(|| if base.is_some() { passes(members, 0) } else { Answer::Absent }),
    }
}

fn stands_for_itself(base: &Offer) -> bool {
    let Some(first) = base.entries.first() else { return true };
    base.vague || base.entries.iter().any(|entry| entry.platform != first.platform)
}

/// Whether there is no room for `entry` beside `other`, which has precedence (P10, T5).
fn excludes(other: &Entry, entry: &Entry) -> bool {
    let same = other.digest() == entry.digest() || other.is_zstd() == entry.is_zstd();
    other.platform == entry.platform && same
}

fn passes(members: &[Member<'_>], member: usize) -> Answer {
    let content = members[member].content;
    let (media_type, bytes) = (content.media_type().to_owned(), content.bytes().to_vec());
    Answer::Passes { member, media_type, bytes }
}

/// `None`: over the limits.
fn merged(mut kept: Vec<Entry>, extras: &[Map<String, Value>], offers: &[Option<Offer>]) -> Option<Answer> {
    kept.sort_by(Entry::order);
    let attestations = attestations_of(&kept, offers);
    let plain = kept.iter().map(|entry| &entry.descriptor).chain(extras).all(|descriptor| {
        let annotations = descriptor.get("annotations").and_then(Value::as_object);
        media_type(descriptor).starts_with("application/vnd.docker.") && annotations.is_none_or(Map::is_empty)
    });
    let media_type = if plain && attestations.is_empty() { mt::DOCKER_LIST } else { mt::OCI_INDEX };
    let bytes = json::index(media_type, &kept, extras, &attestations).into_bytes();
    let count = kept.len() + extras.len() + attestations.len();
    let fits = count <= MOST_ENTRIES && bytes.len() <= MOST_BYTES;
    fits.then(|| Answer::Merged { media_type: media_type.to_owned(), bytes })
}

/// Those whose subject is kept, in its order, each once.
fn attestations_of(kept: &[Entry], offers: &[Option<Offer>]) -> Vec<Attestation> {
    let mut found: Vec<(usize, Attestation)> = Vec::new();
    for attestation in offers.iter().flatten().flat_map(|offer| &offer.attestations) {
        let known = found.iter().any(|(_, other)| {
            digest(&other.descriptor) == digest(&attestation.descriptor)
                && other.subject == attestation.subject
        });
        let place = kept.iter().position(|entry| entry.digest() == attestation.subject);
        if let (Some(place), false) = (place, known) {
            found.push((place, attestation.clone()));
        }
    }
    found.sort_by_key(|(place, attestation)| (*place, digest(&attestation.descriptor).to_owned()));
    found.into_iter().map(|(_, attestation)| attestation).collect()
}
