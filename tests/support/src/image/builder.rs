//! Building an image: what its configuration says, what its layers hold, how its manifest is written.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::config::Config;
use super::fixture::Image;
use super::layer::{Family, Layer};
use super::media_type as mt;
use crate::digest::sha256;

/// See [`Image::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ImageBuilder {
    config: Config,
    family: Family,
    config_media_type: Option<String>,
    layers: Vec<Source>,
    annotations: BTreeMap<String, String>,
    odd_whitespace: bool,
}

/// A layer before it is known whose media types it carries.
#[derive(Clone, Debug)]
enum Source {
    File { path: String, content: Vec<u8> },
    Raw(Vec<u8>),
}

impl ImageBuilder {
    pub(super) fn new(platform: &str) -> Self {
        Self {
            config: Config::of(platform),
            family: Family::Oci,
            config_media_type: None,
            layers: Vec::new(),
            annotations: BTreeMap::new(),
            odd_whitespace: false,
        }
    }

    /// Docker's media types (version 2, schema 2).
    pub fn docker(mut self) -> Self {
        self.family = Family::Docker;
        self
    }

    /// OCI's media types; the default.
    pub fn oci(mut self) -> Self {
        self.family = Family::Oci;
        self
    }

    /// Exactly this `variant` in the configuration, `None` for no such field.
    pub fn variant(mut self, variant: Option<&str>) -> Self {
        self.config.variant = variant.map(str::to_owned);
        self
    }

    /// Exactly this `os` in the configuration, `None` for no such field.
    pub fn os(mut self, os: Option<&str>) -> Self {
        self.config.os = os.map(str::to_owned);
        self
    }

    /// Exactly this `architecture` in the configuration, `None` for no such field.
    pub fn architecture(mut self, architecture: Option<&str>) -> Self {
        self.config.architecture = architecture.map(str::to_owned);
        self
    }

    /// The `os.version` of the configuration.
    pub fn os_version(mut self, version: &str) -> Self {
        self.config.os_version = Some(version.to_owned());
        self
    }

    /// The `os.features` of the configuration.
    pub fn os_features(mut self, features: &[&str]) -> Self {
        self.config.os_features = features.iter().map(|&feature| feature.to_owned()).collect();
        self
    }

    /// Adds a gzipped layer that holds one executable file.
    pub fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.layers.push(Source::File { path: path.to_owned(), content: content.to_vec() });
        self
    }

    /// Adds these bytes as an uncompressed layer; they need not be an archive.
    pub fn layer_bytes(mut self, bytes: Vec<u8>) -> Self {
        self.layers.push(Source::Raw(bytes));
        self
    }

    /// Adds a label to the configuration.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.config.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The time of creation, RFC 3339; 2024-01-01T00:00:00Z when not called.
    pub fn created(mut self, time: &str) -> Self {
        time.clone_into(&mut self.config.created);
        self
    }

    /// The entrypoint of the container.
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.config.entrypoint = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Another media type for the configuration than the family's own.
    pub fn config_media_type(mut self, media_type: &str) -> Self {
        self.config_media_type = Some(media_type.to_owned());
        self
    }

    /// Adds an annotation to the manifest.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Writes the manifest with white space that no serialiser would choose.
    pub fn odd_whitespace(mut self) -> Self {
        self.odd_whitespace = true;
        self
    }

    /// Adds a layer made from `seed`: other seeds give other digests throughout.
    pub fn seed(self, seed: u64) -> Self {
        self.file("etc/seed", seed.to_string().as_bytes())
    }

    /// The finished image. One without layers gets a small one that names its platform.
    pub fn build(mut self) -> Image {
        if self.layers.is_empty() {
            let platform = self.config.platform().to_string();
            self = self.file("etc/platform", platform.as_bytes());
        }
        let family = self.family;
        let layers: Vec<Layer> = self.layers.drain(..).map(|source| source.into_layer(family)).collect();
        let config = self.config.to_bytes(&layers);
        let (media_type, own_config) = match family {
            Family::Oci => (mt::OCI_MANIFEST, mt::OCI_CONFIG),
            Family::Docker => (mt::DOCKER_MANIFEST, mt::DOCKER_CONFIG),
        };
        let config_media_type = self.config_media_type.unwrap_or_else(|| own_config.to_owned());
        let mut manifest = manifest_json(media_type, &config_media_type, &config, &layers);
        if !self.annotations.is_empty() {
            manifest["annotations"] = json!(self.annotations);
        }
        Image {
            media_type: media_type.to_owned(),
            manifest: if self.odd_whitespace { oddly(&manifest) } else { manifest.to_string().into_bytes() },
            platform: Some(self.config.platform()),
            config,
            config_media_type,
            layers,
        }
    }
}

impl Source {
    fn into_layer(self, family: Family) -> Layer {
        match self {
            Self::File { path, content } => Layer::of_file(family, &path, &content),
            Self::Raw(bytes) => Layer::raw(family, bytes),
        }
    }
}

/// A manifest of version 2; both families write it alike.
pub(super) fn manifest_json(media_type: &str, config_type: &str, config: &[u8], layers: &[Layer]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor(&layer.media_type, &layer.bytes)).collect();
    let mut manifest = Map::new();
    manifest.insert("schemaVersion".into(), json!(2));
    manifest.insert("mediaType".into(), json!(media_type));
    manifest.insert("config".into(), descriptor(config_type, config));
    manifest.insert("layers".into(), json!(layers));
    Value::Object(manifest)
}

pub(super) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": sha256(bytes), "size": bytes.len() })
}

fn oddly(manifest: &Value) -> Vec<u8> {
    let pretty = serde_json::to_string_pretty(manifest).expect("a JSON value can be written");
    format!("\n {}\r\n\t \n", pretty.replace("\": ", "\"\t:   ").replace('\n', "\r\n")).into_bytes()
}
