//! The distribution project's own registry as the upstream. Skipped, aloud, where it is not installed.

use std::time::Duration;

use testkit::client::{self, Response};
use testkit::image::media_type::{DOCKER_LIST, OCI_INDEX};
use testkit::{DockerRegistry, Image, Onetag, sha256};

use crate::support::{ACCEPT, Legacy, REPOSITORY, entry, index, manifest_path, refusal, serve, served_as};

/// Pushes as `TAG` and `TAG-arm`.
fn push(registry: &DockerRegistry, tag: &str, legacy: &Legacy) {
    registry.push(REPOSITORY, tag, &legacy.amd64);
    registry.push(REPOSITORY, &format!("{tag}-arm"), &legacy.arm64);
}

async fn get(onetag: &Onetag, path: &str, headers: &[(&str, &str)]) -> Response {
    client::get(&format!("{}{path}", onetag.url()), headers).await.expect("onetag answers")
}

async fn manifest(onetag: &Onetag, reference: &str) -> Response {
    get(onetag, &manifest_path(reference), &[ACCEPT]).await
}

/// Pulls an image as a client does that chose it from an index.
async fn pull(onetag: &Onetag, image: &Image) {
    served_as(&manifest(onetag, &image.digest()).await, &image.media_type, &image.manifest);
    for blob in image.blobs() {
        let path = format!("/v2/{REPOSITORY}/blobs/{}", sha256(blob));
        let whole = get(onetag, &path, &[]).await;
        assert_eq!((whole.status, &whole.body[..]), (200, blob));
        let part = get(onetag, &path, &[("range", "bytes=1-3")]).await;
        assert_eq!((part.status, &part.body[..]), (206, &blob[1..=3]));
    }
}

#[tokio::test]
async fn two_tags_of_a_real_registry_are_pulled_as_one() {
    let Some(registry) = DockerRegistry::start() else { return };
    let onetag = serve(registry.url(), &[]);
    for (tag, legacy, media_type) in
        [("docker", Legacy::docker(), DOCKER_LIST), ("oci", Legacy::oci(), OCI_INDEX)]
    {
        push(&registry, tag, &legacy);
        let head = client::head(&format!("{}{}", onetag.url(), manifest_path(tag)), &[ACCEPT]).await.unwrap();
        assert_eq!(head.header("docker-content-digest"), Some(&*sha256(legacy.merged())));
        served_as(&manifest(&onetag, tag).await, media_type, legacy.merged());
        served_as(&manifest(&onetag, &sha256(legacy.merged())).await, media_type, legacy.merged());
        pull(&onetag, &legacy.amd64).await;
        pull(&onetag, &legacy.arm64).await;
    }
    // Registries of this kind exist that list tags in no order and know no pages.
    let list = get(&onetag, &format!("/v2/{REPOSITORY}/tags/list"), &[]).await.json();
    let mut tags: Vec<_> =
        list["tags"].as_array().expect("a list").iter().filter_map(|tag| tag.as_str()).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["docker", "docker-arm", "oci", "oci-arm"]);
    assert_eq!(refusal(&manifest(&onetag, "absent").await).0, 404);
}

#[tokio::test]
async fn a_digest_outlives_a_restart_and_the_images_that_the_registry_lost() {
    let Some(registry) = DockerRegistry::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().to_str().expect("a path in UTF-8");
    let args = ["--data-dir", data_dir, "--tag-ttl", "0s"];
    let (old, new) = (Legacy::seeded(1), Legacy::seeded(2));
    push(&registry, "latest", &old);
    let mut onetag = serve(registry.url(), &args);
    served_as(&manifest(&onetag, "latest").await, DOCKER_LIST, old.merged());
    onetag.kill();
    onetag.wait(Duration::from_secs(5));

    push(&registry, "latest", &new);
    registry.delete_manifest(REPOSITORY, &old.amd64.digest());
    let onetag = serve(registry.url(), &args);
    served_as(&manifest(&onetag, "latest").await, DOCKER_LIST, new.merged());
    served_as(&manifest(&onetag, &sha256(old.merged())).await, DOCKER_LIST, old.merged());
    pull(&onetag, &old.arm64).await;
    // What onetag fetched stays in its data directory, also where the registry lost it.
    let lost = manifest(&onetag, &old.amd64.digest()).await;
    served_as(&lost, &old.amd64.media_type, &old.amd64.manifest);
    let never = manifest(&onetag, &sha256("never pushed")).await;
    assert_eq!((refusal(&never).0, &*refusal(&never).1), (404, "MANIFEST_UNKNOWN"));
}

#[tokio::test]
async fn a_push_to_the_registry_is_seen_when_the_tag_is_asked_for_again() {
    let Some(registry) = DockerRegistry::start() else { return };
    let onetag = serve(registry.url(), &["--tag-ttl", "0s", "--negative-ttl", "0s"]);
    let legacy = Legacy::docker();
    assert_eq!(refusal(&manifest(&onetag, "latest").await).0, 404);
    registry.push(REPOSITORY, "latest", &legacy.amd64);
    served_as(&manifest(&onetag, "latest").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
    registry.push(REPOSITORY, "latest-arm", &legacy.arm64);
    served_as(&manifest(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    let v7 = Image::builder("linux/arm/v7").docker().build();
    registry.push(REPOSITORY, "latest-armv7", &v7);
    let entries = [
        entry(&legacy.amd64, "linux/amd64"),
        entry(&v7, "linux/arm/v7"),
        entry(&legacy.arm64, "linux/arm64/v8"),
    ];
    served_as(&manifest(&onetag, "latest").await, DOCKER_LIST, index(DOCKER_LIST, &entries));
}

#[tokio::test]
async fn a_real_registry_that_asks_for_a_password_gets_it() {
    let Some(registry) = DockerRegistry::start_with_basic() else { return };
    let legacy = Legacy::docker();
    push(&registry, "latest", &legacy);
    let credentials =
        ["--upstream-username", DockerRegistry::USER, "--upstream-password", DockerRegistry::PASSWORD];
    let onetag = serve(registry.url(), &credentials);
    served_as(&manifest(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    pull(&onetag, &legacy.arm64).await;
    let (status, code, _) = refusal(&manifest(&serve(registry.url(), &[]), "latest").await);
    assert_eq!((status, &*code), (403, "DENIED"));
}
