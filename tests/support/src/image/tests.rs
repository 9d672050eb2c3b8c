//! The fixtures are what registries and container engines accept.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::media_type as mt;
use super::*;

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// The uncompressed tar archive of a gzipped layer.
fn unpacked(layer: &Layer) -> Vec<u8> {
    let mut archive = Vec::new();
    GzDecoder::new(layer.bytes.as_slice()).read_to_end(&mut archive).expect("gzip");
    archive
}

#[test]
fn a_manifest_names_its_config_and_layers_by_digest_and_size() {
    let image = Image::builder("linux/arm64/v8").file("a", b"1").layer_bytes(vec![7; 100]).build();
    let manifest = parsed(&image.manifest);
    assert_eq!(manifest["mediaType"], mt::OCI_MANIFEST);
    let config =
        json!({ "mediaType": mt::OCI_CONFIG, "digest": sha256(&image.config), "size": image.config.len() });
    assert_eq!(manifest["config"], config);
    assert_eq!(manifest["layers"][0]["digest"], sha256(&image.layers[0].bytes));
    assert_eq!(
        manifest["layers"][1],
        json!({ "mediaType": mt::OCI_LAYER, "digest": sha256([7; 100]), "size": 100 })
    );
    assert_eq!(image.digest(), sha256(&image.manifest));
}

#[test]
fn the_diff_ids_are_the_digests_of_the_uncompressed_layers() {
    let image = Image::builder("linux/amd64").docker().file("a", b"1").layer_bytes(vec![7; 100]).build();
    let config = parsed(&image.config);
    let expected = json!([sha256(unpacked(&image.layers[0])), sha256([7; 100])]);
    assert_eq!(config["rootfs"], json!({ "type": "layers", "diff_ids": expected }));
    assert_eq!(config["history"].as_array().map(Vec::len), Some(2));
    assert_eq!(image.layers[0].media_type, mt::DOCKER_LAYER_GZIP);
}

#[test]
fn a_layer_holds_its_file_with_no_trace_of_the_time() {
    let image = Image::builder("linux/amd64").file("/usr/bin/tool", b"content").build();
    let archive = unpacked(&image.layers[0]);
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut entries = archive.entries().expect("a tar archive");
    let mut entry = entries.next().expect("an entry").expect("a whole one");
    assert_eq!(entry.path().expect("a path").to_str(), Some("usr/bin/tool"));
    assert_eq!((entry.header().mtime().ok(), entry.header().mode().ok()), (Some(0), Some(0o755)));
    let mut content = String::new();
    entry.read_to_string(&mut content).expect("text");
    assert_eq!(content, "content");
}

#[test]
fn the_same_description_builds_the_same_image_and_a_seed_another() {
    let build = |seed| Image::builder("linux/amd64").seed(seed).build();
    assert_eq!(build(1).digest(), build(1).digest());
    let (one, two) = (build(1), build(2));
    assert_ne!(one.digest(), two.digest());
    assert_ne!(one.config_digest(), two.config_digest());
    assert_ne!(one.layers[0].digest(), two.layers[0].digest());
}

#[test]
fn the_platform_fields_of_the_config_are_exactly_those_asked_for() {
    let platform = |builder: ImageBuilder| builder.build().platform.expect("an image has one");
    assert_eq!(
        platform(Image::builder("linux/arm64/v8")),
        json!({ "os": "linux", "architecture": "arm64", "variant": "v8" })
    );
    assert_eq!(
        platform(Image::builder("linux/arm64/v8").variant(None).os(None)),
        json!({ "architecture": "arm64" })
    );
    let windows = Image::builder("windows/amd64")
        .os_version("10.0.17763.1")
        .os_features(&["win32k"])
        .architecture(Some("x86_64"));
    assert_eq!(
        platform(windows),
        json!({ "os": "windows", "architecture": "x86_64", "os.version": "10.0.17763.1", "os.features": ["win32k"] })
    );
}

#[test]
fn labels_and_time_stand_in_the_config_and_other_types_in_the_manifest() {
    let image = Image::builder("linux/amd64")
        .label("org.opencontainers.image.revision", "abc")
        .created("2025-05-05T00:00:00Z")
        .config_media_type("application/x")
        .annotation("k", "v")
        .build();
    let (config, manifest) = (parsed(&image.config), parsed(&image.manifest));
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "abc");
    assert_eq!(config["created"], "2025-05-05T00:00:00Z");
    assert_eq!(manifest["config"]["mediaType"], "application/x");
    assert_eq!(manifest["annotations"], json!({ "k": "v" }));
}

#[test]
fn odd_white_space_changes_the_bytes_and_nothing_else() {
    let plain = Image::builder("linux/amd64").build();
    let odd = Image::builder("linux/amd64").odd_whitespace().build();
    assert_eq!(parsed(&plain.manifest), parsed(&odd.manifest));
    assert_ne!(plain.digest(), odd.digest());
    assert!(odd.manifest.starts_with(b"\n {\r\n"));
}

#[test]
fn an_index_lists_images_and_attestations_and_carries_them() {
    let image = Image::builder("linux/amd64").build();
    let index = buildx(&image);
    let document = parsed(&index.manifest);
    let attestation = &index.images[1];
    assert_eq!(document["mediaType"], mt::OCI_INDEX);
    assert_eq!(document["manifests"][0]["platform"], json!({ "os": "linux", "architecture": "amd64" }));
    assert_eq!(document["manifests"][1]["digest"], attestation.digest());
    assert_eq!(
        document["manifests"][1]["annotations"],
        json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest(),
        })
    );
    assert_eq!(document["manifests"][1]["platform"], json!({ "os": "unknown", "architecture": "unknown" }));
    assert_eq!(index.images.len(), 2);
    let layer = &parsed(&attestation.manifest)["layers"][0];
    assert_eq!(layer["digest"], attestation.layers[0].digest());
    assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], "https://slsa.dev/provenance/v0.2");
}

#[test]
fn an_index_can_list_anything() {
    let image = Image::builder("linux/amd64").docker().build();
    let inner = Index::docker_list().image(&image).build();
    let outer = Index::oci()
        .nested(&inner)
        .image_as(&image, None)
        .descriptor(json!({ "digest": "sha256:00" }))
        .annotation("a", "b")
        .build();
    let document = parsed(&outer.manifest);
    assert_eq!(document["manifests"][0], inner.descriptor_json());
    assert_eq!(document["manifests"][1].get("platform"), None);
    assert_eq!(document["manifests"][2], json!({ "digest": "sha256:00" }));
    assert_eq!(document["annotations"], json!({ "a": "b" }));
    assert_eq!((outer.indexes.len(), outer.images.len()), (1, 1));
}

#[test]
fn artifacts_carry_the_media_types_of_their_kind() {
    assert_eq!(helm_artifact().config_media_type, "application/vnd.cncf.helm.config.v1+json");
    let signature = parsed(&cosign_signature().manifest);
    assert_eq!(signature["layers"][0]["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    let cache = parsed(&buildkit_cache_index().manifest);
    assert_eq!(cache["manifests"][1]["mediaType"], "application/vnd.buildkit.cacheconfig.v0");
    let old = schema1_manifest("team/app", "latest");
    assert_eq!(old.media_type, "application/vnd.docker.distribution.manifest.v1+prettyjws");
    assert_eq!(parsed(&old.bytes)["schemaVersion"], 1);
    let image = Image::builder("linux/amd64").build();
    assert_eq!(parsed(&sbom_of(&image).manifest)["subject"]["digest"], image.digest());
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn hello_runs_on_amd64() {
    use std::os::unix::fs::PermissionsExt as _;

    let program = program_of(&hello("linux/amd64"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("hello");
    std::fs::write(&path, program).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let output = crate::run(&path, &[], &[]);
    assert_eq!(output.stdout, b"hello from linux/amd64\n");
    assert!(output.status.success());
}

#[test]
fn hello_is_an_executable_of_its_platform() {
    for (platform, class, machine) in
        [("linux/arm64", 2, 0xb7), ("linux/arm/v7", 1, 0x28), ("linux/amd64", 2, 0x3e)]
    {
        let image = hello(platform);
        let program = program_of(&image);
        assert_eq!(&program[..5], [0x7f, b'E', b'L', b'F', class], "{platform}");
        assert_eq!(program[18], machine, "{platform}");
        assert!(program.ends_with(format!("hello from {platform}\n").as_bytes()));
        assert_eq!(parsed(&image.config)["config"]["Entrypoint"], json!(["/hello"]));
    }
}

fn program_of(image: &Image) -> Vec<u8> {
    let archive = unpacked(&image.layers[0]);
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut entry = archive.entries().expect("a tar archive").next().expect("an entry").expect("a whole one");
    let mut program = Vec::new();
    entry.read_to_end(&mut program).expect("a whole file");
    program
}
