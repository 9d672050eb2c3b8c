//! The bytes of a merged index: deterministic, to the byte (rules T1, T3, T6, D1 to D3, L1, L3).

use bytes::Bytes;
use onetag_oci::{Descriptor, Digest, MAX_DOCUMENT_BYTES, MediaType};
use serde::Serialize;

use super::entry;
use super::finding::Finding;

/// The most entries of a merged index (rule L1).
const MAX_ENTRIES: usize = 256;

/// A merged index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedIndex {
    /// The index, exactly as it is served.
    pub bytes: Bytes,
    /// Its type, the same as the `mediaType` inside.
    pub media_type: MediaType,
    /// The digest of the bytes.
    pub digest: Digest,
    /// Its entries, in their order.
    pub entries: Vec<Descriptor>,
    /// For each entry the place of the member that it comes from.
    pub origins: Vec<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    schema_version: u8,
    media_type: &'a MediaType,
    manifests: &'a [Descriptor],
}

impl MergedIndex {
    /// Builds the index of these entries, each with the place of its member; their order on the way in does
    /// not matter.
    pub(super) fn build(mut entries: Vec<(Descriptor, usize)>) -> Result<Self, Finding> {
        if entries.len() > MAX_ENTRIES {
            return Err(Finding::TooLarge { entries: entries.len() });
        }
        entry::sort(&mut entries);
        let (entries, origins): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let media_type = media_type_of(&entries);
        let wire = Wire { schema_version: 2, media_type: &media_type, manifests: &entries };
        let bytes =
            Bytes::from(serde_json::to_vec(&wire).expect("string keys and plain values always serialise"));
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(Finding::TooLarge { entries: entries.len() });
        }
        let digest = Digest::sha256(&bytes);
        Ok(Self { bytes, media_type, digest, entries, origins })
    }
}

/// A Docker manifest list where nothing needs more than that, else an OCI index (rule T1).
fn media_type_of(entries: &[Descriptor]) -> MediaType {
    let plain = |entry: &Descriptor| entry.media_type.is_docker() && entry.annotations.is_empty();
    if entries.iter().all(plain) { MediaType::DockerList } else { MediaType::OciIndex }
}
