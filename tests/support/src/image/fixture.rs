//! The image fixture itself and the two ready-made ones.

use serde_json::{Value, json};

use super::builder::ImageBuilder;
use super::elf;
use super::index::Index;
use super::layer::Layer;
use crate::digest::sha256;

/// A single-platform image (or an artifact of the same shape) with everything that a registry stores of it.
#[derive(Clone, Debug)]
pub struct Image {
    /// The media type of the manifest.
    pub media_type: String,
    /// The exact bytes of the manifest.
    pub manifest: Vec<u8>,
    /// The exact bytes of the configuration blob.
    pub config: Vec<u8>,
    /// The media type of the configuration.
    pub config_media_type: String,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// The platform as the configuration states it; `None` for an artifact.
    pub platform: Option<Value>,
}

impl Image {
    /// Starts an image for `os/architecture[/variant]`.
    pub fn builder(platform: &str) -> ImageBuilder {
        ImageBuilder::new(platform)
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> String {
        sha256(&self.manifest)
    }

    /// The digest of the configuration blob.
    pub fn config_digest(&self) -> String {
        sha256(&self.config)
    }

    /// `mediaType`, `digest` and `size` of the manifest, without a platform.
    pub fn descriptor_json(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest(), "size": self.manifest.len() })
    }

    /// Every blob of the image: the configuration, then the layers.
    pub fn blobs(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.config.as_slice()).chain(self.layers.iter().map(|layer| layer.bytes.as_slice()))
    }
}

/// An image `FROM scratch` that runs: its one file, `/hello`, writes `hello from PLATFORM` and exits 0.
///
/// Platforms: `linux/amd64`, `linux/arm64`, `linux/arm/v7` (with any variant).
pub fn hello(platform: &str) -> Image {
    let architecture = platform.split('/').nth(1).unwrap_or_default();
    let program = elf::hello(architecture, &format!("hello from {platform}\n"));
    Image::builder(platform).docker().file("hello", &program).entrypoint(&["/hello"]).build()
}

/// What buildx pushes for one platform: an OCI index of the image and its attestation.
pub fn buildx(image: &Image) -> Index {
    Index::oci().image(image).attestation_for(image).build()
}
