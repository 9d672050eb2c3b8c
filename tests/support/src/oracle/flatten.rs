//! What one member has to give: its images by platform, and what speaks about them (P1, P11, I1 to I3).

use serde_json::{Map, Value};

use super::answer::Member;
use super::content::Contents;
use super::entry::{Attestation, Entry, annotation, digest, media_type};
use super::platform::Platform;
use crate::digest::sha256;
use crate::image::media_type as mt;

const DEEPEST: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    pub(super) entries: Vec<Entry>,
    pub(super) attestations: Vec<Attestation>,
    /// Entries that no one runs and that speak about no other; only a base's are kept (I4).
    pub(super) extras: Vec<Map<String, Value>>,
    /// Whether the platform of an image cannot be told: it can neither be written nor dropped from a base.
    pub(super) vague: bool,
}

/// `None`: the member is left out as a whole.
pub(super) fn offer(contents: &Contents, member: &Member<'_>) -> Option<Offer> {
    let bytes = member.content.bytes();
    let mut offer = Offer::default();
    if is_index(member.content.media_type()) {
        list(contents, member.word, &contents.manifest(&sha256(bytes))?, 1, &mut offer)?;
        return Some(offer);
    }
    let mut descriptor = Map::new();
    descriptor.insert("mediaType".into(), member.content.media_type().into());
    descriptor.insert("digest".into(), sha256(bytes).into());
    descriptor.insert("size".into(), bytes.len().into());
    let platform = platform_of_manifest(contents, member.word, &descriptor)?;
    if platform.is_in(member.word) {
        offer.entries.push(Entry { descriptor, platform });
    }
    Some(offer)
}

fn list(
    contents: &Contents,
    word: Option<&str>,
    index: &Value,
    depth: usize,
    offer: &mut Offer,
) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    for descriptor in index.get("manifests")?.as_array()? {
        let descriptor = descriptor.as_object()?.clone();
        if let Some(kind) = annotation(&descriptor, "vnd.docker.reference.type") {
            let subject = annotation(&descriptor, "vnd.docker.reference.digest").map(str::to_owned);
            if let ("attestation-manifest", Some(subject)) = (kind, subject) {
                offer.attestations.push(Attestation { descriptor, subject });
            }
        } else if is_index(media_type(&descriptor)) {
            list(contents, word, &contents.manifest(digest(&descriptor))?, depth + 1, offer)?;
        } else if !is_manifest(media_type(&descriptor)) || is_no_image(&descriptor) {
            offer.extras.push(descriptor);
        } else {
            let platform = match descriptor.get("platform") {
                None | Some(Value::Null) => platform_of_manifest(contents, word, &descriptor),
                Some(platform) => Platform::read(platform, word),
            };
            offer.vague |= platform.is_none();
            if let Some(platform) = platform.filter(|platform| platform.is_in(word)) {
                offer.entries.push(Entry { descriptor, platform });
            }
        }
    }
    Some(())
}

fn platform_of_manifest(
    contents: &Contents,
    word: Option<&str>,
    descriptor: &Map<String, Value>,
) -> Option<Platform> {
    if !is_manifest(media_type(descriptor)) {
        return None;
    }
    let manifest = contents.manifest(digest(descriptor))?;
    let is_artifact = manifest.get("artifactType").is_some_and(|kind| kind.as_str() != Some(""));
    let config = manifest.get("config")?.as_object()?;
    if is_artifact || ![mt::OCI_CONFIG, mt::DOCKER_CONFIG].contains(&media_type(config)) {
        return None;
    }
    let config: Value = serde_json::from_slice(contents.blob(digest(config))?).ok()?;
    Platform::read(&config, word)
}

/// Whether the descriptor itself says that it leads to no image.
fn is_no_image(descriptor: &Map<String, Value>) -> bool {
    let names = |field: &str| descriptor.get("platform").and_then(|platform| platform.get(field)?.as_str());
    descriptor.get("artifactType").is_some_and(|kind| kind.as_str() != Some(""))
        || (names("os"), names("architecture")) == (Some("unknown"), Some("unknown"))
}

fn is_index(media_type: &str) -> bool {
    [mt::OCI_INDEX, mt::DOCKER_LIST].contains(&media_type)
}

pub(super) fn is_manifest(media_type: &str) -> bool {
    [mt::OCI_MANIFEST, mt::DOCKER_MANIFEST].contains(&media_type)
}
