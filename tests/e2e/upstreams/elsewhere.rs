//! What is done for a registry without a client goes to the one that is named.

use testkit::client;

use super::{REPOSITORY, Three};
use crate::support::eventually;

#[tokio::test]
async fn what_is_to_be_kept_warm_is_fetched_from_the_registry_that_is_named() {
    let warm = format!("[[warm]]\nreferences = [\"one.example/{REPOSITORY}:latest\"]\nevery = \"10s\"\n");
    let three = Three::start(&warm).await;
    let pulled =
        |number: usize| three.registries[number].count(|request| request.path.contains("/manifests/"));
    eventually("it is fetched", async || pulled(1) > 0).await;
    let order = format!("{}/warm?ref=mirror/two/{REPOSITORY}:latest", three.onetag.admin_url());
    let told = client::request("POST", &order, &[], "").await.unwrap();
    assert_eq!(told.status, 200);
    assert!(told.text().lines().last().is_some_and(|line| line.contains("\"done\":true")), "{}", told.text());
    assert!(pulled(2) > 0);
    assert_eq!(pulled(0), 0);
}
