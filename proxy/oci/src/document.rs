//! Manifests and indexes as one reads them (image-spec `manifest.md`, `image-index.md`).
//!
//! These are views: the bytes that they were read from are what onetag passes on, always.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::json::{from_object, or_empty};
use crate::{Descriptor, Digest, MediaType};

/// The most bytes that a manifest or index may have (rule L1).
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;

/// The most entries that an upstream's index may have before it is refused (threat T18).
pub const MAX_INDEX_ENTRIES: usize = 1_000;

/// What a manifest request can bring, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An image manifest; an artifact that uses its form is one too.
    Image(Box<ImageManifest>),
    /// An image index or manifest list.
    Index(Index),
    /// A Docker schema 1 manifest; only ever passed through (rule T4).
    Schema1(MediaType),
    /// A JSON document of a type that onetag does not know; only ever passed through.
    Other(MediaType),
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    /// The type that header and body agree on.
    pub media_type: MediaType,
    /// The type of an artifact; empty for an image.
    pub artifact_type: String,
    /// The config blob.
    pub config: Descriptor,
    /// What is said about the image.
    pub annotations: BTreeMap<String, String>,
}

/// An image index or manifest list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The type that header and body agree on.
    pub media_type: MediaType,
    /// The type of an artifact; empty for an image.
    pub artifact_type: String,
    /// The entries, as they came.
    pub manifests: Vec<Descriptor>,
    /// What is said about the whole.
    pub annotations: BTreeMap<String, String>,
}

/// Why bytes are not taken as a manifest or index.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// More bytes than [`MAX_DOCUMENT_BYTES`].
    #[error("the manifest is larger than {} MiB", MAX_DOCUMENT_BYTES >> 20)]
    TooLarge,
    /// More entries than [`MAX_INDEX_ENTRIES`].
    #[error("the index has more than {MAX_INDEX_ENTRIES} entries")]
    TooManyEntries,
    /// Not JSON, or a field of the wrong form, or a field that stands twice.
    #[error("the manifest is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Header and body name different types (rule T3).
    #[error("the Content-Type is {header}, the manifest says {body}")]
    Mismatch {
        /// What the Content-Type header says.
        header: MediaType,
        /// What the body's `mediaType` says.
        body: MediaType,
    },
    /// A manifest with the fields of an index or the other way round (threat T16).
    #[error("{0} with fields that do not belong to it, or without those that do")]
    Confused(MediaType),
}

/// All fields whose presence tells the kinds apart. serde refuses a known field that stands twice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: Option<u64>,
    media_type: Option<MediaType>,
    #[serde(default, deserialize_with = "or_empty")]
    artifact_type: String,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "null_is_empty")]
    layers: Option<Vec<IgnoredAny>>,
    fs_layers: Option<Vec<IgnoredAny>>,
    #[serde(default, deserialize_with = "null_is_empty")]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default, deserialize_with = "or_empty")]
    annotations: BTreeMap<String, String>,
}

/// A list that is there: Go writes an empty one as null.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    or_empty(deserializer).map(Some)
}

impl Document {
    /// Reads `bytes` that came with the Content-Type `header`.
    ///
    /// A generic Content-Type (`application/json`, `text/plain`, `application/octet-stream`) leaves the
    /// word to the body's `mediaType`; a specific one must agree with it.
    pub fn parse(bytes: &[u8], header: &MediaType) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge);
        }
        let wire: Wire = from_object(bytes)?;
        let media_type = agreed_type(header, &wire)?;
        if media_type.is_index() {
            wire.index(media_type)
        } else if media_type.is_image_manifest() {
            wire.image(media_type)
        } else if media_type.is_schema1() {
            Ok(Self::Schema1(media_type))
        } else if wire.media_type.is_some() || wire.schema_version.is_some() {
            Ok(Self::Other(media_type))
        } else {
            Err(DocumentError::Confused(media_type))
        }
    }

    /// The type that header and body agree on.
    pub fn media_type(&self) -> &MediaType {
        match self {
            Self::Image(image) => &image.media_type,
            Self::Index(index) => &index.media_type,
            Self::Schema1(media_type) | Self::Other(media_type) => media_type,
        }
    }
}

/// A blob that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Blob {
    /// Its size in bytes, if the manifest tells one that can be read.
    #[serde(default, deserialize_with = "readable")]
    pub size: Option<u64>,
    /// What it is.
    pub digest: Digest,
}

/// A number, whatever else may stand there: only the digest has to be right.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(|value| value.as_u64())
}

#[derive(Deserialize)]
struct Blobs {
    config: Option<Blob>,
    #[serde(default, deserialize_with = "or_empty")]
    layers: Vec<Blob>,
}

/// The blobs that an image manifest leads to: its config and its layers.
pub fn blobs_of(manifest: &[u8]) -> Result<Vec<Blob>, serde_json::Error> {
    let blobs: Blobs = from_object(manifest)?;
    Ok(blobs.config.into_iter().chain(blobs.layers).collect())
}

fn agreed_type(header: &MediaType, wire: &Wire) -> Result<MediaType, DocumentError> {
    let generic =
        matches!(header.as_str(), "" | "application/json" | "text/plain" | "application/octet-stream");
    match (&wire.media_type, generic) {
        (Some(body), false) if body != header => {
            Err(DocumentError::Mismatch { header: header.clone(), body: body.clone() })
        }
        (Some(body), _) => Ok(body.clone()),
        (None, true) if wire.fs_layers.is_some() => Ok(MediaType::DockerSchema1Signed),
        (None, true) if wire.manifests.is_some() => Ok(MediaType::OciIndex),
        (None, true) if wire.config.is_some() => Ok(MediaType::OciManifest),
        (None, _) => Ok(header.clone()),
    }
}

impl Wire {
    fn index(self, media_type: MediaType) -> Result<Document, DocumentError> {
        let foreign = self.config.is_some() || self.layers.is_some() || self.fs_layers.is_some();
        match self.manifests {
            Some(manifests) if manifests.len() > MAX_INDEX_ENTRIES => Err(DocumentError::TooManyEntries),
            Some(manifests) if !foreign && self.schema_version == Some(2) => {
                let Self { artifact_type, annotations, .. } = self;
                Ok(Document::Index(Index { media_type, artifact_type, manifests, annotations }))
            }
            _ => Err(DocumentError::Confused(media_type)),
        }
    }

    fn image(self, media_type: MediaType) -> Result<Document, DocumentError> {
        let foreign = self.manifests.is_some() || self.fs_layers.is_some();
        match self.config {
            Some(config) if !foreign && self.layers.is_some() && self.schema_version == Some(2) => {
                let Self { artifact_type, annotations, .. } = self;
                Ok(Document::Image(Box::new(ImageManifest {
                    media_type,
                    artifact_type,
                    config,
                    annotations,
                })))
            }
            _ => Err(DocumentError::Confused(media_type)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":3}}"#, Digest::sha256(b"abc"))
    }

    fn image(extra: &str) -> String {
        let config = descriptor("application/vnd.oci.image.config.v1+json");
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]{extra}}}"#)
    }

    fn index(extra: &str) -> String {
        let child = descriptor("application/vnd.oci.image.manifest.v1+json");
        format!(r#"{{"schemaVersion":2,"manifests":[{child}]{extra}}}"#)
    }

    fn parse(text: &str, header: &MediaType) -> Result<Document, DocumentError> {
        Document::parse(text.as_bytes(), header)
    }

    #[test]
    fn a_manifest_is_read_by_its_header() {
        let document = parse(&image(""), &MediaType::OciManifest).unwrap();
        let Document::Image(manifest) = document else { panic!("{document:?}") };
        assert_eq!(manifest.config.media_type, MediaType::OciConfig);
        assert!(matches!(parse(&index(""), &MediaType::OciIndex), Ok(Document::Index(_))));
    }

    #[test]
    fn the_blobs_of_a_manifest_are_its_config_and_its_layers() {
        let layer = descriptor("a/b").replace("abc", "def");
        let text = image("").replace("[]", &format!("[{layer}]"));
        assert_eq!(blobs_of(text.as_bytes()).unwrap().len(), 2);
        for (size, read) in [("7", Some(7)), ("-1", None), ("\"7\"", None), ("null", None), ("{}", None)] {
            let digest = Digest::sha256(b"abc");
            let text = format!(r#"{{"layers":[{{"digest":"{digest}","size":{size}}}]}}"#);
            assert_eq!(blobs_of(text.as_bytes()).unwrap(), [Blob { size: read, digest }]);
        }
        assert_eq!(blobs_of(br#"{"layers":null}"#).unwrap(), []);
        assert!(blobs_of(br#"{"layers":[{}]}"#).is_err());
    }

    #[test]
    fn a_list_that_is_null_is_empty() {
        let layers = image("").replace("[]", "null");
        assert!(matches!(parse(&layers, &MediaType::OciManifest), Ok(Document::Image(_))));
        let empty = r#"{"schemaVersion":2,"manifests":null}"#;
        assert!(matches!(parse(empty, &MediaType::OciIndex), Ok(Document::Index(_))));
    }

    #[test]
    fn a_generic_header_leaves_the_word_to_the_body() {
        let json = MediaType::from("application/json");
        let typed = image(r#","mediaType":"application/vnd.docker.distribution.manifest.v2+json""#);
        assert_eq!(parse(&typed, &json).unwrap().media_type(), &MediaType::DockerManifest);
        assert_eq!(parse(&index(""), &json).unwrap().media_type(), &MediaType::OciIndex);
        let schema1 = r#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(matches!(parse(schema1, &json), Ok(Document::Schema1(_))));
        let artifact = r#"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}"#;
        assert!(matches!(parse(artifact, &json), Ok(Document::Other(_))));
    }

    #[test]
    fn confusion_of_manifest_and_index_is_refused() {
        let manifest = MediaType::OciManifest;
        let list = MediaType::DockerList;
        let wrong_type = image(r#","mediaType":"application/vnd.oci.image.index.v1+json""#);
        assert!(matches!(parse(&wrong_type, &manifest), Err(DocumentError::Mismatch { .. })));
        for (text, header) in [
            (image(""), &list),
            (index(""), &manifest),
            (image(r#","manifests":[]"#), &manifest),
            (index(r#","layers":[]"#), &list),
            (
                index(
                    r#","config":{"mediaType":"a/b","digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3}"#,
                ),
                &list,
            ),
            (r#"{"schemaVersion":2}"#.to_owned(), &manifest),
            (r#"{"schemaVersion":1,"manifests":[]}"#.to_owned(), &list),
            ("{}".to_owned(), &MediaType::from("text/html")),
        ] {
            assert!(matches!(parse(&text, header), Err(DocumentError::Confused(_))), "{text}");
        }
    }

    #[test]
    fn malformed_documents_are_refused() {
        let twice = image(
            r#","mediaType":"application/vnd.oci.image.manifest.v1+json","mediaType":"application/vnd.oci.image.index.v1+json""#,
        );
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for bad in ["", "<html>", "[]", "null", "{\"manifests\":[{}]}", &twice, &deep] {
            assert!(
                matches!(parse(bad, &MediaType::OciManifest), Err(DocumentError::Malformed(_))),
                "{bad:.40}"
            );
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let large = " ".repeat(MAX_DOCUMENT_BYTES + 1);
        assert!(matches!(parse(&large, &MediaType::OciIndex), Err(DocumentError::TooLarge)));
        let child = descriptor("application/vnd.oci.image.manifest.v1+json");
        let many = vec![child; MAX_INDEX_ENTRIES + 1].join(",");
        let many = format!(r#"{{"schemaVersion":2,"manifests":[{many}]}}"#);
        assert!(matches!(parse(&many, &MediaType::OciIndex), Err(DocumentError::TooManyEntries)));
    }
}
