//! The same checks with onetag in between: nothing that a registry can do is lost.

use std::time::Duration;

use testkit::client::{Client, Login};
use testkit::{Account, Authority, DockerRegistry, Locations, Onetag, Registry, TokenServer};

use super::conforms;
use super::registries::KNOWN_OF_DEBIANS;
use crate::support::serve_config;

/// What is hidden by an absent tag of Debian's registry, which has no referrers: onetag reads the tag instead.
const ALL: &str = "[[allow]]\nanonymous = true\nactions = [\"pull\", \"push\", \"delete\"]\n";

fn in_front(upstream: &str, settings: &str) -> Onetag {
    serve_config(&format!("[upstream]\nurl = \"{upstream}\"\n{settings}"), &[])
}

fn open(upstream: &str) -> Onetag {
    in_front(upstream, ALL)
}

fn nobody() -> Login {
    Login::anonymous(Client::plain())
}

#[tokio::test]
async fn a_registry_behind_onetag_conforms() {
    let registry = Registry::start().await;
    conforms(open(&registry.url()).url(), &nobody(), &[]).await;
}

#[tokio::test]
async fn registries_of_all_manners_behind_onetag_conform() {
    let relative = Registry::builder().relative_locations().anonymous_mount().missing_content(404);
    let foreign = Registry::builder().locations(Locations::Foreign).chunk_min_length(300);
    for builder in [relative, foreign] {
        let registry = builder.start().await;
        conforms(open(&registry.url()).url(), &nobody(), &[]).await;
    }
}

#[tokio::test]
async fn a_registry_that_is_asked_with_onetags_credentials_conforms() {
    let account = "username = \"user\"\npassword = \"secret\"\n";
    let basic = Registry::builder().basic("user", "secret");
    let bearer = Registry::builder().bearer(Some(("user", "secret"))).challenges_mounts();
    for builder in [basic, bearer] {
        let registry = builder.start().await;
        let onetag = in_front(&registry.url(), &format!("{account}{ALL}"));
        conforms(onetag.url(), &nobody(), &[]).await;
    }
}

#[tokio::test]
async fn a_registry_that_is_asked_with_the_callers_credentials_conforms() {
    let login = Login::new(Client::plain(), "user", "secret");
    let basic = Registry::builder().basic("user", "secret");
    let bearer = Registry::builder().bearer(Some(("user", "secret"))).locations(Locations::Foreign);
    for builder in [basic, bearer] {
        let registry = builder.start().await;
        let onetag = in_front(&registry.url(), "credentials = \"client\"\n");
        conforms(onetag.url(), &login, &[]).await;
    }
}

#[tokio::test]
async fn debians_registry_behind_onetag_conforms_but_for_what_is_known() {
    let Some(registry) = DockerRegistry::start() else { return };
    conforms(open(registry.url()).url(), &nobody(), KNOWN_OF_DEBIANS).await;
}

#[tokio::test]
async fn debians_registry_with_tokens_and_tls_behind_onetag_conforms_but_for_what_is_known() {
    let (user, password) = (DockerRegistry::USER, DockerRegistry::PASSWORD);
    let tokens = TokenServer::start([Account::new(user, password)], Duration::from_mins(1)).await;
    let authority = Authority::new();
    let builder = DockerRegistry::builder().tokens_of(&tokens).tls(&authority);
    let Some(registry) = builder.start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.ca_pem()).expect("it can be written");
    let onetag = in_front(
        registry.url(),
        &format!("ca_file = {:?}\ncredentials = \"client\"\n", ca.to_str().expect("text")),
    );
    conforms(onetag.url(), &Login::new(Client::plain(), user, password), KNOWN_OF_DEBIANS).await;
}
