//! Clients get in by every way that there is: passwords, tokens of the registry, TLS, certificates of their own.

use crate::buildah::Buildah;
use crate::containerd::Containerd;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::skopeo::Skopeo;
use crate::support::{Arrival, Front, Loopback, PLATFORMS, Pusher, Way, small_image};

const TLS: fn() -> Option<Front> = || Front::with_tls(Loopback::V4);
const CERTIFICATES: fn() -> Option<Front> = || Front::with_client_certificates(Loopback::V4);

/// docker asks no certificate of 127.0.0.1.
const TLS_FOR_DOCKER: fn() -> Option<Front> = || Front::with_tls(Loopback::V6);
const CERTIFICATES_FOR_DOCKER: fn() -> Option<Front> = || Front::with_client_certificates(Loopback::V6);

/// Logs in where it can, pushes both images and pulls each from the merged tag.
#[track_caller]
fn assert_gets_in<C: Pusher>(reaching: fn(Way) -> Option<C>, start: fn() -> Option<Front>) {
    let Some(front) = start() else { return };
    let Some(client) = reaching(front.way()) else { return };
    if front.way().login.is_some() {
        client.log_in(front.address()).unwrap_or_else(|failure| panic!("{failure}"));
    }
    let images = PLATFORMS.map(small_image);
    for (image, tag) in images.iter().zip(["latest", "latest-arm"]) {
        client.push(image, &front.reference(tag)).unwrap_or_else(|failure| panic!("{failure}"));
    }
    for (image, platform) in images.iter().zip(PLATFORMS) {
        assert_eq!(client.pull(platform, &front.reference("latest")), Ok(Arrival::of(image)), "{platform}");
    }
    assert_eq!(front.platforms("team/app", "latest"), PLATFORMS);
}

#[test]
fn docker_pushes_and_pulls_with_a_password() {
    assert_gets_in(Docker::reaching, Front::with_passwords);
}

#[test]
fn podman_pushes_and_pulls_with_a_password() {
    assert_gets_in(Podman::reaching, Front::with_passwords);
}

#[test]
fn buildah_pushes_and_pulls_with_a_password() {
    assert_gets_in(Buildah::reaching, Front::with_passwords);
}

#[test]
fn skopeo_pushes_and_pulls_with_a_password() {
    assert_gets_in(Skopeo::reaching, Front::with_passwords);
}

#[test]
fn containerd_pushes_and_pulls_with_a_password() {
    assert_gets_in(Containerd::reaching, Front::with_passwords);
}

#[test]
fn docker_pushes_and_pulls_with_tokens_of_the_registry() {
    assert_gets_in(Docker::reaching, Front::with_tokens);
}

#[test]
fn podman_pushes_and_pulls_with_tokens_of_the_registry() {
    assert_gets_in(Podman::reaching, Front::with_tokens);
}

#[test]
fn buildah_pushes_and_pulls_with_tokens_of_the_registry() {
    assert_gets_in(Buildah::reaching, Front::with_tokens);
}

#[test]
fn skopeo_pushes_and_pulls_with_tokens_of_the_registry() {
    assert_gets_in(Skopeo::reaching, Front::with_tokens);
}

#[test]
fn containerd_pushes_and_pulls_with_tokens_of_the_registry() {
    assert_gets_in(Containerd::reaching, Front::with_tokens);
}

#[test]
fn docker_pushes_and_pulls_over_tls_with_a_private_authority() {
    assert_gets_in(Docker::reaching, TLS_FOR_DOCKER);
}

#[test]
fn podman_pushes_and_pulls_over_tls_with_a_private_authority() {
    assert_gets_in(Podman::reaching, TLS);
}

#[test]
fn buildah_pushes_and_pulls_over_tls_with_a_private_authority() {
    assert_gets_in(Buildah::reaching, TLS);
}

#[test]
fn skopeo_pushes_and_pulls_over_tls_with_a_private_authority() {
    assert_gets_in(Skopeo::reaching, TLS);
}

#[test]
fn containerd_pushes_and_pulls_over_tls_with_a_private_authority() {
    assert_gets_in(Containerd::reaching, TLS);
}

#[test]
fn docker_pushes_and_pulls_with_a_certificate_of_its_own() {
    assert_gets_in(Docker::reaching, CERTIFICATES_FOR_DOCKER);
}

#[test]
fn podman_pushes_and_pulls_with_a_certificate_of_its_own() {
    assert_gets_in(Podman::reaching, CERTIFICATES);
}

#[test]
fn buildah_pushes_and_pulls_with_a_certificate_of_its_own() {
    assert_gets_in(Buildah::reaching, CERTIFICATES);
}

#[test]
fn skopeo_pushes_and_pulls_with_a_certificate_of_its_own() {
    assert_gets_in(Skopeo::reaching, CERTIFICATES);
}

#[test]
fn containerd_pushes_and_pulls_with_a_certificate_of_its_own() {
    assert_gets_in(Containerd::reaching, CERTIFICATES);
}
