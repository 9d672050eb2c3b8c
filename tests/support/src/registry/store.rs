//! The content: repositories with their tags, manifests, blobs and open uploads.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::digest::{sha256, sha512};

#[derive(Default)]
pub(super) struct Store {
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: HashMap<String, Upload>,
    uploads_begun: u64,
}

/// Everything is kept under its sha256; see [`key_of`].
#[derive(Default)]
pub(super) struct Repository {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) manifests: BTreeMap<String, Manifest>,
    pub(super) blobs: BTreeMap<String, Bytes>,
}

#[derive(Clone)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
}

/// An upload under way.
pub(super) struct Upload {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
    /// Whether a chunk came that is shorter than the least length: it must be the last.
    pub(super) fell_short: bool,
}

impl Store {
    pub(super) fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.repositories.get(repository)?.blob(digest)
    }

    /// A blob of whatever repository has it.
    pub(super) fn blob_anywhere(&self, digest: &str) -> Option<Bytes> {
        self.repositories.values().find_map(|repository| repository.blob(digest))
    }

    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Option<Manifest> {
        let repository = self.repositories.get(repository)?;
        repository.manifests.get(&repository.resolve(reference)?).cloned()
    }

    /// Opens an upload and returns its id.
    pub(super) fn begin_upload(&mut self, repository: &str) -> String {
        self.uploads_begun += 1;
        let id = format!("00000000-0000-4000-8000-{:012x}", self.uploads_begun);
        let upload = Upload { repository: repository.to_owned(), bytes: Vec::new(), fell_short: false };
        self.uploads.insert(id.clone(), upload);
        id
    }
}

impl Repository {
    pub(super) fn put_blob(&mut self, bytes: Bytes) -> String {
        let digest = sha256(&bytes);
        self.blobs.insert(digest.clone(), bytes);
        digest
    }

    pub(super) fn put_manifest(&mut self, tag: Option<&str>, media_type: &str, bytes: Bytes) -> String {
        let digest = sha256(&bytes);
        if let Some(tag) = tag {
            self.tags.insert(tag.to_owned(), digest.clone());
        }
        self.manifests.insert(digest.clone(), Manifest { media_type: media_type.to_owned(), bytes });
        digest
    }

    pub(super) fn blob(&self, digest: &str) -> Option<Bytes> {
        self.blobs.get(&key_of(&self.blobs, digest, |bytes| bytes)?).cloned()
    }

    pub(super) fn delete_blob(&mut self, digest: &str) -> bool {
        key_of(&self.blobs, digest, |bytes| bytes).is_some_and(|key| self.blobs.remove(&key).is_some())
    }

    /// Deletes a manifest with every tag that names it.
    pub(super) fn delete_manifest(&mut self, digest: &str) -> bool {
        let Some(key) = self.resolve(digest) else { return false };
        self.tags.retain(|_, tagged| *tagged != key);
        self.manifests.remove(&key).is_some()
    }

    /// The key of the manifest that a tag or digest names.
    pub(super) fn resolve(&self, reference: &str) -> Option<String> {
        if reference.contains(':') {
            key_of(&self.manifests, reference, |manifest| &manifest.bytes)
        } else {
            self.tags.get(reference).cloned()
        }
    }

    /// The descriptors of all manifests whose `subject` is `digest`.
    pub(super) fn referrers(&self, digest: &str) -> Vec<Value> {
        self.manifests
            .iter()
            .filter_map(|(own, manifest)| {
                let document: Value = serde_json::from_slice(&manifest.bytes).ok()?;
                if document["subject"]["digest"] != digest {
                    return None;
                }
                let mut descriptor = json!({
                    "mediaType": manifest.media_type,
                    "digest": own,
                    "size": manifest.bytes.len(),
                });
                // The type of an image manifest that states none is its configuration's; an index has none.
                let artifact_type =
                    document.get("artifactType").or_else(|| document.get("config")?.get("mediaType"));
                let annotations = document.get("annotations");
                for (name, value) in [("artifactType", artifact_type), ("annotations", annotations)] {
                    if let Some(value) = value {
                        descriptor[name] = value.clone();
                    }
                }
                Some(descriptor)
            })
            .collect()
    }
}

/// The sha256 under which the content with `digest` is kept. A sha512 is looked for, which is slow but rare.
fn key_of<T>(map: &BTreeMap<String, T>, digest: &str, bytes: impl Fn(&T) -> &Bytes) -> Option<String> {
    if digest.starts_with("sha512:") {
        let found = map.iter().find(|(_, value)| sha512(bytes(value)) == digest);
        return found.map(|(key, _)| key.clone());
    }
    map.contains_key(digest).then(|| digest.to_owned())
}
