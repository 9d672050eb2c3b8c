//! The platform of an entry is the config's, in its normal form.

use testkit::image::media_type::OCI_INDEX;
use testkit::{Image, Index, sha256};

use crate::support::{Legacy, REPOSITORY, Site, entry, entry_json, index, served_as, whole_log};

#[tokio::test]
async fn vectors_07_to_16_each_spelling_of_a_platform_is_written_one_way() {
    let site = Site::start(&[]).await;
    let base = Image::builder("linux/s390x").build();
    let cases = [
        ("arm", Image::builder("linux/arm64").variant(Some("8")), "linux/arm64/v8"),
        ("arm", Image::builder("linux/arm64").variant(Some("v8")), "linux/arm64/v8"),
        ("arm", Image::builder("linux/arm64").variant(None), "linux/arm64/v8"),
        ("arm", Image::builder("linux/aarch64"), "linux/arm64/v8"),
        ("amd64", Image::builder("linux/amd64/v1"), "linux/amd64"),
        ("amd64", Image::builder("linux/amd64/v8"), "linux/amd64"),
        ("amd64", Image::builder("linux/amd64/v3"), "linux/amd64/v3"),
        ("amd64", Image::builder("linux/x86_64"), "linux/amd64"),
        ("arm", Image::builder("linux/arm"), "linux/arm/v7"),
        ("arm", Image::builder("linux/arm/v6"), "linux/arm/v6"),
        ("arm", Image::builder("linux/arm/armv7"), "linux/arm/v7"),
        ("armhf", Image::builder("linux/arm/v6"), "linux/arm/v6"),
        ("arm64", Image::builder("linux/amd64").architecture(None), "linux/arm64/v8"),
    ];
    let cases = cases.map(|(suffix, member, shown)| (suffix, member.build(), shown));
    for (number, (suffix, member, _)) in cases.iter().enumerate() {
        site.registry.push(REPOSITORY, &format!("v{number}"), &base);
        site.registry.push(REPOSITORY, &format!("v{number}-{suffix}"), member);
    }
    for (number, (_, member, shown)) in cases.iter().enumerate() {
        let expected = index(OCI_INDEX, &[entry(member, shown), entry(&base, "linux/s390x")]);
        served_as(&site.manifest(&format!("v{number}")).await, OCI_INDEX, expected);
    }
}

#[tokio::test]
async fn vector_12_variants_of_arm_stand_from_the_least_demanding_to_the_most() {
    let site = Site::start(&["--suffixes", "armv7,armv6,armv5"]).await;
    let images = ["v5", "v6", "v7"].map(|variant| Image::builder(&format!("linux/arm/{variant}")).build());
    for (image, suffix) in images.iter().zip(["armv5", "armv6", "armv7"]) {
        site.registry.push(REPOSITORY, &format!("latest-{suffix}"), image);
    }
    let entries = [
        entry(&images[0], "linux/arm/v5"),
        entry(&images[1], "linux/arm/v6"),
        entry(&images[2], "linux/arm/v7"),
    ];
    served_as(&site.manifest("latest").await, OCI_INDEX, index(OCI_INDEX, &entries));
}

#[tokio::test]
async fn vector_28_versions_and_features_of_windows_are_kept_and_ordered() {
    let site = Site::start(&[]).await;
    let linux = Image::builder("linux/arm64").build();
    let windows = |version| {
        Image::builder("windows/amd64").os_version(version).os_features(&["win32k"]).seed(1).build()
    };
    let (old, new) = (windows("10.0.17763.5122"), windows("10.0.20348.2113"));
    let base = Index::oci().image(&old).image(&new).build();
    site.registry.push(REPOSITORY, "latest-arm", &linux);
    site.registry.push_index(REPOSITORY, "latest-amd64", &base);
    let windows_entry = |image, version| {
        let version = format!(r#""os.version":"{version}","os.features":["win32k"]"#);
        entry_json(image, "", &format!(r#"{{"architecture":"amd64","os":"windows",{version}}}"#))
    };
    let entries = [
        entry(&linux, "linux/arm64/v8"),
        windows_entry(&new, "10.0.20348.2113"),
        windows_entry(&old, "10.0.17763.5122"),
    ];
    served_as(&site.manifest("latest").await, OCI_INDEX, index(OCI_INDEX, &entries));
}

#[tokio::test]
async fn vector_17_a_member_whose_config_contradicts_its_tag_is_left_out_and_told() {
    let site = Site::start(&[]).await;
    let base = Legacy::docker().amd64;
    let liar = Image::builder("linux/amd64").docker().seed(1).build();
    site.registry.push(REPOSITORY, "latest", &base);
    site.registry.push(REPOSITORY, "latest-arm64", &liar);
    served_as(&site.manifest("latest").await, &base.media_type, &base.manifest);
    let log = whole_log(site.onetag);
    assert!(log.contains("latest-arm64") && log.contains("linux/amd64"), "{log}");
}

#[tokio::test]
async fn vector_19_one_image_under_two_tags_passes_as_it_is() {
    let site = Site::start(&[]).await;
    let image = Legacy::docker().arm64;
    site.registry.push(REPOSITORY, "latest", &image);
    site.registry.push(REPOSITORY, "latest-arm", &image);
    served_as(&site.manifest("latest").await, &image.media_type, &image.manifest);
}

#[tokio::test]
async fn vector_20_of_two_images_for_one_platform_the_first_suffix_wins() {
    let site = Site::start(&["--suffixes", "arm64,arm"]).await;
    let Legacy { amd64, arm64 } = Legacy::docker();
    let second = Image::builder("linux/arm64").docker().seed(2).build();
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "latest-arm", &second);
    site.registry.push(REPOSITORY, "latest-arm64", &arm64);
    let expected = Legacy { amd64, arm64 }.merged();
    assert_eq!(site.manifest("latest").await.header("docker-content-digest"), Some(&*sha256(expected)));
}

#[tokio::test]
async fn vector_42_an_image_named_by_sha512_stays_so_in_an_index_named_by_sha256() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    let digest = testkit::sha512(&arm64.manifest);
    let mut described = arm64.descriptor_json();
    described["digest"] = digest.clone().into();
    described["platform"] = serde_json::json!({ "os": "linux", "architecture": "arm64" });
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "", &arm64);
    site.registry.push_index(REPOSITORY, "latest-arm", &Index::oci().descriptor(described).build());
    let expected = Legacy { amd64, arm64: arm64.clone() }.merged().replace(&arm64.digest(), &digest);
    served_as(&site.manifest("latest").await, OCI_INDEX, expected);
    assert_eq!(site.manifest(&digest).await.body, arm64.manifest);
}
