//! What clients push through onetag is merged at the next pull.

use testkit::image::{Image, sha256};

use crate::buildah::Buildah;
use crate::containerd::Containerd;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::skopeo::Skopeo;
use crate::support::{Arrival, Front, PLATFORMS, Pusher, Scratch, Way, large_image};

/// Pushes both images, each under its tag. What was pulled between the two, onetag has in its cache.
#[track_caller]
fn assert_merges_what_is_pushed(client: &dyn Pusher, front: &Front) {
    let latest = front.reference("latest");
    let pull = |platform| client.pull(platform, &latest).unwrap_or_else(|failure| panic!("{failure}"));
    let push =
        |image, tag| client.push(image, &front.reference(tag)).unwrap_or_else(|failure| panic!("{failure}"));
    let [amd64, arm64] = PLATFORMS.map(large_image);
    push(&amd64, "latest");
    assert_eq!(pull(PLATFORMS[0]), Arrival::of(&amd64));
    assert!(front.platforms("team/app", "latest").is_empty(), "there is one image");
    push(&arm64, "latest-arm");
    assert_eq!(pull(PLATFORMS[1]), Arrival::of(&arm64));
    assert_eq!(pull(PLATFORMS[0]), Arrival::of(&amd64));
    assert_eq!(front.platforms("team/app", "latest"), PLATFORMS);
    let newer = large_image(PLATFORMS[0]);
    push(&newer, "latest");
    assert_eq!(pull(PLATFORMS[0]), Arrival::of(&newer));
    assert_eq!(pull(PLATFORMS[1]), Arrival::of(&arm64));
}

#[track_caller]
fn assert_client_merges<C: Pusher>(reaching: fn(Way) -> Option<C>) {
    let Some(front) = Front::open() else { return };
    let Some(client) = reaching(front.way()) else { return };
    assert_merges_what_is_pushed(&client, &front);
}

#[test]
fn what_docker_pushes_is_merged_at_its_next_pull() {
    assert_client_merges(Docker::reaching);
}

#[test]
fn what_podman_pushes_is_merged_at_its_next_pull() {
    assert_client_merges(Podman::reaching);
}

#[test]
fn what_buildah_pushes_is_merged_at_its_next_pull() {
    assert_client_merges(Buildah::reaching);
}

#[test]
fn what_skopeo_pushes_is_merged_at_its_next_pull() {
    assert_client_merges(Skopeo::reaching);
}

#[test]
fn what_containerd_pushes_is_merged_at_its_next_pull() {
    assert_client_merges(Containerd::reaching);
}

/// Each pushes one of the images.
#[test]
fn what_two_clients_push_is_merged_for_a_third() {
    let Some(front) = Front::open() else { return };
    let Some(docker) = Docker::reaching(front.way()) else { return };
    let Some(podman) = Podman::reaching(front.way()) else { return };
    let Some(containerd) = Containerd::reaching(front.way()) else { return };
    let [amd64, arm64] = PLATFORMS.map(large_image);
    docker.push(&amd64, &front.reference("latest")).expect("docker pushes");
    podman.push(&arm64, &front.reference("latest-arm")).expect("podman pushes");
    let clients: [&dyn Pusher; 3] = [&containerd, &docker, &podman];
    for (platform, image) in PLATFORMS.iter().zip([&amd64, &arm64]) {
        for client in clients {
            let arrival = client.pull(platform, &front.reference("latest"));
            assert_eq!(arrival, Ok(Arrival::of(image)), "{}", client.name());
        }
    }
}

/// docker remembers where it has pushed a layer, and asks for it to be taken from there: with a token for both
/// repositories.
#[test]
fn docker_has_its_layers_mounted_from_the_repository_that_it_pushed_to_before() {
    let Some(front) = Front::with_tokens() else { return };
    let Some(docker) = Docker::reaching(front.way()) else { return };
    docker.log_in(front.address()).expect("docker logs in");
    let image = large_image(PLATFORMS[0]);
    docker.push(&image, &front.reference("latest")).expect("the first push");
    let told = docker.push(&image, &front.reference_in("team/other", "latest")).expect("the second push");
    assert_eq!(told.matches("Mounted from team/app").count(), image.layers.len(), "{told}");
    assert_eq!(front.mounts("team/other"), image.layers.len());
    let client: &dyn Pusher = &docker;
    let arrival = client.pull(PLATFORMS[0], &front.reference_in("team/other", "latest"));
    assert_eq!(arrival, Ok(Arrival::of(&image)));
}

/// Both images of the merged index, and the index itself, go to another repository of the same registry.
#[test]
fn skopeo_copies_the_merged_index_to_another_repository_by_mounts() {
    let Some(front) = Front::open() else { return };
    let Some(skopeo) = Skopeo::reaching(front.way()) else { return };
    let images = push_both(&skopeo, &front);
    let source = format!("docker://{}", front.reference("latest"));
    let target = format!("docker://{}", front.reference_in("team/other", "latest"));
    let copy = ["--all", "--preserve-digests", &source, &target];
    skopeo.call("copy", &["src", "dest"], &copy).expect("skopeo copies");
    assert_eq!(front.index("team/other", "latest").body, front.index("team/app", "latest").body);
    let layers: usize = images.iter().map(|image| image.layers.len()).sum();
    assert_eq!(front.mounts("team/other"), layers, "each layer; configs are uploaded");
}

#[test]
fn skopeo_sync_takes_the_merged_index_to_a_directory_and_back_without_changing_it() {
    let Some(front) = Front::open() else { return };
    let Some(skopeo) = Skopeo::reaching(front.way()) else { return };
    let client: &dyn Pusher = &skopeo;
    let images = push_both(client, &front);
    let scratch = Scratch::new();
    let folder = scratch.arg("synced");
    let repository = format!("{}/team/app", front.address());
    let out = ["--src", "docker", "--dest", "dir", "--all", "--preserve-digests", &repository, &folder];
    skopeo.call("sync", &["src"], &out).expect("skopeo takes the repository");
    let merged = front.index("team/app", "latest").body;
    let taken =
        std::fs::read(scratch.path("synced/app:latest/manifest.json")).expect("the merged tag is there");
    assert_eq!(sha256(&taken), sha256(&merged));
    let member =
        std::fs::read(scratch.path("synced/app:latest-arm/manifest.json")).expect("the member is there");
    assert_eq!(sha256(member), images[1].digest());

    let copies = format!("{}/copies", front.address());
    let back = ["--src", "dir", "--dest", "docker", "--all", "--preserve-digests", &folder, &copies];
    skopeo.call("sync", &["dest"], &back).expect("skopeo brings it back");
    assert_eq!(front.index("copies/app", "latest").body, merged);
    for (platform, image) in PLATFORMS.iter().zip(&images) {
        let arrival = client.pull(platform, &front.reference_in("copies/app", "latest"));
        assert_eq!(arrival, Ok(Arrival::of(image)));
    }
}

fn push_both(client: &dyn Pusher, front: &Front) -> [Image; 2] {
    let images = PLATFORMS.map(large_image);
    for (image, tag) in images.iter().zip(["latest", "latest-arm"]) {
        client.push(image, &front.reference(tag)).unwrap_or_else(|failure| panic!("{failure}"));
    }
    images
}
