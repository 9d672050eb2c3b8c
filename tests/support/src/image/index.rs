//! Image indexes and Docker manifest lists.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::artifact::attestation_of;
use super::fixture::Image;
use super::media_type as mt;
use crate::digest::sha256;

/// An index with everything that it leads to.
#[derive(Clone, Debug)]
pub struct Index {
    /// The media type of the index.
    pub media_type: String,
    /// The exact bytes of the index.
    pub manifest: Vec<u8>,
    /// The images (and attestations) it lists.
    pub images: Vec<Image>,
    /// The indexes it lists.
    pub indexes: Vec<Self>,
    /// Blobs that it lists directly, as a build cache does.
    pub blobs: Vec<Vec<u8>>,
}

/// See [`Index::oci`].
#[derive(Clone, Debug)]
#[must_use]
pub struct IndexBuilder {
    media_type: &'static str,
    entries: Vec<Value>,
    annotations: BTreeMap<String, String>,
    images: Vec<Image>,
    indexes: Vec<Index>,
    blobs: Vec<Vec<u8>>,
}

impl Index {
    /// Starts an OCI image index.
    pub fn oci() -> IndexBuilder {
        IndexBuilder::new(mt::OCI_INDEX)
    }

    /// Starts a Docker manifest list.
    pub fn docker_list() -> IndexBuilder {
        IndexBuilder::new(mt::DOCKER_LIST)
    }

    /// The digest of the index.
    pub fn digest(&self) -> String {
        sha256(&self.manifest)
    }

    /// `mediaType`, `digest` and `size` of the index.
    pub fn descriptor_json(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest(), "size": self.manifest.len() })
    }
}

impl IndexBuilder {
    fn new(media_type: &'static str) -> Self {
        Self {
            media_type,
            entries: Vec::new(),
            annotations: BTreeMap::new(),
            images: Vec::new(),
            indexes: Vec::new(),
            blobs: Vec::new(),
        }
    }

    /// Lists the image under the platform of its configuration.
    pub fn image(self, image: &Image) -> Self {
        self.image_as(image, image.platform.clone())
    }

    /// Lists the image under another platform, or under none.
    pub fn image_as(mut self, image: &Image, platform: Option<Value>) -> Self {
        let mut entry = image.descriptor_json();
        if let Some(platform) = platform {
            entry["platform"] = platform;
        }
        self.images.push(image.clone());
        self.descriptor(entry)
    }

    /// Lists a `BuildKit` attestation about the image, which need not be listed itself.
    pub fn attestation_for(mut self, image: &Image) -> Self {
        let attestation = attestation_of(image);
        let mut entry = attestation.descriptor_json();
        entry["annotations"] = json!({
            "vnd.docker.reference.digest": image.digest(),
            "vnd.docker.reference.type": "attestation-manifest",
        });
        entry["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
        self.images.push(attestation);
        self.descriptor(entry)
    }

    /// Lists another index.
    pub fn nested(mut self, index: &Index) -> Self {
        self.indexes.push(index.clone());
        self.descriptor(index.descriptor_json())
    }

    /// Lists a descriptor as it stands; what it names is pushed by nobody.
    pub fn descriptor(mut self, descriptor: Value) -> Self {
        self.entries.push(descriptor);
        self
    }

    /// Lists a blob, as a build cache does.
    pub fn blob(mut self, media_type: &str, bytes: &[u8]) -> Self {
        self.blobs.push(bytes.to_vec());
        self.descriptor(super::builder::descriptor(media_type, bytes))
    }

    /// Adds an annotation to the index.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The finished index.
    pub fn build(self) -> Index {
        let mut index =
            json!({ "schemaVersion": 2, "mediaType": self.media_type, "manifests": self.entries });
        if !self.annotations.is_empty() {
            index["annotations"] = json!(self.annotations);
        }
        Index {
            media_type: self.media_type.to_owned(),
            manifest: index.to_string().into_bytes(),
            images: self.images,
            indexes: self.indexes,
            blobs: self.blobs,
        }
    }
}
