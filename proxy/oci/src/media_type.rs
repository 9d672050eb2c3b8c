//! Media types of manifests and configs (image-spec `media-types.md`, Docker's `manifest-v2-2.md`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A media type: the ones whose meaning onetag knows, and all others by their text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaType {
    /// An OCI image index.
    OciIndex,
    /// An OCI image manifest (or artifact manifest in image form).
    OciManifest,
    /// A Docker manifest list.
    DockerList,
    /// A Docker image manifest, version 2 schema 2.
    DockerManifest,
    /// A Docker image manifest, version 2 schema 1, unsigned.
    DockerSchema1,
    /// A Docker image manifest, version 2 schema 1, signed.
    DockerSchema1Signed,
    /// An OCI image config.
    OciConfig,
    /// A Docker image config.
    DockerConfig,
    /// Anything else.
    Other(Box<str>),
}

impl MediaType {
    /// The four types that an upstream is asked for (rule T4), as one Accept line.
    pub const ACCEPT_MANIFESTS: &'static str = "application/vnd.docker.distribution.manifest.v2+json, \
         application/vnd.docker.distribution.manifest.list.v2+json, \
         application/vnd.oci.image.manifest.v1+json, \
         application/vnd.oci.image.index.v1+json";

    /// The media type as text, without parameters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(text) => text,
            known => known.known().unwrap_or_default(),
        }
    }

    /// The same, of those types that are known here.
    pub const fn known(&self) -> Option<&'static str> {
        Some(match self {
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerSchema1 => "application/vnd.docker.distribution.manifest.v1+json",
            Self::DockerSchema1Signed => "application/vnd.docker.distribution.manifest.v1+prettyjws",
            Self::OciConfig => "application/vnd.oci.image.config.v1+json",
            Self::DockerConfig => "application/vnd.docker.container.image.v1+json",
            Self::Other(_) => return None,
        })
    }

    /// Whether this type lists other manifests.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }

    /// Whether this type describes one image by config and layers.
    pub fn is_image_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// Whether this is a schema 1 manifest, which is never merged (rule T4).
    pub fn is_schema1(&self) -> bool {
        matches!(self, Self::DockerSchema1 | Self::DockerSchema1Signed)
    }

    /// Whether this is the config of a runnable image (rule P1).
    pub fn is_image_config(&self) -> bool {
        matches!(self, Self::OciConfig | Self::DockerConfig)
    }

    /// Whether Docker defined this type (rule T1).
    pub fn is_docker(&self) -> bool {
        self.as_str().starts_with("application/vnd.docker.")
    }
}

impl From<&str> for MediaType {
    /// Reads a media type; parameters (`; charset=...`) are dropped, letter case does not matter.
    fn from(text: &str) -> Self {
        let bare = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let known = [
            Self::OciIndex,
            Self::OciManifest,
            Self::DockerList,
            Self::DockerManifest,
            Self::DockerSchema1,
            Self::DockerSchema1Signed,
            Self::OciConfig,
            Self::DockerConfig,
        ];
        known.into_iter().find(|known| known.as_str() == bare).unwrap_or_else(|| Self::Other(bare.into()))
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::from(&*text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_type_survives_text_and_back() {
        for part in MediaType::ACCEPT_MANIFESTS.split(", ") {
            let media_type = MediaType::from(part);
            assert!(media_type.is_index() ^ media_type.is_image_manifest(), "{part}");
            assert_eq!(media_type.as_str(), part);
        }
    }

    #[test]
    fn parameters_and_case_are_dropped() {
        let text = " Application/vnd.oci.image.index.v1+JSON ; charset=utf-8";
        assert_eq!(MediaType::from(text), MediaType::OciIndex);
        assert_eq!(MediaType::from("text/html;x").as_str(), "text/html");
    }
}
