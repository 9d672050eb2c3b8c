//! What clients may not do, they are told in words that help.

use testkit::Authority;

use crate::buildah::Buildah;
use crate::containerd::Containerd;
use crate::docker::Docker;
use crate::podman::Podman;
use crate::skopeo::Skopeo;
use crate::support::{Front, Loopback, PLATFORMS, Pusher, READER, WRITER, Way, small_image};

const BY_ONETAG: &str = "denied: you may not change this repository through onetag";
const BY_THE_REGISTRY: &str = "denied: requested access to the resource is denied";

/// What a client says of a refusal.
struct Words {
    /// To one that has not logged in.
    nobody: &'static str,
    /// To one with a wrong password.
    wrong: &'static str,
    /// To one that may only pull.
    reader: &'static str,
}

/// All of them try to push.
#[track_caller]
fn assert_is_told<C: Pusher>(reaching: fn(Way) -> Option<C>, start: fn() -> Option<Front>, words: &Words) {
    let Some(front) = start() else { return };
    let Some(mut client) = reaching(Way::default()) else { return };
    assert_refuses(&client, &front, words.nobody);
    for (login, word) in [((WRITER.0, "wrong"), words.wrong), (READER, words.reader)] {
        *client.way() = Way::default().with_login(login);
        match client.log_in(front.address()) {
            Ok(_) => assert_refuses(&client, &front, word),
            Err(refusal) => assert!(login != READER && refusal.contains(word), "{login:?}: {refusal}"),
        }
    }
}

#[track_caller]
fn assert_refuses(client: &dyn Pusher, front: &Front, word: &str) {
    let pushed = client.push(&small_image(PLATFORMS[0]), &front.reference("latest"));
    let refusal = pushed.expect_err(client.name());
    assert!(refusal.contains(word), "{word:?} is not in: {refusal}");
}

#[test]
fn docker_says_why_onetag_refuses_it() {
    let words = Words { nobody: "no basic auth credentials", wrong: "401 Unauthorized", reader: BY_ONETAG };
    assert_is_told(Docker::reaching, Front::with_passwords, &words);
}

#[test]
fn podman_says_why_onetag_refuses_it() {
    let words = Words {
        nobody: "unauthorized: authentication required",
        wrong: "invalid username/password",
        reader: BY_ONETAG,
    };
    assert_is_told(Podman::reaching, Front::with_passwords, &words);
}

#[test]
fn buildah_says_why_onetag_refuses_it() {
    let words = Words {
        nobody: "unauthorized: authentication required",
        wrong: "invalid username/password",
        reader: BY_ONETAG,
    };
    assert_is_told(Buildah::reaching, Front::with_passwords, &words);
}

#[test]
fn skopeo_says_why_onetag_refuses_it() {
    let words = Words {
        nobody: "unauthorized: authentication required",
        wrong: "unauthorized: authentication required",
        reader: BY_ONETAG,
    };
    assert_is_told(Skopeo::reaching, Front::with_passwords, &words);
}

#[test]
fn containerd_says_why_onetag_refuses_it() {
    let words = Words { nobody: "401 Unauthorized", wrong: "401 Unauthorized", reader: "403 Forbidden" };
    assert_is_told(Containerd::reaching, Front::with_passwords, &words);
}

#[test]
fn docker_says_why_the_registry_refuses_it() {
    let words = Words { nobody: BY_THE_REGISTRY, wrong: "unauthorized", reader: BY_THE_REGISTRY };
    assert_is_told(Docker::reaching, Front::with_tokens, &words);
}

#[test]
fn podman_says_why_the_registry_refuses_it() {
    let words =
        Words { nobody: BY_THE_REGISTRY, wrong: "invalid username/password", reader: BY_THE_REGISTRY };
    assert_is_told(Podman::reaching, Front::with_tokens, &words);
}

#[test]
fn buildah_says_why_the_registry_refuses_it() {
    let words =
        Words { nobody: BY_THE_REGISTRY, wrong: "invalid username/password", reader: BY_THE_REGISTRY };
    assert_is_told(Buildah::reaching, Front::with_tokens, &words);
}

#[test]
fn skopeo_says_why_the_registry_refuses_it() {
    let words =
        Words { nobody: BY_THE_REGISTRY, wrong: "invalid username/password", reader: BY_THE_REGISTRY };
    assert_is_told(Skopeo::reaching, Front::with_tokens, &words);
}

#[test]
fn containerd_says_why_the_registry_refuses_it() {
    let words = Words {
        nobody: "insufficient_scope",
        wrong: "failed to fetch oauth token: unexpected status: 401 Unauthorized",
        reader: "insufficient_scope: authorization failed",
    };
    assert_is_told(Containerd::reaching, Front::with_tokens, &words);
}

#[track_caller]
fn assert_needs_a_certificate<C: Pusher>(reaching: fn(Way) -> Option<C>, loopback: Loopback) {
    let Some(front) = Front::with_client_certificates(loopback) else { return };
    let Some(client) = reaching(front.way().without_identity()) else { return };
    assert_refuses(&client, &front, "tls: certificate required");
    let refusal = client.pull(PLATFORMS[0], &front.reference("latest")).expect_err(client.name());
    assert!(refusal.contains("tls: certificate required"), "{refusal}");
}

#[test]
fn docker_is_refused_without_a_certificate_of_its_own() {
    assert_needs_a_certificate(Docker::reaching, Loopback::V6);
}

#[test]
fn podman_is_refused_without_a_certificate_of_its_own() {
    assert_needs_a_certificate(Podman::reaching, Loopback::V4);
}

#[test]
fn buildah_is_refused_without_a_certificate_of_its_own() {
    assert_needs_a_certificate(Buildah::reaching, Loopback::V4);
}

#[test]
fn skopeo_is_refused_without_a_certificate_of_its_own() {
    assert_needs_a_certificate(Skopeo::reaching, Loopback::V4);
}

#[test]
fn containerd_is_refused_without_a_certificate_of_its_own() {
    assert_needs_a_certificate(Containerd::reaching, Loopback::V4);
}

#[track_caller]
fn assert_checks_the_certificate<C: Pusher>(reaching: fn(Way) -> Option<C>, loopback: Loopback) {
    let Some(front) = Front::with_tls(loopback) else { return };
    let stranger = Way { authority: Some(Authority::new().ca_pem()), ..front.way() };
    let Some(client) = reaching(stranger) else { return };
    assert_refuses(&client, &front, "x509: certificate signed by unknown authority");
}

#[test]
fn docker_does_not_push_to_a_certificate_of_another_authority() {
    assert_checks_the_certificate(Docker::reaching, Loopback::V6);
}

#[test]
fn skopeo_does_not_push_to_a_certificate_of_another_authority() {
    assert_checks_the_certificate(Skopeo::reaching, Loopback::V4);
}

#[test]
fn containerd_does_not_push_to_a_certificate_of_another_authority() {
    assert_checks_the_certificate(Containerd::reaching, Loopback::V4);
}
