//! What lies in registries beside images: attestations, signatures, charts, caches, old manifests.

use serde_json::{Value, json};

use super::builder::manifest_json;
use super::fixture::Image;
use super::index::Index;
use super::layer::Layer;
use super::media_type as mt;
use crate::digest::sha256;

const BUILDKIT_CACHE_CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";
const COSIGN_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const HELM_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const SPDX: &str = "application/spdx+json";

/// A manifest that stands alone.
#[derive(Clone, Debug)]
pub struct RawManifest {
    /// Its media type.
    pub media_type: String,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// The attestation manifest that `BuildKit` writes about `image`.
pub fn attestation_of(image: &Image) -> Image {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{ "name": "image", "digest": { "sha256": image.digest().trim_start_matches("sha256:") } }],
        "predicate": { "buildType": "https://mobyproject.org/buildkit@v1" },
    });
    let layer = layer(IN_TOTO, statement.to_string().into_bytes());
    let config = json!({
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer.diff_id] },
    });
    let mut attestation = artifact(mt::OCI_CONFIG, config.to_string().into_bytes(), vec![layer], &[]);
    let mut manifest: Value = serde_json::from_slice(&attestation.manifest).expect("written a line above");
    manifest["layers"][0]["annotations"] =
        json!({ "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" });
    attestation.manifest = manifest.to_string().into_bytes();
    attestation
}

/// A Helm chart.
pub fn helm_artifact() -> Image {
    let config = json!({ "apiVersion": "v2", "name": "chart", "version": "0.1.0" });
    let chart = b"name: chart\nversion: 0.1.0\n";
    artifact(HELM_CONFIG, config.to_string().into_bytes(), vec![layer(HELM_LAYER, chart.to_vec())], &[])
}

/// A cosign signature as it lies under the tag `sha256-<hex>.sig`: its configuration has the media type of an
/// image's, and empty platform fields.
pub fn cosign_signature() -> Image {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": "" },
            "image": { "docker-manifest-digest": sha256("signed image") },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let layer = layer(COSIGN_LAYER, payload.to_string().into_bytes());
    let config = json!({
        "architecture": "",
        "created": "0001-01-01T00:00:00Z",
        "history": [{ "created": "0001-01-01T00:00:00Z" }],
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": [layer.diff_id] },
        "config": {},
    });
    artifact(mt::OCI_CONFIG, config.to_string().into_bytes(), vec![layer], &[])
}

/// A software bill of materials that refers to `image` by its `subject`.
pub fn sbom_of(image: &Image) -> Image {
    let document = json!({ "spdxVersion": "SPDX-2.3", "name": image.digest() });
    let layers = vec![layer(SPDX, document.to_string().into_bytes())];
    let fields = [("artifactType", json!(SPDX)), ("subject", image.descriptor_json())];
    artifact("application/vnd.oci.empty.v1+json", b"{}".to_vec(), layers, &fields)
}

/// The index that `BuildKit` exports a cache as: its entries are layers and a cache configuration.
pub fn buildkit_cache_index() -> Index {
    let layer = Image::builder("linux/amd64").file("cache", b"cached").build().layers.remove(0);
    let config = json!({ "layers": [{ "blob": layer.digest(), "parent": -1 }], "records": [] });
    Index::oci()
        .blob(&layer.media_type, &layer.bytes)
        .blob(BUILDKIT_CACHE_CONFIG, config.to_string().as_bytes())
        .build()
}

/// A signed manifest of Docker's schema 1. The signature has the right shape but is nobody's.
pub fn schema1_manifest(repository: &str, tag: &str) -> RawManifest {
    let compatibility = json!({ "id": "0".repeat(64), "architecture": "amd64", "os": "linux" }).to_string();
    let manifest = json!({
        "schemaVersion": 1,
        "name": repository,
        "tag": tag,
        "architecture": "amd64",
        "fsLayers": [{ "blobSum": sha256("schema 1 layer") }],
        "history": [{ "v1Compatibility": compatibility }],
        "signatures": [{
            "header": { "alg": "ES256", "jwk": { "crv": "P-256", "kty": "EC", "x": "AA", "y": "AA" } },
            "signature": "AA",
            "protected": "e30",
        }],
    });
    let bytes = serde_json::to_vec_pretty(&manifest).expect("a JSON value can be written");
    RawManifest { media_type: mt::DOCKER_SCHEMA1.to_owned(), bytes }
}

fn layer(media_type: &str, bytes: Vec<u8>) -> Layer {
    Layer { media_type: media_type.to_owned(), diff_id: sha256(&bytes), bytes }
}

fn artifact(config_media_type: &str, config: Vec<u8>, layers: Vec<Layer>, fields: &[(&str, Value)]) -> Image {
    let mut manifest = manifest_json(mt::OCI_MANIFEST, config_media_type, &config, &layers);
    for (name, value) in fields {
        manifest[*name] = value.clone();
    }
    Image {
        media_type: mt::OCI_MANIFEST.to_owned(),
        manifest: manifest.to_string().into_bytes(),
        config,
        config_media_type: config_media_type.to_owned(),
        layers,
        platform: None,
    }
}
