//! A client that onetag's own tests did not write: the crate oci-client.

use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::ImageIndexEntry;
use oci_client::secrets::RegistryAuth::Anonymous;
use oci_client::{Reference, RegistryOperation};
use testkit::{Image, sha256};

use crate::support::{Legacy, REPOSITORY, Site};

/// A client that takes the first entry for Linux on this architecture.
fn client(architecture: &'static str) -> Client {
    let resolver = move |entries: &[ImageIndexEntry]| {
        let fits = |entry: &&ImageIndexEntry| {
            let platform = entry.platform.as_ref();
            platform
                .is_some_and(|it| it.os.to_string() == "linux" && it.architecture.to_string() == architecture)
        };
        entries.iter().find(fits).map(|entry| entry.digest.clone())
    };
    Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        platform_resolver: Some(Box::new(resolver)),
        ..ClientConfig::default()
    })
}

fn reference(site: &Site, tag: &str) -> Reference {
    format!("{}/{REPOSITORY}:{tag}", site.onetag.address()).parse().expect("a reference")
}

/// Pulls all of an image by the name that both architectures share.
async fn pull(site: &Site, architecture: &'static str, image: &Image, merged: &str) {
    let (client, latest) = (client(architecture), reference(site, "latest"));
    client.auth(&latest, &Anonymous, RegistryOperation::Pull).await.expect("no login is asked for");
    let digest = client.fetch_manifest_digest(&latest, &Anonymous).await.expect("HEAD works");
    assert_eq!(digest, sha256(merged));
    let (_, child, list) =
        client.pull_image_manifest_and_list_digest(&latest, &Anonymous).await.expect("the manifest");
    assert_eq!((child, list), (image.digest(), Some(sha256(merged))));
    let types = image.layers.iter().map(|layer| layer.media_type.as_str()).collect();
    let pulled = client.pull(&latest, &Anonymous, types).await.expect("the image");
    assert_eq!(pulled.digest.as_deref(), Some(&*image.digest()));
    assert_eq!(pulled.config.data, image.config);
    let layers: Vec<_> = pulled.layers.iter().map(|layer| &layer.data[..]).collect();
    assert_eq!(layers, image.blobs().skip(1).collect::<Vec<_>>());
}

#[tokio::test]
async fn oci_client_pulls_the_image_of_either_platform_by_one_tag() {
    for legacy in [Legacy::docker(), Legacy::oci()] {
        let site = Site::start(&[]).await;
        legacy.push(&site.registry, "latest");
        pull(&site, "amd64", &legacy.amd64, &legacy.merged()).await;
        pull(&site, "arm64", &legacy.arm64, &legacy.merged()).await;
        let err =
            client("s390x").pull_image_manifest(&reference(&site, "latest"), &Anonymous).await.unwrap_err();
        assert!(matches!(err, OciDistributionError::ImageManifestNotFoundError(_)), "{err}");
    }
}

#[tokio::test]
async fn oci_client_pins_a_merged_index_and_pulls_by_that_digest() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let client = client("arm64");
    let latest = reference(&site, "latest");
    let digest = client.fetch_manifest_digest(&latest, &Anonymous).await.expect("HEAD works");
    Legacy::seeded(7).push(&site.registry, "latest");
    let pinned = latest.clone_with_digest(digest);
    let (_, child) = client.pull_image_manifest(&pinned, &Anonymous).await.expect("the old image");
    assert_eq!(child, legacy.arm64.digest());
}

#[tokio::test]
async fn oci_client_lists_the_tags_and_reads_the_errors() {
    let site = Site::start(&[]).await;
    Legacy::docker().push(&site.registry, "latest");
    let client = client("amd64");
    let page = client.list_tags(&reference(&site, "latest"), &Anonymous, Some(1), None).await.expect("tags");
    assert_eq!((page.name.as_str(), page.tags), (REPOSITORY, vec!["latest".to_owned()]));
    let err = client.pull_image_manifest(&reference(&site, "absent"), &Anonymous).await.unwrap_err();
    let OciDistributionError::RegistryError { envelope, .. } = err else { panic!("{err:?}") };
    let codes: Vec<_> = envelope.errors.iter().map(|error| &error.code).collect();
    assert_eq!(codes, [&OciErrorCode::ManifestUnknown]);
}
