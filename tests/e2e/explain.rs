//! Why an answer is what it is: `/explain` on the admin listener, and the headers of every tag's answer.

use serde_json::Value;
use testkit::client;

use crate::support::{Legacy, REPOSITORY, Site};

async fn explain(site: &Site, query: &str) -> (u16, Value) {
    let got =
        client::get(&format!("{}/explain{query}", site.onetag.admin_url()), &[]).await.expect("an answer");
    assert_eq!(got.header("content-type"), Some("application/json"), "{}", got.text());
    (got.status, got.json())
}

#[tokio::test]
async fn a_tag_is_explained_with_what_is_in_the_cache() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let (status, before) = explain(&site, &format!("?ref={REPOSITORY}:latest")).await;
    assert_eq!((status, &before["answer"], &before["cached"]), (200, &"merged".into(), &Value::Null));
    let digest = testkit::sha256(legacy.merged());
    assert_eq!(
        (&before["digest"], &before["upstream_digest"]),
        (&digest.clone().into(), &legacy.amd64.digest().into())
    );
    assert_eq!((&before["rule"], &before["entries"][1]["rule"]), (&"merge".into(), &"{tag}-arm".into()));
    assert_eq!(before["entries"][1]["platform_source"], "config");
    site.manifest("latest").await;
    let (_, after) = explain(&site, "?ref=team%2Fapp%3Alatest").await;
    assert_eq!((&after["cached"]["digest"], &after["cached"]["source"]), (&digest.into(), &"merged".into()));
    assert!(after["cached"]["fresh_seconds"].as_u64().is_some_and(|left| left <= 60 && left > 50), "{after}");
}

#[tokio::test]
async fn a_merged_digest_is_explained_and_only_to_who_asks_by_address() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    site.manifest("latest").await;
    let digest = testkit::sha256(legacy.merged());
    let (_, told) = explain(&site, &format!("?ref={REPOSITORY}@{digest}")).await;
    assert_eq!((&told["answer"], &told["digest"]), (&"passed".into(), &digest.into()));
    assert_eq!(told["entries"].as_array().map(Vec::len), Some(2), "{told}");
    let url = format!("{}/explain?ref={REPOSITORY}:latest", site.onetag.admin_url());
    for (host, status) in [("rebound.example", 421), ("localhost:5081", 200), ("[::1]:5081", 200)] {
        assert_eq!(client::get(&url, &[("host", host)]).await.expect("an answer").status, status, "{host}");
    }
    assert_eq!(client::head(&url, &[]).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn what_cannot_be_explained_says_why() {
    let site = Site::start(&[]).await;
    for query in
        ["", "?ref=", "?other=a", "?ref=Team/App:latest", "?ref=team/app:..", "?ref=team/app@sha256:1"]
    {
        let (status, body) = explain(&site, query).await;
        assert_eq!(status, 400, "{query}");
        assert!(body["error"].as_str().is_some_and(|text| text.contains("/explain?ref=")), "{body}");
    }
    let (status, absent) = explain(&site, "?ref=team/app").await;
    assert_eq!((status, &absent["answer"], &absent["reference"]), (200, &"absent".into(), &"latest".into()));
    site.registry.go_down().await;
    let (status, body) = explain(&site, "?ref=team/app:latest").await;
    assert!(status == 502 && body["error"].is_string(), "{body}");
}

#[tokio::test]
async fn the_explanation_is_not_for_the_public() {
    let site = Site::start(&[]).await;
    assert_eq!(site.get("/explain?ref=team/app:latest", &[]).await.status, 404);
}

#[tokio::test]
async fn an_answer_names_its_kind_and_its_members() {
    let site = Site::start(&["--tag-ttl", "0s"]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    site.registry.push(REPOSITORY, "lone", &legacy.amd64);
    let told = |response: &client::Response| {
        let header = |name| response.header(name).map(str::to_owned);
        (header("onetag-source"), header("onetag-members"))
    };
    let some = |source: &str, members: &str| (Some(source.to_owned()), Some(members.to_owned()));
    let path = crate::support::manifest_path("latest");
    assert_eq!(told(&site.manifest("latest").await), some("merged", "latest, latest-arm"));
    assert_eq!(
        told(&site.head(&path, &[crate::support::ACCEPT]).await),
        some("merged", "latest, latest-arm")
    );
    assert_eq!(told(&site.manifest("lone").await), some("passed", "lone"));
    assert_eq!(told(&site.manifest("latest-arm").await), some("passed", "latest-arm"));
    assert_eq!(told(&site.manifest(&legacy.amd64.digest()).await), (None, None));
    site.registry.go_down().await;
    assert_eq!(told(&site.manifest("latest").await), some("stale", "latest, latest-arm"));
}
