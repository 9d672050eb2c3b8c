//! The entries of an index: what kind each is, and the order in which they stand.

use std::cmp::Reverse;

use onetag_oci::{Descriptor, Digest, Platform};

const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
const ZSTD: &str = "io.github.containers.compression.zstd";

/// What an entry of an index is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image; its platform may be missing all the same.
    Image,
    /// An attestation of the image with this digest (rule I3).
    Attestation(Digest),
    /// Something that is no image: kept where the base has it, never taken from a member.
    Other,
    /// A reference of an unknown type, which a merge ignores (rule I3).
    Ignored,
}

/// What kind of entry this is.
pub(super) fn kind(descriptor: &Descriptor) -> Kind {
    match descriptor.annotation(REFERENCE_TYPE) {
        Some("attestation-manifest") => {
            let subject = descriptor.annotation(REFERENCE_DIGEST).and_then(|digest| digest.parse().ok());
            return subject.map_or(Kind::Ignored, Kind::Attestation);
        }
        Some(_) => return Kind::Ignored,
        None => {}
    }
    let unknown = descriptor.platform.as_ref().is_some_and(Platform::is_unknown);
    let image = descriptor.media_type.is_image_manifest() && descriptor.artifact_type.is_empty() && !unknown;
    if image { Kind::Image } else { Kind::Other }
}

/// Whether the entry's layers are zstd; such an entry may stand beside its gzip twin (rule T5).
pub(super) fn is_zstd(descriptor: &Descriptor) -> bool {
    descriptor.annotation(ZSTD) == Some("true")
}

/// Puts the entries into the order of rule D2, attestations behind all others in the order of their
/// subjects (rule I3).
pub(super) fn sort<T>(entries: &mut [(Descriptor, T)]) {
    entries.sort_by_cached_key(|(entry, _)| order(entry));
    let subjects: Vec<Digest> = entries.iter().map(|(entry, _)| entry.digest.clone()).collect();
    let place = |subject: &Digest| subjects.iter().position(|digest| digest == subject);
    entries.sort_by_cached_key(|(entry, _)| match kind(entry) {
        Kind::Attestation(subject) => (1, place(&subject)),
        _ => (0, None),
    });
}

type Order = (u8, u8, String, String, String, Reverse<Vec<u64>>, Vec<String>, bool, Digest);

fn order(entry: &Descriptor) -> Order {
    let platform = entry.platform.clone().unwrap_or_default();
    let class = match (kind(entry), &entry.platform) {
        (Kind::Attestation(_), _) => 3,
        (Kind::Image, Some(_)) => 0,
        _ if entry.media_type.is_image_manifest() => 1,
        _ => 2,
    };
    let family = match platform.os.as_str() {
        "linux" => 0,
        "windows" => 1,
        _ => 2,
    };
    let version = platform.os_version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    (
        class,
        family,
        platform.os,
        platform.architecture,
        platform.variant,
        Reverse(version),
        platform.os_features,
        is_zstd(entry),
        entry.digest.clone(),
    )
}
