//! `/invalidate` on the admin listener: a pipeline says what it pushed.

use testkit::client::{self, Response};
use testkit::image::media_type::DOCKER_LIST;

use crate::support::{Legacy, REPOSITORY, Site, served_as};

async fn send(site: &Site, method: &str, query: &str, headers: &[(&str, &str)]) -> Response {
    let url = format!("{}/invalidate{query}", site.onetag.admin_url());
    client::request(method, &url, headers, "").await.expect("an answer")
}

/// A site that knows the legacy pair as `latest` and believes it for an hour.
async fn known(legacy: &Legacy) -> Site {
    let site = Site::start(&["--tag-ttl", "1h"]).await;
    legacy.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    site
}

#[tokio::test]
async fn what_was_pushed_is_seen_by_the_next_pull() {
    for query in ["?ref=team/app", "?ref=team/app:latest", "?ref=team%2Fapp%3Alatest-arm"] {
        let (old, new) = (Legacy::seeded(1), Legacy::seeded(2));
        let site = known(&old).await;
        new.push(&site.registry, "latest");
        served_as(&site.manifest("latest").await, DOCKER_LIST, old.merged());
        let told = send(&site, "POST", query, &[]).await;
        assert_eq!((told.status, told.header("content-type")), (200, Some("application/json")), "{query}");
        assert_eq!(told.json(), serde_json::json!({ "repository": "team/app", "expired": 1 }));
        served_as(&site.manifest("latest").await, DOCKER_LIST, new.merged());
    }
}

#[tokio::test]
async fn a_digest_that_was_deleted_is_gone() {
    let legacy = Legacy::docker();
    let site = known(&legacy).await;
    let digest = legacy.arm64.digest();
    site.registry.delete_manifest(REPOSITORY, &digest);
    assert_eq!(site.manifest(&digest).await.status, 200);
    assert_eq!(send(&site, "POST", &format!("?ref={REPOSITORY}@{digest}"), &[]).await.status, 200);
    assert_eq!(site.manifest(&digest).await.status, 404);
    served_as(&site.manifest("latest").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
}

#[tokio::test]
async fn what_does_not_concern_a_tag_leaves_it_alone() {
    let legacy = Legacy::docker();
    let site = known(&legacy).await;
    site.registry.forget_requests();
    for query in ["?ref=team/other", "?ref=team/app:v9", "?ref=team/app:latest-other"] {
        let told = send(&site, "POST", query, &[]).await;
        assert_eq!((told.status, &told.json()["expired"]), (200, &0.into()), "{query}");
    }
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    assert_eq!(site.registry.count(|request| request.path.contains("/manifests/")), 0);
}

#[tokio::test]
async fn a_wrong_reference_or_method_is_told() {
    let site = Site::start(&[]).await;
    for query in
        ["", "?ref=", "?other=a", "?ref=Team/App", "?ref=team/app:..", "?ref=team/app@sha256:1", "?ref=%ff"]
    {
        let told = send(&site, "POST", query, &[]).await;
        assert_eq!((told.status, told.header("content-type")), (400, Some("application/json")), "{query}");
        let body = told.json();
        assert!(body["error"].as_str().is_some_and(|text| text.contains("/invalidate?ref=")), "{body}");
    }
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let told = send(&site, method, "?ref=team/app", &[]).await;
        assert_eq!((told.status, told.header("allow")), (405, Some("POST")), "{method}");
    }
    let public = client::request("POST", &site.url("/invalidate?ref=team/app"), &[], "").await;
    assert_eq!(public.expect("an answer").status, 404);
}

#[tokio::test]
async fn no_web_page_gets_through() {
    let legacy = Legacy::docker();
    let site = known(&legacy).await;
    site.registry.forget_requests();
    for (headers, status) in [
        (vec![("host", "rebound.example:5081")], 421),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("origin", "http://localhost:5081")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], 403),
    ] {
        let told = send(&site, "POST", "?ref=team/app", &headers).await;
        assert_eq!(told.status, status, "{headers:?}: {}", told.text());
    }
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    assert_eq!(site.registry.count(|request| request.path.contains("/manifests/")), 0);
    for headers in [vec![("host", "localhost:5081")], vec![("sec-fetch-site", "none")]] {
        assert_eq!(send(&site, "POST", "?ref=team/app", &headers).await.status, 200, "{headers:?}");
    }
}
