//! Indexes of harder kinds: every client takes from them what is meant for it.

use serde_json::Value;
use testkit::image::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use testkit::image::{Image, ImageBuilder, Index, attestation_of, buildx};

use crate::buildah::Buildah;
use crate::containerd::Containerd;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::skopeo::Skopeo;
use crate::support::{Arrival, Content, Puller, Site, fresh_seed, platform_name};

const AMD64: &str = "linux/amd64";
const ARM64: &str = "linux/arm64/v8";
const ARM: &str = "linux/arm";
const V5: &str = "linux/arm/v5";
const V6: &str = "linux/arm/v6";
const V7: &str = "linux/arm/v7";
const S390X: &str = "linux/s390x";
const WINDOWS: &str = "windows/amd64";
const UNKNOWN: &str = "unknown/unknown";

type Client = Box<dyn Puller>;

fn boxed(client: Option<impl Puller + 'static>) -> Option<Client> {
    client.map(|client| Box::new(client) as _)
}

fn docker() -> Option<Client> {
    boxed(Docker::installed())
}

fn containerd() -> Option<Client> {
    boxed(Containerd::installed())
}

/// The clients that choose with the library containers/image.
fn library_clients() -> impl Iterator<Item = Client> {
    [boxed(Podman::installed()), boxed(Buildah::installed()), boxed(Skopeo::installed())]
        .into_iter()
        .flatten()
}

/// All clients that are installed; the others say that they are skipped.
fn clients() -> impl Iterator<Item = Client> {
    docker().into_iter().chain(containerd()).chain(library_clients())
}

/// An image that no other test has, with the name of its platform in the file `/arch`.
fn builder(platform: &str) -> ImageBuilder {
    Image::builder(platform).file("/arch", platform.as_bytes()).seed(fresh_seed())
}

fn docker_image(platform: &str) -> Image {
    builder(platform).docker().build()
}

fn oci_image(platform: &str) -> Image {
    builder(platform).oci().build()
}

fn windows_image(version: &str) -> Image {
    let name = format!("{WINDOWS}/{version}");
    let builder = Image::builder(WINDOWS).os_version(version).file("/arch", name.as_bytes());
    builder.docker().seed(fresh_seed()).build()
}

fn site_of<const N: usize>(tags: [(&str, &Image); N]) -> Option<Site> {
    Site::of(&tags.map(|(tag, image)| (tag, Content::Image(image.clone()))))
}

/// The platforms of the merged index, in its order.
fn listed(site: &Site) -> Vec<String> {
    site.entries().iter().map(|entry| platform_name(&entry["platform"])).collect()
}

fn media_type(site: &Site) -> Value {
    let mut index: Value = serde_json::from_slice(site.index()).expect("the index is JSON");
    index["mediaType"].take()
}

#[track_caller]
fn assert_pulls(client: &dyn Puller, site: &Site, platform: &str, image: &Image) {
    let arrival = client.pull(platform, &site.reference());
    assert_eq!(arrival, Ok(Arrival::of(image)), "{} for {platform}", client.name());
}

#[track_caller]
fn assert_refuses(client: &dyn Puller, site: &Site, platform: &str, because: &str) {
    let refusal = client.pull(platform, &site.reference()).expect_err(client.name());
    assert!(refusal.contains(because), "{} for {platform}: {refusal}", client.name());
}

/// Every client pulls either image, each over the other.
#[track_caller]
fn assert_all_pull_both(site: &Site, [amd64, arm64]: &[Image; 2]) {
    for client in clients() {
        assert_pulls(&*client, site, AMD64, amd64);
        assert_pulls(&*client, site, ARM64, arm64);
    }
}

/// amd64 under `latest`, arm/v6 under `latest-armhf`.
fn with_armhf() -> Option<(Site, Image, Image)> {
    let (amd64, v6) = (docker_image(AMD64), docker_image(V6));
    let site = site_of([("latest", &amd64), ("latest-armhf", &v6)])?;
    assert_eq!(listed(&site), [AMD64, V6]);
    Some((site, amd64, v6))
}

/// [`with_armhf`] and arm/v7 under `latest-armv7`; the two arm images.
fn with_armhf_and_armv7() -> Option<(Site, Image, Image)> {
    let (amd64, v6, v7) = (docker_image(AMD64), docker_image(V6), docker_image(V7));
    let site = site_of([("latest", &amd64), ("latest-armhf", &v6), ("latest-armv7", &v7)])?;
    assert_eq!(listed(&site), [AMD64, V6, V7]);
    Some((site, v6, v7))
}

#[test]
fn a_v7_host_takes_the_v6_image_of_an_armhf_tag() {
    let Some((site, amd64, v6)) = with_armhf() else { return };
    for client in docker().into_iter().chain(library_clients()) {
        assert_pulls(&*client, &site, V7, &v6);
        assert_pulls(&*client, &site, V6, &v6);
        assert_pulls(&*client, &site, AMD64, &amd64);
        assert_refuses(&*client, &site, S390X, client.no_match());
    }
}

/// containerd runs the v6 image on a v7 host, as the library that docker chooses with does. But `ctr` with
/// `--platform` fetches exact matches only, and then misses what containerd chose.
#[test]
fn a_v7_host_takes_the_v6_image_of_an_armhf_tag_once_ctr_has_fetched_it() {
    let Some(containerd) = Containerd::installed() else { return };
    let Some((site, amd64, v6)) = with_armhf() else { return };
    let missing = format!("content digest {}: not found", v6.digest());
    assert_refuses(&containerd, &site, V7, &missing);
    assert_refuses(&containerd, &site, S390X, containerd.no_match());
    containerd.fetch_all(&site.reference());
    assert_eq!(containerd.arrival(V7, &site.reference()), Arrival::of(&v6));
    assert_pulls(&containerd, &site, V6, &v6);
    assert_pulls(&containerd, &site, AMD64, &amd64);
}

#[test]
fn a_v7_host_takes_the_v7_image_where_there_is_a_v6_image_too() {
    let Some((site, v6, v7)) = with_armhf_and_armv7() else { return };
    for client in clients() {
        assert_pulls(&*client, &site, V7, &v7);
        assert_pulls(&*client, &site, V6, &v6);
        // arm without a variant is v7 to docker and containerd, and the newest to the others.
        assert_pulls(&*client, &site, ARM, &v7);
    }
}

/// docker alone takes an arm image that the host may not run, rather than none; as it takes the first, the
/// order of the index gives it the least demanding one.
#[test]
fn a_v5_host_takes_no_newer_image_except_with_docker() {
    let Some((site, v6, _v7)) = with_armhf_and_armv7() else { return };
    for client in containerd().into_iter().chain(library_clients()) {
        assert_refuses(&*client, &site, V5, client.no_match());
    }
    if let Some(client) = docker() {
        assert_pulls(&*client, &site, V5, &v6);
    }
}

/// linux and two versions of windows, whose images are returned in the order of the index.
fn with_windows() -> Option<(Site, [Image; 3])> {
    let (old, new) = (windows_image("10.0.17763.6414"), windows_image("10.0.20348.2762"));
    let linux = docker_image(AMD64);
    let site = site_of([("latest", &old), ("latest-x86_64", &new), ("latest-amd64", &linux)])?;
    assert_eq!(listed(&site), [AMD64, "windows/amd64/10.0.20348.2762", "windows/amd64/10.0.17763.6414"]);
    Some((site, [linux, new, old]))
}

#[test]
fn a_linux_host_takes_the_linux_image_where_the_tag_itself_is_for_windows() {
    let Some((site, [linux, ..])) = with_windows() else { return };
    for client in clients() {
        assert_pulls(&*client, &site, AMD64, &linux);
    }
}

/// On linux no client has a windows version of its own to compare with: it takes the first, which the order
/// of the index makes the newest. docker finds it too, and declines to store it.
#[test]
fn a_client_that_is_told_windows_takes_the_newest_version() {
    let Some((site, [_linux, new, _old])) = with_windows() else { return };
    for client in containerd().into_iter().chain(library_clients()) {
        assert_pulls(&*client, &site, WINDOWS, &new);
    }
    if let Some(client) = docker() {
        assert_refuses(&*client, &site, WINDOWS, "operating system \"windows\" cannot be used");
    }
}

/// Two tags as buildx pushes them: an index of the image and its attestation each.
fn with_attestations() -> Option<(Site, [Image; 2])> {
    let images = [AMD64, ARM64].map(oci_image);
    let [amd64, arm64] = images.each_ref().map(|image| Content::Index(buildx(image)));
    let site = Site::of(&[("latest", amd64), ("latest-arm64", arm64)])?;
    assert_eq!(listed(&site), [AMD64, ARM64, UNKNOWN, UNKNOWN]);
    Some((site, images))
}

#[test]
fn all_clients_pull_either_platform_beside_attestations() {
    let Some((site, images)) = with_attestations() else { return };
    assert_all_pull_both(&site, &images);
}

#[test]
fn attestations_are_there_by_digest() {
    let Some((site, images)) = with_attestations() else { return };
    for (image, entry) in images.iter().zip(&site.entries()[2..]) {
        let attestation = attestation_of(image);
        assert_eq!(entry["digest"], attestation.digest());
        assert_eq!(entry["annotations"]["vnd.docker.reference.digest"], image.digest());
        let manifest = site.fetch(&format!("manifests/{}", attestation.digest()));
        assert_eq!(manifest.body, attestation.manifest);
        let statement = &attestation.layers[0];
        assert_eq!(site.fetch(&format!("blobs/{}", statement.digest())).body, statement.bytes);
    }
}

#[test]
fn containerd_fetches_all_images_with_their_attestations() {
    let Some(containerd) = Containerd::installed() else { return };
    let Some((site, images)) = with_attestations() else { return };
    containerd.fetch_all(&site.reference());
    let fetched = containerd.digests();
    for image in images.iter().flat_map(|image| [image.clone(), attestation_of(image)]) {
        for digest in [image.digest(), image.config_digest(), image.layers[0].digest()] {
            assert!(fetched.contains(&digest), "{digest} is missing in {fetched:?}");
        }
    }
}

#[test]
fn all_clients_pull_either_platform_where_a_member_is_a_manifest_list_of_one() {
    let images = [AMD64, ARM64].map(docker_image);
    let list = Index::docker_list().image(&images[1]).build();
    let tags = [("latest", Content::Image(images[0].clone())), ("latest-arm", Content::Index(list))];
    let Some(site) = Site::of(&tags) else { return };
    assert_eq!(media_type(&site), DOCKER_LIST);
    assert_eq!(listed(&site), [AMD64, ARM64]);
    assert_all_pull_both(&site, &images);
}

#[test]
fn all_clients_pull_either_platform_of_an_index_of_docker_and_oci_images() {
    let images = [docker_image(AMD64), oci_image(ARM64)];
    let Some(site) = site_of([("latest", &images[0]), ("latest-arm", &images[1])]) else { return };
    assert_eq!(media_type(&site), OCI_INDEX);
    assert_eq!(listed(&site), [AMD64, ARM64]);
    let children: Vec<_> = site.entries().iter().map(|entry| entry["mediaType"].clone()).collect();
    assert_eq!(children, [DOCKER_MANIFEST, OCI_MANIFEST]);
    assert_all_pull_both(&site, &images);
}
