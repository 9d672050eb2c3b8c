use std::collections::HashMap;

use serde_json::Value;

use crate::digest::{sha256, sha512};
use crate::image::{Image, Index, RawManifest};

/// What lies under a tag.
#[derive(Clone, Debug)]
pub enum Content {
    /// A single manifest with its configuration and layers.
    Image(Image),
    /// An index with all that it leads to.
    Index(Index),
    /// A manifest that stands alone.
    Raw(RawManifest),
}

/// All that a registry holds, by digest.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    manifests: HashMap<String, Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
}

impl Content {
    /// The exact bytes of its manifest.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Image(image) => &image.manifest,
            Self::Index(index) => &index.manifest,
            Self::Raw(raw) => &raw.bytes,
        }
    }

    /// The media type of its manifest.
    pub fn media_type(&self) -> &str {
        match self {
            Self::Image(image) => &image.media_type,
            Self::Index(index) => &index.media_type,
            Self::Raw(raw) => &raw.media_type,
        }
    }
}

impl Contents {
    /// Takes in a content with all that it leads to.
    pub fn add(&mut self, content: &Content) {
        match content {
            Content::Image(image) => self.add_image(image),
            Content::Index(index) => self.add_index(index),
            Content::Raw(raw) => self.add_manifest(&raw.bytes),
        }
    }

    /// Takes in the bytes of a manifest.
    pub fn add_manifest(&mut self, bytes: &[u8]) {
        self.manifests.insert(sha256(bytes), bytes.to_vec());
        self.manifests.insert(sha512(bytes), bytes.to_vec());
    }

    /// Takes in the bytes of a blob.
    pub fn add_blob(&mut self, bytes: &[u8]) {
        self.blobs.insert(sha256(bytes), bytes.to_vec());
        self.blobs.insert(sha512(bytes), bytes.to_vec());
    }

    pub(super) fn manifest(&self, digest: &str) -> Option<Value> {
        serde_json::from_slice(self.manifests.get(digest)?).ok()
    }

    pub(super) fn blob(&self, digest: &str) -> Option<&[u8]> {
        self.blobs.get(digest).map(Vec::as_slice)
    }

    fn add_image(&mut self, image: &Image) {
        self.add_manifest(&image.manifest);
        self.add_blob(&image.config);
    }

    fn add_index(&mut self, index: &Index) {
        self.add_manifest(&index.manifest);
        index.images.iter().for_each(|image| self.add_image(image));
        index.indexes.iter().for_each(|nested| self.add_index(nested));
    }
}

impl From<Image> for Content {
    fn from(image: Image) -> Self {
        Self::Image(image)
    }
}

impl From<Index> for Content {
    fn from(index: Index) -> Self {
        Self::Index(index)
    }
}

impl From<RawManifest> for Content {
    fn from(raw: RawManifest) -> Self {
        Self::Raw(raw)
    }
}
