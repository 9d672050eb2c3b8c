//! The registries that onetag is tested against, held to the specification themselves.

use std::time::Duration;

use testkit::client::{Client, Login};
use testkit::{Account, Authority, DockerRegistry, Fault, Kind, Locations, Match, Registry, TokenServer};

use super::conforms;

/// What Debian's docker-registry 2.8 does not do, or does otherwise: it takes chunks in any order, keeps manifests
/// under their sha256 alone, refuses layers that lie elsewhere, lists tags without order and pages, deletes no
/// tags, and came before referrers.
pub(super) const KNOWN_OF_DEBIANS: &[&str] = &[
    "a_chunk_out_of_order_is_refused",
    "an_upload_goes_on_after_a_chunk_out_of_order",
    "a_manifest_goes_up_under_its_sha512",
    "a_layer_that_lies_elsewhere_is_not_asked_for",
    "a_subject_is_named_in_the_answer",
    "tags_are_listed_in_order",
    "tags_come_in_pages",
    "tags_after_one_are_listed",
    "no_tags_are_listed_when_none_are_asked_for",
    "what_nothing_refers_to_has_an_empty_list",
    "referrers_are_listed_with_what_they_are",
    "referrers_are_chosen_by_their_type",
    "an_artifact_without_a_type_is_listed_by_its_configurations",
    "an_index_is_listed_as_a_referrer",
    "what_is_missing_can_be_referred_to",
    "a_deleted_referrer_is_not_listed",
    "a_deleted_tag_is_gone_and_its_manifest_stays",
    "an_absent_tag_cannot_be_deleted",
];

const REFERRERS: [&str; 7] = [
    "a_subject_is_named_in_the_answer",
    "what_nothing_refers_to_has_an_empty_list",
    "referrers_are_listed_with_what_they_are",
    "referrers_are_chosen_by_their_type",
    "an_artifact_without_a_type_is_listed_by_its_configurations",
    "an_index_is_listed_as_a_referrer",
    "what_is_missing_can_be_referred_to",
];

const DELETIONS: [&str; 7] = [
    "a_deleted_tag_is_gone_and_its_manifest_stays",
    "a_deleted_manifest_is_gone_with_its_tags",
    "a_deleted_blob_is_gone",
    "an_absent_tag_cannot_be_deleted",
    "an_absent_manifest_cannot_be_deleted",
    "an_absent_blob_cannot_be_deleted",
    "nothing_of_an_absent_repository_can_be_deleted",
];

fn nobody() -> Login {
    Login::anonymous(Client::plain())
}

#[tokio::test]
async fn the_kits_registry_conforms() {
    conforms(&Registry::start().await.url(), &nobody(), &[]).await;
}

#[tokio::test]
async fn the_kits_registry_conforms_in_all_its_manners() {
    let login = Login::new(Client::plain(), "user", "secret");
    let basic = Registry::builder().basic("user", "secret").relative_locations().anonymous_mount();
    let bearer = Registry::builder().bearer(Some(("user", "secret"))).locations(Locations::Foreign);
    for builder in [basic.missing_content(404), bearer.chunk_min_length(300).challenges_mounts()] {
        conforms(&builder.start().await.url(), &login, &[]).await;
    }
    let authority = Authority::new();
    let registry = Registry::builder().tls(&authority).start().await;
    conforms(&registry.url(), &Login::anonymous(Client::trusting(&authority.ca_pem())), &[]).await;
}

#[tokio::test]
async fn what_a_registry_lacks_is_what_fails() {
    let registry = Registry::builder().without_referrers().without_deletion().start().await;
    let known = [&REFERRERS[..], &["a_deleted_referrer_is_not_listed"], &DELETIONS].concat();
    conforms(&registry.url(), &nobody(), &known).await;
}

#[tokio::test]
#[should_panic(expected = "a_blob_is_pulled failed: other")]
async fn a_registry_that_alters_blobs_does_not_conform() {
    let registry = Registry::start().await;
    registry.fail(Match::all().kind(Kind::Blob).method("GET"), Fault::FlipBit(9));
    conforms(&registry.url(), &nobody(), &[]).await;
}

#[tokio::test]
#[should_panic(expected = "a_blob_is_pulled is known to fail and did not")]
async fn a_failure_that_is_known_must_be_one() {
    conforms(&Registry::start().await.url(), &nobody(), &["a_blob_is_pulled"]).await;
}

#[tokio::test]
async fn debians_registry_conforms_but_for_what_is_known() {
    let Some(registry) = DockerRegistry::start() else { return };
    conforms(registry.url(), &nobody(), KNOWN_OF_DEBIANS).await;
}

#[tokio::test]
async fn debians_registry_with_tokens_and_tls_conforms_but_for_what_is_known() {
    let (user, password) = (DockerRegistry::USER, DockerRegistry::PASSWORD);
    let tokens = TokenServer::start([Account::new(user, password)], Duration::from_mins(1)).await;
    let authority = Authority::new();
    let builder = DockerRegistry::builder().tokens_of(&tokens).tls(&authority);
    let Some(registry) = builder.start() else { return };
    let login = Login::new(Client::trusting(&authority.ca_pem()), user, password);
    conforms(registry.url(), &login, KNOWN_OF_DEBIANS).await;
}
