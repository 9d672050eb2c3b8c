//! onetag in the place of several registries: each client gets the image of the one that it means.

use std::path::Path;

use tempfile::TempDir;
use testkit::image::Image;
use testkit::image::media_type::{DOCKER_MANIFEST, OCI_MANIFEST};
use testkit::process::{DockerRegistry, Onetag};
use testkit::{client, wait_for};

use crate::buildah::Buildah;
use crate::containerd::Containerd;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::skopeo::Skopeo;
use crate::support::{Arrival, ELSEWHERE, PLATFORMS, Puller, Pusher, small_image};

const HUB: &str = "docker.io";

/// A registry with two images that belong together, whose tags other registries have as well.
struct Upstream {
    registry: DockerRegistry,
    images: [Image; 2],
}

/// onetag in front of three registries.
struct Mirror {
    onetag: Onetag,
    /// Where names lead that say no more.
    usual: Upstream,
    /// By the name [`ELSEWHERE`].
    elsewhere: Upstream,
    /// By the name [`HUB`], or where onetag is called localhost.
    hub: Upstream,
    _folder: TempDir,
}

impl Upstream {
    fn start(repository: &str) -> Option<Self> {
        let (registry, images) = (DockerRegistry::start()?, PLATFORMS.map(small_image));
        for (image, tag) in images.iter().zip(["latest", "latest-arm"]) {
            registry.push(repository, tag, image);
        }
        Some(Self { registry, images })
    }

    /// Both images arrive, each for its platform.
    #[track_caller]
    fn assert_gives(&self, pull: impl Fn(&str) -> Result<Arrival, String>) {
        for (image, platform) in self.images.iter().zip(PLATFORMS) {
            assert_eq!(pull(platform), Ok(Arrival::of(image)), "{platform}");
        }
    }

    /// Whether it has `image` under the tag `new` of a repository; some clients write its manifest anew.
    fn has(&self, repository: &str, image: &Image) -> bool {
        let url = format!("{}/v2/{repository}/manifests/new", self.registry.url());
        let accept = [("accept", OCI_MANIFEST), ("accept", DOCKER_MANIFEST)];
        let answer = wait_for(async move { client::get(&url, &accept).await }).expect("the registry answers");
        answer.status == 200 && answer.json()["config"]["digest"] == image.config_digest()
    }
}

impl Mirror {
    fn start() -> Option<Self> {
        let (usual, elsewhere) = (Upstream::start("team/app")?, Upstream::start("team/app")?);
        let hub = Upstream::start("library/app")?;
        let folder = tempfile::tempdir().expect("a temporary directory");
        let config = folder.path().join("onetag.toml");
        std::fs::write(&config, config_of(&usual, &elsewhere, &hub)).expect("the file is written");
        let config = config.to_str().expect("temporary paths are UTF-8");
        let onetag = Onetag::start(Path::new(env!("CARGO_BIN_EXE_onetag")), &["--config", config]);
        Some(Self { onetag, usual, elsewhere, hub, _folder: folder })
    }

    fn address(&self) -> String {
        self.onetag.address().to_string()
    }
}

fn config_of(usual: &Upstream, elsewhere: &Upstream, hub: &Upstream) -> String {
    let [usual, elsewhere, hub] = [usual, elsewhere, hub].map(|upstream| upstream.registry.url());
    format!(
        "[upstream]\nurl = {usual:?}\n\
         [[registry]]\nname = {ELSEWHERE:?}\nupstream.url = {elsewhere:?}\n\
         [[registry]]\nname = {HUB:?}\nhosts = [\"localhost\"]\nupstream.url = {hub:?}\n\
         [[allow]]\nanonymous = true\nactions = [\"pull\", \"push\"]\n"
    )
}

/// It says in `?ns=` which registry it means.
#[test]
fn containerd_gets_the_image_of_the_registry_that_it_asks_the_mirror_for() {
    let Some(mirror) = Mirror::start() else { return };
    let Some(containerd) = Containerd::installed() else { return };
    for registry in [ELSEWHERE, HUB] {
        containerd.mirror(registry, &mirror.address());
    }
    let pull = |name: &'static str| {
        let reference = format!("{name}:latest");
        let containerd = &containerd;
        move |platform: &str| containerd.pull_through_mirrors(platform, &reference)
    };
    mirror.elsewhere.assert_gives(pull("registry.invalid/team/app"));
    mirror.hub.assert_gives(pull("docker.io/library/app"));
    mirror
        .usual
        .assert_gives(|platform| containerd.pull(platform, &format!("{}/team/app:latest", mirror.address())));
}

/// The image of another registry would be worse than none.
#[test]
fn containerd_gets_no_image_from_the_mirror_for_a_registry_that_is_not_configured() {
    let Some(mirror) = Mirror::start() else { return };
    let Some(containerd) = Containerd::installed() else { return };
    containerd.mirror("other.invalid", &mirror.address());
    let refusal = containerd.pull_through_mirrors(PLATFORMS[0], "other.invalid/team/app:latest");
    let refusal = refusal.expect_err("onetag has nothing for it");
    assert!(refusal.contains("https://other.invalid/v2/team/app/manifests/latest"), "{refusal}");
}

/// The path behind the mirror's address says it.
#[test]
fn podman_gets_the_image_of_the_registry_that_it_asks_the_mirror_for() {
    let Some(mirror) = Mirror::start() else { return };
    let Some(podman) = Podman::installed() else { return };
    for (registry, reference, upstream) in [
        (ELSEWHERE, "registry.invalid/team/app:latest", &mirror.elsewhere),
        (HUB, "docker.io/library/app:latest", &mirror.hub),
    ] {
        podman.mirror(registry, &format!("{}/{registry}", mirror.address()));
        upstream.assert_gives(|platform| Puller::pull(&podman, platform, reference));
    }
}

/// It asks a mirror for Docker Hub alone, and says so in no way: the name by which onetag is called tells.
#[test]
fn docker_gets_the_image_of_docker_hub_from_a_mirror_with_a_name_for_it() {
    let Some(mirror) = Mirror::start() else { return };
    let port = mirror.onetag.address().port();
    let Some(docker) = Docker::mirrored_by(&format!("http://localhost:{port}")) else { return };
    mirror.hub.assert_gives(|platform| Puller::pull(&docker, platform, "app:latest"));
}

#[track_caller]
fn assert_goes_by_path<C: Pusher>(client: Option<C>) {
    let Some(client) = client else { return };
    let Some(mirror) = Mirror::start() else { return };
    let pull = |path: &'static str| {
        let (client, reference) = (&client, format!("{}/{path}", mirror.address()));
        move |platform: &str| Puller::pull(client, platform, &reference)
    };
    mirror.elsewhere.assert_gives(pull("registry.invalid/team/app:latest"));
    mirror.hub.assert_gives(pull("docker.io/app:latest"));
    mirror.usual.assert_gives(pull("team/app:latest"));

    let (image, reference) =
        (small_image(PLATFORMS[0]), format!("{}/{ELSEWHERE}/team/app:new", mirror.address()));
    client.push(&image, &reference).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(Puller::pull(&client, PLATFORMS[0], &reference), Ok(Arrival::of(&image)));
    assert!(mirror.elsewhere.has("team/app", &image));
}

#[test]
fn docker_pulls_from_and_pushes_to_the_registry_that_the_path_names() {
    assert_goes_by_path(Docker::installed());
}

#[test]
fn podman_pulls_from_and_pushes_to_the_registry_that_the_path_names() {
    assert_goes_by_path(Podman::installed());
}

#[test]
fn buildah_pulls_from_and_pushes_to_the_registry_that_the_path_names() {
    assert_goes_by_path(Buildah::installed());
}

#[test]
fn skopeo_pulls_from_and_pushes_to_the_registry_that_the_path_names() {
    assert_goes_by_path(Skopeo::installed());
}

#[test]
fn containerd_pulls_from_and_pushes_to_the_registry_that_the_path_names() {
    assert_goes_by_path(Containerd::installed());
}
