//! What needs no merge goes through with the upstream's own bytes.

use testkit::image::{
    RawManifest, buildkit_cache_index, buildx, cosign_signature, helm_artifact, schema1_manifest,
};
use testkit::{Image, Index, sha256};

use crate::support::{ACCEPT, Legacy, REPOSITORY, Site, manifest_path, served_as};

/// The tag answers exactly these bytes, to GET and HEAD, and so does their digest.
async fn passes(site: &Site, tag: &str, media_type: &str, bytes: &[u8]) {
    served_as(&site.manifest(tag).await, media_type, bytes);
    served_as(&site.manifest(&sha256(bytes)).await, media_type, bytes);
    let head = site.head(&manifest_path(tag), &[ACCEPT]).await;
    assert_eq!((head.status, head.header("content-type")), (200, Some(media_type)));
    assert_eq!(head.header("docker-content-digest"), Some(&*sha256(bytes)));
    assert_eq!(head.header("content-length"), Some(&*bytes.len().to_string()));
}

#[tokio::test]
async fn vector_04_a_tag_that_stands_alone_passes_in_every_form() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, .. } = Legacy::docker();
    let odd = Image::builder("linux/amd64").odd_whitespace().build();
    let one = Index::docker_list().image(&amd64).annotation("odd", "annotation").build();
    site.registry.push(REPOSITORY, "image", &amd64);
    site.registry.push(REPOSITORY, "odd", &odd);
    site.registry.push_index(REPOSITORY, "one", &one);
    site.registry.push_index(REPOSITORY, "buildx", &buildx(&amd64));
    passes(&site, "image", &amd64.media_type, &amd64.manifest).await;
    passes(&site, "odd", &odd.media_type, &odd.manifest).await;
    passes(&site, "one", &one.media_type, &one.manifest).await;
    passes(&site, "buildx", &buildx(&amd64).media_type, &buildx(&amd64).manifest).await;
}

#[tokio::test]
async fn vector_24_an_index_of_several_platforms_passes_whatever_stands_beside_it() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::docker();
    let multi = Index::docker_list().image(&arm64).image(&amd64).build();
    let armv7 = Image::builder("linux/arm/v7").docker().build();
    site.registry.push_index(REPOSITORY, "latest", &multi);
    site.registry.push(REPOSITORY, "latest-arm64", &Image::builder("linux/arm64").docker().seed(1).build());
    site.registry.push(REPOSITORY, "latest-armv7", &armv7);
    passes(&site, "latest", &multi.media_type, &multi.manifest).await;
}

#[tokio::test]
async fn vectors_32_and_33_a_base_that_is_no_image_passes_though_a_member_stands_beside_it() {
    let site = Site::start(&[]).await;
    let (chart, cache) = (helm_artifact(), buildkit_cache_index());
    let RawManifest { media_type, bytes } = schema1_manifest(REPOSITORY, "old");
    site.registry.push(REPOSITORY, "chart", &chart);
    site.registry.push_index(REPOSITORY, "cache", &cache);
    site.registry.put_manifest(REPOSITORY, "old", &media_type, &bytes);
    for tag in ["chart", "cache", "old"] {
        site.registry.push(REPOSITORY, &format!("{tag}-arm64"), &Legacy::oci().arm64);
    }
    passes(&site, "chart", &chart.media_type, &chart.manifest).await;
    passes(&site, "cache", &cache.media_type, &cache.manifest).await;
    passes(&site, "old", &media_type, &bytes).await;
}

#[tokio::test]
async fn vectors_31_and_33_a_member_that_is_no_image_leaves_the_base_as_it_is() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, .. } = Legacy::oci();
    let old = schema1_manifest(REPOSITORY, "old-arm64");
    for tag in ["chart", "signature", "cache", "old"] {
        site.registry.push(REPOSITORY, tag, &amd64);
    }
    site.registry.push(REPOSITORY, "chart-arm64", &helm_artifact());
    site.registry.push(REPOSITORY, "signature-arm64", &cosign_signature());
    site.registry.push_index(REPOSITORY, "cache-arm64", &buildkit_cache_index());
    site.registry.put_manifest(REPOSITORY, "old-arm64", &old.media_type, &old.bytes);
    for tag in ["chart", "signature", "cache", "old"] {
        passes(&site, tag, &amd64.media_type, &amd64.manifest).await;
    }
    passes(&site, "chart-arm64", &helm_artifact().media_type, &helm_artifact().manifest).await;
}

#[tokio::test]
async fn vector_44_the_tag_of_a_signature_is_asked_for_alone() {
    let site = Site::start(&[]).await;
    let signature = cosign_signature();
    let tag = format!("{}.sig", sha256("signed image").replace(':', "-"));
    site.registry.push(REPOSITORY, &tag, &signature);
    site.registry.push(REPOSITORY, &format!("{tag}-arm"), &Legacy::oci().arm64);
    passes(&site, &tag, &signature.media_type, &signature.manifest).await;
    let others = site.registry.count(|request| request.path.ends_with("-arm"));
    assert_eq!(others, 0);
}

#[tokio::test]
async fn a_members_own_tag_answers_its_own_bytes() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    passes(&site, "latest-arm", &legacy.arm64.media_type, &legacy.arm64.manifest).await;
}

#[tokio::test]
async fn vector_43_a_tag_that_merely_ends_in_a_token_is_no_member() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::docker();
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "latest-alarm", &arm64);
    passes(&site, "latest", &amd64.media_type, &amd64.manifest).await;
}
