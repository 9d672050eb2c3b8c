//! What a client gets depends on what it accepts, by tag alone.

use testkit::image::buildx;
use testkit::image::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use testkit::{Image, Index, sha256};

use crate::support::{Legacy, REPOSITORY, Site, manifest_path, refusal, served_as};

const DOCKER_ONLY: &[(&str, &str)] = &[("accept", DOCKER_MANIFEST)];
const IMAGES_ONLY: &[(&str, &str)] = &[("accept", DOCKER_MANIFEST), ("accept", OCI_MANIFEST)];

async fn legacy_site() -> (Site, Legacy) {
    let (site, legacy) = (Site::start(&[]).await, Legacy::docker());
    legacy.push(&site.registry, "latest");
    (site, legacy)
}

#[tokio::test]
async fn vector_35_a_client_without_index_types_gets_the_bases_own_manifest() {
    let (site, Legacy { amd64, .. }) = legacy_site().await;
    let get = site.get(&manifest_path("latest"), DOCKER_ONLY).await;
    served_as(&get, DOCKER_MANIFEST, &amd64.manifest);
    assert_eq!(get.header("vary"), Some("Accept"));
    let head = site.head(&manifest_path("latest"), DOCKER_ONLY).await;
    for name in ["content-type", "content-length", "docker-content-digest", "etag", "vary"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
        assert!(head.header(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_base_is_the_answer_without_index_types_even_when_it_is_not_for_amd64() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::docker();
    site.registry.push(REPOSITORY, "latest", &arm64);
    site.registry.push(REPOSITORY, "latest-amd64", &amd64);
    served_as(&site.get(&manifest_path("latest"), DOCKER_ONLY).await, DOCKER_MANIFEST, &arm64.manifest);
}

#[tokio::test]
async fn a_base_that_is_an_index_gives_its_amd64_image_without_index_types() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    site.registry.push_index(REPOSITORY, "merged", &buildx(&amd64));
    site.registry.push_index(REPOSITORY, "merged-arm", &buildx(&arm64));
    site.registry.push_index(REPOSITORY, "multi", &Index::oci().image(&arm64).image(&amd64).build());
    for tag in ["merged", "multi"] {
        served_as(&site.get(&manifest_path(tag), IMAGES_ONLY).await, OCI_MANIFEST, &amd64.manifest);
    }
}

#[tokio::test]
async fn without_an_amd64_image_there_is_nothing_for_a_client_without_index_types() {
    let site = Site::start(&[]).await;
    let images = ["linux/arm64", "linux/arm/v7"].map(|platform| Image::builder(platform).build());
    site.registry.push_index(REPOSITORY, "multi", &Index::oci().image(&images[0]).image(&images[1]).build());
    site.registry.push(REPOSITORY, "merged-arm64", &images[0]);
    site.registry.push(REPOSITORY, "merged-armv7", &images[1]);
    for tag in ["multi", "merged"] {
        assert_eq!(site.get(&manifest_path(tag), &[("accept", OCI_INDEX)]).await.status, 200);
        let refused = site.get(&manifest_path(tag), IMAGES_ONLY).await;
        let (status, code, _) = refusal(&refused);
        assert_eq!((status, &*code), (404, "MANIFEST_UNKNOWN"), "{tag}");
        assert_eq!(refused.header("vary"), Some("Accept"), "{tag}");
    }
}

#[tokio::test]
async fn vector_36_an_index_type_is_found_on_any_header_line() {
    let (site, legacy) = legacy_site().await;
    let lines = [
        &[("accept", DOCKER_MANIFEST), ("accept", "application/json"), ("accept", OCI_INDEX)][..],
        &[("accept", DOCKER_LIST), ("accept", DOCKER_MANIFEST), ("accept", OCI_MANIFEST)],
        &[("accept", "application/vnd.docker.distribution.manifest.list.v2+json;q=0.5")],
    ];
    for lines in lines {
        served_as(&site.get(&manifest_path("latest"), lines).await, DOCKER_LIST, legacy.merged());
    }
}

#[tokio::test]
async fn a_client_that_takes_anything_gets_the_index() {
    let (site, legacy) = legacy_site().await;
    for headers in [&[][..], &[("accept", "*/*")], &[("accept", DOCKER_MANIFEST), ("accept", "*/*")]] {
        served_as(&site.get(&manifest_path("latest"), headers).await, DOCKER_LIST, legacy.merged());
    }
}

#[tokio::test]
async fn a_digest_is_never_answered_by_anything_else() {
    let (site, legacy) = legacy_site().await;
    assert_eq!(site.manifest("latest").await.status, 200);
    let by_digest = site.get(&manifest_path(&sha256(legacy.merged())), DOCKER_ONLY).await;
    served_as(&by_digest, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_client_that_has_the_bytes_already_is_told_so() {
    let (site, legacy) = legacy_site().await;
    let etag = site.manifest("latest").await.header("etag").unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", sha256(legacy.merged())));
    let again = site.get(&manifest_path("latest"), &[("if-none-match", &etag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = site.get(&manifest_path("latest"), &[("if-none-match", "\"sha256:0\"")]).await;
    assert_eq!(other.status, 200);
}
