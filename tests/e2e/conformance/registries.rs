//! The registries that onetag is tested against, held to the specification themselves.

use testkit::client::{Client, Login};
use testkit::{Account, DockerRegistry, Locations, Registry, TokenServer};

use super::conforms;

#[tokio::test]
async fn the_kits_registry_conforms() {
    let registry = Registry::start().await;
    conforms(&registry.url(), &Login::anonymous(Client::plain()), &[]).await;
}

#[tokio::test]
async fn debians_registry_conforms_but_for_what_is_known() {
    let Some(registry) = DockerRegistry::start() else { return };
    conforms(registry.url(), &Login::anonymous(Client::plain()), &[]).await;
}
