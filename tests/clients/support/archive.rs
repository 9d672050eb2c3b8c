//! An image as a file that every client takes.

use serde_json::json;
use testkit::image::Image;

use super::command::{client, run};
use super::scratch::Scratch;

/// Writes `image`, as `reference`, to a tar archive: an OCI layout with the `manifest.json` of `docker save`. Returns
/// its path.
pub(crate) fn archive(scratch: &Scratch, image: &Image, reference: &str) -> String {
    let folder = format!("archive-{}", hex(&image.digest()));
    let write = |name: &str, content: &[u8]| scratch.write(&format!("{folder}/{name}"), content);
    let config = blob(&image.config_digest());
    let layers: Vec<_> = image.layers.iter().map(|layer| blob(&layer.digest())).collect();
    write(&config, &image.config);
    write(&blob(&image.digest()), &image.manifest);
    for layer in &image.layers {
        write(&blob(&layer.digest()), &layer.bytes);
    }
    let mut entry = image.descriptor_json();
    entry["annotations"] = json!({ "io.containerd.image.name": reference });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    write("index.json", index.to_string().as_bytes());
    write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let saved = json!([{ "Config": config, "RepoTags": [reference], "Layers": layers }]);
    write("manifest.json", saved.to_string().as_bytes());
    let (archive, folder) = (scratch.arg(&format!("{folder}.tar")), scratch.arg(&folder));
    run(&mut client("tar"), &["--create", "--file", &archive, "--directory", &folder, "."]);
    archive
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{}", hex(digest))
}

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").expect("a sha256 digest")
}
