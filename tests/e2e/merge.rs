//! Single-architecture tags become one index, with no configuration at all.

use std::time::Duration;

use http::HeaderMap;
use serde_json::json;
use testkit::client::Response;
use testkit::image::media_type::{DOCKER_LIST, OCI_INDEX};
use testkit::image::{attestation_of, buildx};
use testkit::{Fault, Image, Index, Match, sha256};

use crate::support::{
    ACCEPT, Legacy, REPOSITORY, Site, entry, entry_json, index, manifest_path, serve, served_as,
};

const UNKNOWN: &str = r#"{"architecture":"unknown","os":"unknown"}"#;

/// All headers but those that differ from moment to moment.
fn lasting(response: &Response) -> HeaderMap {
    let mut headers = response.headers.clone();
    headers.remove("date");
    headers
}

/// Pulls a tag in all the ways that clients do.
async fn pull(site: &Site, tag: &str, media_type: &str, expected: &str) {
    let head = site.head(&manifest_path(tag), &[ACCEPT]).await;
    let get = site.manifest(tag).await;
    served_as(&get, media_type, expected);
    assert_eq!(get.header("vary"), Some("Accept"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(lasting(&head), lasting(&get));
    let by_digest = site.manifest(&sha256(expected)).await;
    served_as(&by_digest, media_type, expected);
    let head = site.head(&manifest_path(&sha256(expected)), &[ACCEPT]).await;
    assert_eq!((head.status, lasting(&head)), (200, lasting(&by_digest)));
}

async fn pull_image(site: &Site, image: &Image) {
    served_as(&site.manifest(&image.digest()).await, &image.media_type, &image.manifest);
    for blob in image.blobs() {
        let got = site.blob(&sha256(blob), &[]).await.expect("the whole blob");
        assert_eq!((got.status, &got.body[..]), (200, blob));
        assert_eq!(got.header("docker-content-digest"), Some(&*sha256(blob)));
    }
}

/// The entry of the attestation about an image.
fn attestation_entry(image: &Image) -> String {
    let annotations = format!(
        r#"{{"vnd.docker.reference.digest":"{}","vnd.docker.reference.type":"attestation-manifest"}}"#,
        image.digest()
    );
    entry_json(&attestation_of(image), &annotations, UNKNOWN)
}

#[tokio::test]
async fn a_legacy_pair_is_pulled_as_one_index_and_each_image_behind_it_byte_for_byte() {
    let mixed = Legacy { amd64: Legacy::docker().amd64, arm64: Legacy::oci().arm64 };
    for (legacy, media_type) in
        [(Legacy::docker(), DOCKER_LIST), (Legacy::oci(), OCI_INDEX), (mixed, OCI_INDEX)]
    {
        let site = Site::start(&[]).await;
        legacy.push(&site.registry, "latest");
        pull(&site, "latest", media_type, &legacy.merged()).await;
        pull_image(&site, &legacy.amd64).await;
        pull_image(&site, &legacy.arm64).await;
    }
}

#[tokio::test]
async fn every_default_suffix_names_a_member() {
    let site = Site::start(&[]).await;
    let cases = [
        ("arm", "linux/arm64", "linux/arm64/v8"),
        ("arm64", "linux/arm64", "linux/arm64/v8"),
        ("arm64v8", "linux/arm64/v8", "linux/arm64/v8"),
        ("aarch64", "linux/arm64", "linux/arm64/v8"),
        ("armv7", "linux/arm/v7", "linux/arm/v7"),
        ("arm32v7", "linux/arm/v7", "linux/arm/v7"),
        ("armhf", "linux/arm/v7", "linux/arm/v7"),
        ("amd64", "linux/amd64", "linux/amd64"),
        ("x86_64", "linux/amd64", "linux/amd64"),
    ];
    let base = Image::builder("linux/s390x").build();
    for (suffix, platform, _) in cases {
        site.registry.push(REPOSITORY, &format!("for.{suffix}.v1"), &base);
        site.registry.push(
            REPOSITORY,
            &format!("for.{suffix}.v1-{suffix}"),
            &Image::builder(platform).build(),
        );
    }
    for (suffix, platform, shown) in cases {
        let member = Image::builder(platform).build();
        let expected = index(OCI_INDEX, &[entry(&member, shown), entry(&base, "linux/s390x")]);
        served_as(&site.manifest(&format!("for.{suffix}.v1")).await, OCI_INDEX, expected);
    }
}

#[tokio::test]
async fn vector_21_attestations_of_both_sides_stand_behind_all_images() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    let images = [entry(&amd64, "linux/amd64"), entry(&arm64, "linux/arm64/v8")];
    let (of_base, of_member) = ([attestation_entry(&amd64)], [attestation_entry(&arm64)]);
    for (tag, attestations) in [
        ("both", [&of_base[..], &of_member[..]].concat()),
        ("base", of_base.into()),
        ("member", of_member.into()),
    ] {
        if tag == "member" {
            site.registry.push(REPOSITORY, tag, &amd64);
        } else {
            site.registry.push_index(REPOSITORY, tag, &buildx(&amd64));
        }
        if tag == "base" {
            site.registry.push(REPOSITORY, "base-arm64", &arm64);
        } else {
            site.registry.push_index(REPOSITORY, &format!("{tag}-arm64"), &buildx(&arm64));
        }
        pull(&site, tag, OCI_INDEX, &index(OCI_INDEX, &[&images[..], &attestations].concat())).await;
    }
    pull_image(&site, &attestation_of(&arm64)).await;
}

#[tokio::test]
async fn vector_25_the_annotations_of_a_one_platform_base_stay() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    let mut described = amd64.descriptor_json();
    described["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    described["annotations"] = json!({ "z": "last", "org.example.note": "kept \u{e9}" });
    let base = Index::oci().descriptor(described).build();
    site.registry.push(REPOSITORY, "", &amd64);
    site.registry.push_index(REPOSITORY, "latest", &base);
    site.registry.push(REPOSITORY, "latest-arm", &arm64);
    let kept = entry_json(
        &amd64,
        "{\"org.example.note\":\"kept \u{e9}\",\"z\":\"last\"}",
        r#"{"architecture":"amd64","os":"linux"}"#,
    );
    pull(&site, "latest", OCI_INDEX, &index(OCI_INDEX, &[kept, entry(&arm64, "linux/arm64/v8")])).await;
}

#[tokio::test]
async fn vector_26_nested_indexes_are_flattened_up_to_their_limit() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::oci();
    for depth in [2, 4, 5] {
        let innermost = Index::oci().image(&legacy.arm64).build();
        let member = (1..depth).fold(innermost, |inner, _| Index::oci().nested(&inner).build());
        site.registry.push(REPOSITORY, &format!("depth{depth}"), &legacy.amd64);
        site.registry.push_index(REPOSITORY, &format!("depth{depth}-arm"), &member);
    }
    pull(&site, "depth2", OCI_INDEX, &legacy.merged()).await;
    pull(&site, "depth4", OCI_INDEX, &legacy.merged()).await;
    served_as(&site.manifest("depth5").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
}

#[tokio::test]
async fn vector_30_an_entry_without_a_platform_gets_that_of_its_config() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::oci();
    site.registry.push(REPOSITORY, "latest", &legacy.amd64);
    site.registry.push_index(REPOSITORY, "latest-arm", &Index::oci().image_as(&legacy.arm64, None).build());
    pull(&site, "latest", OCI_INDEX, &legacy.merged()).await;
}

#[tokio::test]
async fn vector_40_odd_white_space_stays_in_the_child_and_counts_in_its_size() {
    let site = Site::start(&[]).await;
    let odd = |platform| Image::builder(platform).docker().odd_whitespace().build();
    let legacy = Legacy { amd64: odd("linux/amd64"), arm64: odd("linux/arm64") };
    assert_ne!(legacy.amd64.manifest, Legacy::docker().amd64.manifest);
    legacy.push(&site.registry, "latest");
    pull(&site, "latest", DOCKER_LIST, &legacy.merged()).await;
    pull_image(&site, &legacy.arm64).await;
}

#[tokio::test]
async fn vector_05_without_a_base_one_member_passes_and_two_are_merged() {
    let site = Site::start(&[]).await;
    let arm64 = Image::builder("linux/arm64").docker().build();
    let v7 = Image::builder("linux/arm/v7").docker().build();
    site.registry.push(REPOSITORY, "one-arm", &arm64);
    site.registry.push(REPOSITORY, "two-arm64", &arm64);
    site.registry.push(REPOSITORY, "two-armv7", &v7);
    pull(&site, "one", &arm64.media_type, &String::from_utf8_lossy(&arm64.manifest)).await;
    let both = index(DOCKER_LIST, &[entry(&v7, "linux/arm/v7"), entry(&arm64, "linux/arm64/v8")]);
    pull(&site, "two", DOCKER_LIST, &both).await;
}

#[tokio::test]
async fn vector_06_neither_latency_nor_the_order_of_suffixes_changes_the_digest() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let armv7 = Image::builder("linux/arm/v7").docker().build();
    site.registry.push(REPOSITORY, "latest-armv7", &armv7);
    let expected = index(
        DOCKER_LIST,
        &[
            entry(&legacy.amd64, "linux/amd64"),
            entry(&armv7, "linux/arm/v7"),
            entry(&legacy.arm64, "linux/arm64/v8"),
        ],
    );
    for (slow, suffixes) in
        [("latest", "arm,armv7"), ("latest-arm", "armv7,arm"), ("latest-armv7", "arm,armv7")]
    {
        let onetag = serve(&site.registry.url(), &["--suffixes", suffixes]);
        let fault =
            site.registry.fail(Match::manifest(REPOSITORY, slow), Fault::Delay(Duration::from_millis(150)));
        let url = format!("{}{}", onetag.url(), manifest_path("latest"));
        let got = testkit::client::get(&url, &[ACCEPT]).await.unwrap();
        served_as(&got, DOCKER_LIST, &expected);
        assert_eq!(site.registry.hits(fault), 1);
        site.registry.heal();
    }
}

#[tokio::test]
async fn vector_27_a_docker_list_of_one_image_is_flattened() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::docker();
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push_index(REPOSITORY, "latest-arm", &Index::docker_list().image_as(&arm64, None).build());
    let expected = index(DOCKER_LIST, &[entry(&amd64, "linux/amd64"), entry(&arm64, "linux/arm64/v8")]);
    served_as(&site.manifest("latest").await, DOCKER_LIST, expected);
}

#[tokio::test]
async fn vector_41_an_index_over_the_limit_is_refused_counted_and_the_base_served() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    let mut many = Index::oci();
    for variant in 10..266 {
        let platform =
            serde_json::json!({ "os": "linux", "architecture": "arm64", "variant": format!("v{variant}") });
        many = many.image_as(&arm64, Some(platform));
    }
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push_index(REPOSITORY, "latest-arm64", &many.build());
    served_as(&site.manifest("latest").await, &amd64.media_type, &amd64.manifest);
    let metrics = format!("{}/metrics", site.onetag.admin_url());
    let metrics = testkit::client::get(&metrics, &[]).await.expect("metrics");
    assert!(metrics.text().contains("onetag_merges_refused_total 1"), "{}", metrics.text());
    assert!(site.onetag.stderr_text().contains("257 entries would be over the limit"));
}
