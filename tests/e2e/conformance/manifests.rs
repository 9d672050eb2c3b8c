//! Push, second part: manifests of every kind.

use serde_json::{Value, json};
use testkit::client::Response;
use testkit::image::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use testkit::image::sbom_of;
use testkit::{Image, Index, sha256, sha512};

use super::subject::Subject;
use super::suite::{Check, checks};
use super::verdict::{Verdict, header_is, holds, refused, status};

pub(super) const CHECKS: &[Check] = checks![
    a_manifest_goes_up_by_its_tag,
    a_manifest_goes_up_by_its_digest,
    a_manifest_goes_up_under_its_sha512,
    a_tag_moves_to_what_was_pushed_last,
    a_docker_manifest_goes_up,
    an_index_goes_up,
    a_docker_list_goes_up,
    an_index_of_indexes_goes_up,
    an_empty_index_goes_up,
    an_artifact_goes_up,
    an_image_without_layers_goes_up,
    a_layer_that_lies_elsewhere_is_not_asked_for,
    a_manifest_of_nearly_four_mebibytes_goes_up,
    a_manifest_under_another_digest_is_refused,
    a_manifest_that_is_no_json_is_refused,
    a_manifest_whose_blobs_are_missing_is_refused,
    a_subject_may_be_missing,
    a_subject_is_named_in_the_answer,
];

const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What the specification lets every registry take, less some room for the rest of the manifest.
const NEARLY_FOUR_MEBIBYTES: usize = (4 << 20) - 4096;

/// Whether a push ended well: 201, and a location from which the same can be pulled.
async fn pullable(subject: &Subject, done: &Response, media_type: &str, bytes: &[u8]) -> Verdict {
    subject.pullable(done, bytes).await?;
    let reference = sha256(bytes);
    let got = subject.ask("GET", &format!("manifests/{reference}")).await?;
    holds(&got, bytes)?;
    header_is(&got, "content-type", media_type)
}

/// Pushes a manifest whose content is there already, by a tag, and pulls it.
async fn round_trip(subject: &Subject, media_type: &str, bytes: &[u8]) -> Verdict {
    let done = subject.push_manifest("latest", media_type, bytes).await?;
    pullable(subject, &done, media_type, bytes).await
}

async fn image_round_trip(subject: &Subject, image: &Image) -> Verdict {
    let done = subject.push(Some("latest"), image).await?;
    pullable(subject, &done, &image.media_type, &image.manifest).await
}

async fn a_manifest_goes_up_by_its_tag(subject: Subject) -> Verdict {
    image_round_trip(&subject, &subject.image("image")).await
}

async fn a_manifest_goes_up_by_its_digest(subject: Subject) -> Verdict {
    let image = subject.image("image");
    let done = subject.push(None, &image).await?;
    pullable(&subject, &done, OCI_MANIFEST, &image.manifest).await
}

async fn a_manifest_goes_up_under_its_sha512(subject: Subject) -> Verdict {
    let image = subject.image("image");
    subject.push(None, &image).await?;
    let digest = sha512(&image.manifest);
    let done = subject.push_manifest(&digest, OCI_MANIFEST, &image.manifest).await?;
    subject.pullable(&done, &image.manifest).await?;
    holds(&subject.ask("GET", &format!("manifests/{digest}")).await?, &image.manifest)
}

async fn a_tag_moves_to_what_was_pushed_last(subject: Subject) -> Verdict {
    let (old, new) = (subject.image("old"), subject.image("new"));
    for image in [&old, &new] {
        subject.push(Some("latest"), image).await?;
        holds(&subject.ask("GET", "manifests/latest").await?, &image.manifest)?;
    }
    holds(&subject.ask("GET", &format!("manifests/{}", old.digest())).await?, &old.manifest)
}

async fn a_docker_manifest_goes_up(subject: Subject) -> Verdict {
    let image = Image::builder("linux/amd64").docker().file("content", &subject.unique("image")).build();
    assert_eq!(image.media_type, DOCKER_MANIFEST);
    image_round_trip(&subject, &image).await
}

/// Pushes the two images that an index lists.
async fn two_images(subject: &Subject) -> Verdict<[Image; 2]> {
    let images = [subject.image("one"), subject.image("two")];
    for image in &images {
        subject.push(None, image).await?;
    }
    Ok(images)
}

async fn an_index_goes_up(subject: Subject) -> Verdict {
    let [one, two] = two_images(&subject).await?;
    round_trip(&subject, OCI_INDEX, &Index::oci().image(&one).image(&two).build().manifest).await
}

async fn a_docker_list_goes_up(subject: Subject) -> Verdict {
    let [one, two] = two_images(&subject).await?;
    round_trip(&subject, DOCKER_LIST, &Index::docker_list().image(&one).image(&two).build().manifest).await
}

async fn an_index_of_indexes_goes_up(subject: Subject) -> Verdict {
    let [one, two] = two_images(&subject).await?;
    let inner = Index::oci().image(&one).build();
    status(&subject.push_manifest(&inner.digest(), OCI_INDEX, &inner.manifest).await?, &[201])?;
    round_trip(&subject, OCI_INDEX, &Index::oci().nested(&inner).image(&two).build().manifest).await
}

async fn an_empty_index_goes_up(subject: Subject) -> Verdict {
    let index = Index::oci().annotation("org.example.repository", &subject.repository).build();
    round_trip(&subject, OCI_INDEX, &index.manifest).await
}

async fn an_artifact_goes_up(subject: Subject) -> Verdict {
    let (config, layer) = (subject.push_blob(b"{}").await?, subject.unique("layer"));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.artifact",
        "config": { "mediaType": EMPTY, "digest": config, "size": 2, "data": "e30=" },
        "layers": [{
            "mediaType": "application/vnd.example.layer",
            "digest": subject.push_blob(&layer).await?,
            "size": layer.len(),
            "org.example.unknown": { "kept": true },
        }],
        "org.example.unknown": ["kept"],
    });
    round_trip(&subject, OCI_MANIFEST, manifest.to_string().as_bytes()).await
}

async fn an_image_without_layers_goes_up(subject: Subject) -> Verdict {
    let manifest = altered(&subject, |manifest| manifest["layers"] = json!([])).await?;
    round_trip(&subject, OCI_MANIFEST, &manifest).await
}

async fn a_layer_that_lies_elsewhere_is_not_asked_for(subject: Subject) -> Verdict {
    let digest = sha256(subject.unique("elsewhere"));
    let layer = json!({
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": digest,
        "size": 123,
        "urls": [format!("https://elsewhere.example.com/{digest}")],
    });
    let manifest = altered(&subject, |manifest| manifest["layers"] = json!([layer])).await?;
    round_trip(&subject, OCI_MANIFEST, &manifest).await
}

async fn a_manifest_of_nearly_four_mebibytes_goes_up(subject: Subject) -> Verdict {
    let text = "a".repeat(NEARLY_FOUR_MEBIBYTES);
    let long = altered(&subject, |manifest| manifest["annotations"] = json!({ "text": text })).await?;
    round_trip(&subject, OCI_MANIFEST, &long).await
}

/// The altered manifest of an image whose blobs are pushed.
async fn altered(subject: &Subject, alter: impl FnOnce(&mut Value)) -> Verdict<Vec<u8>> {
    let image = subject.image("image");
    for blob in image.blobs() {
        subject.push_blob(blob).await?;
    }
    let mut manifest = serde_json::from_slice(&image.manifest).expect("a manifest of the kit is JSON");
    alter(&mut manifest);
    Ok(manifest.to_string().into_bytes())
}

async fn a_manifest_under_another_digest_is_refused(subject: Subject) -> Verdict {
    let bytes = altered(&subject, |_| ()).await?;
    let digest = sha256(subject.unique("other"));
    refused(&subject.push_manifest(&digest, OCI_MANIFEST, &bytes).await?, &[400], "DIGEST_INVALID")?;
    status(&subject.ask("GET", &format!("manifests/{digest}")).await?, &[404])
}

async fn a_manifest_that_is_no_json_is_refused(subject: Subject) -> Verdict {
    let answer = subject.push_manifest("latest", OCI_MANIFEST, b"no manifest").await?;
    refused(&answer, &[400], "MANIFEST_INVALID")
}

async fn a_manifest_whose_blobs_are_missing_is_refused(subject: Subject) -> Verdict {
    let image = subject.image("image");
    let answer = subject.push_manifest("latest", OCI_MANIFEST, &image.manifest).await?;
    refused(&answer, &[400, 404], "MANIFEST_BLOB_UNKNOWN")
}

async fn a_subject_may_be_missing(subject: Subject) -> Verdict {
    let sbom = sbom_of(&subject.image("absent"));
    let done = subject.push(None, &sbom).await?;
    pullable(&subject, &done, OCI_MANIFEST, &sbom.manifest).await
}

async fn a_subject_is_named_in_the_answer(subject: Subject) -> Verdict {
    let image = subject.image("image");
    subject.push(Some("latest"), &image).await?;
    header_is(&subject.push(None, &sbom_of(&image)).await?, "oci-subject", &image.digest())
}
