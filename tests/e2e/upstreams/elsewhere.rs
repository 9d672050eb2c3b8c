//! What is kept and what is fetched for a registry is of the one that its name leads to, today and tomorrow (threat
//! T12).

use std::time::Duration;

use testkit::{client, sha256};

use super::{REPOSITORY, Three};
use crate::support::{eventually, serve_config};

#[tokio::test]
async fn t12_what_is_kept_of_a_registry_is_not_told_of_another_that_has_its_name_now() {
    let mut three = Three::start("").await;
    three.check_all().await;
    let text = three.settings.clone();
    let [_, one, two] = three.registries.each_ref().map(|registry| format!("url = {:?}", registry.url()));
    let swapped = text.replace(&one, "url = SECOND").replace(&two, &one).replace("url = SECOND", &two);
    assert_ne!(swapped, three.settings);
    // What is kept is on the disk a moment later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    three.onetag.kill();
    three.onetag.wait(Duration::from_secs(5));
    three.onetag = serve_config(&swapped, &[]);
    for (now, before, prefix) in [(0, 0, ""), (2, 1, "one.example/"), (1, 2, "mirror/two/")] {
        let (now, before) = (&three.legacies[now], &three.legacies[before]);
        let get = async |path: &str| three.ask(&format!("/v2/{prefix}{REPOSITORY}/{path}"), "", "o").await;
        assert_eq!(get("manifests/latest").await.text(), now.merged(), "{prefix}");
        let expected = if prefix.is_empty() { 200 } else { 404 };
        let layer = sha256(&before.arm64.layers[0].bytes);
        for path in [format!("manifests/{}", before.arm64.digest()), format!("blobs/{layer}")] {
            assert_eq!(get(&path).await.status, expected, "{prefix}{path}");
        }
        // A merged index was handed out by this name, and nobody else has it.
        assert_eq!(get(&format!("manifests/{}", sha256(before.merged()))).await.status, 200, "{prefix}");
    }
}

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
