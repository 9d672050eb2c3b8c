//! Image configs (image-spec `config.md`): only the fields that a merge needs.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Platform;
use crate::json::{from_object, or_empty};

/// The most bytes that an image config may have (rule L1).
pub const MAX_CONFIG_BYTES: usize = 4 << 20;

/// The key of the source's revision in labels and annotations (image-spec `annotations.md`).
pub const REVISION: &str = "org.opencontainers.image.revision";
/// That of the product's version.
pub const VERSION: &str = "org.opencontainers.image.version";

/// What an image config says about the platform and the origin of its image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The platform as the config words it; nothing is cleaned up here.
    pub platform: Platform,
    /// When the image was made, RFC 3339, empty when not said.
    pub created: String,
    /// The revision of the source that the image was built from, if a label names it.
    pub revision: Option<String>,
    /// The version of the product, if a label names it.
    pub version: Option<String>,
}

/// The wire form. Unlike a descriptor's platform it has the fields at its top, among many others.
#[derive(Deserialize)]
struct Wire {
    #[serde(default, deserialize_with = "or_empty")]
    architecture: String,
    #[serde(default, deserialize_with = "or_empty")]
    os: String,
    #[serde(rename = "os.version", default, deserialize_with = "or_empty")]
    os_version: String,
    #[serde(rename = "os.features", default, deserialize_with = "or_empty")]
    os_features: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    variant: String,
    #[serde(default, deserialize_with = "or_empty")]
    created: String,
    #[serde(default, deserialize_with = "or_empty")]
    config: Container,
}

#[derive(Default, Deserialize)]
struct Container {
    #[serde(rename = "Labels", default, deserialize_with = "or_empty")]
    labels: BTreeMap<String, String>,
}

impl ImageConfig {
    /// Reads a config blob of a type for which [`crate::MediaType::is_image_config`] holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let wire: Wire = from_object(bytes)?;
        let mut labels = wire.config.labels;
        Ok(Self {
            platform: Platform {
                architecture: wire.architecture,
                os: wire.os,
                os_version: wire.os_version,
                os_features: wire.os_features,
                variant: wire.variant,
                other: BTreeMap::new(),
            },
            created: wire.created,
            revision: labels.remove(REVISION),
            version: labels.remove(VERSION),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_absent_and_unknown_fields_do_no_harm() {
        let text = br#"{"architecture":"arm64","os":"linux","variant":null,"os.features":null,"created":null,
                        "config":{"Labels":null,"Env":["A=B"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = ImageConfig::parse(text).unwrap();
        assert_eq!(config.platform, Platform::new("linux", "arm64", ""));
        assert_eq!((config.revision, config.version), (None, None));
    }

    #[test]
    fn all_five_platform_fields_are_read() {
        let text = br#"{"architecture":"amd64","os":"windows","variant":"v1","os.version":"10.0.1",
                        "os.features":["win32k"],"config":{"Labels":{"a":"b","org.opencontainers.image.version":"1.2"}}}"#;
        let config = ImageConfig::parse(text).unwrap();
        assert_eq!(config.platform.os_version, "10.0.1");
        assert_eq!(config.platform.os_features, ["win32k"]);
        assert_eq!(config.platform.variant, "v1");
        assert_eq!((config.revision, config.version.as_deref()), (None, Some("1.2")));
    }

    #[test]
    fn a_config_that_is_no_object_is_an_error() {
        for bad in [&b"[]"[..], b"", b"null", b"{\"os\":1}", b"{} x", b"{\"os\":\"a\",\"os\":\"b\"}"] {
            assert!(ImageConfig::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
