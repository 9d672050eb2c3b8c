//! Tag lists and referrers: the upstream's own, page by page, except for what only onetag has.

use serde_json::json;
use testkit::image::media_type::OCI_INDEX;
use testkit::image::sbom_of;
use testkit::{Fault, Match, sha256};

use crate::support::{Legacy, REPOSITORY, Site, refusal, served_as};

const LIST: &str = "/v2/team/app/tags/list";

/// The target of `<target>; rel="next"`.
fn target(link: &str) -> &str {
    link.strip_prefix('<').and_then(|link| link.strip_suffix(r#">; rel="next""#)).expect(link)
}

fn referrers(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/referrers/{digest}")
}

/// A site whose upstream has v1 to v3 for two architectures each, and the six tags in order.
async fn six_tags() -> (Site, Vec<&'static str>) {
    let site = Site::start(&[]).await;
    for tag in ["v1", "v2", "v3"] {
        Legacy::docker().push(&site.registry, tag);
    }
    (site, vec!["v1", "v1-arm", "v2", "v2-arm", "v3", "v3-arm"])
}

#[tokio::test]
async fn the_tags_of_a_repository_are_those_of_the_upstream() {
    let (site, tags) = six_tags().await;
    let list = site.get(LIST, &[]).await;
    assert_eq!((list.status, list.header("content-type")), (200, Some("application/json")));
    assert_eq!(list.json(), json!({ "name": REPOSITORY, "tags": tags }));
    assert_eq!(list.header("link"), None);
    let head = site.head(LIST, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&*list.body.len().to_string()));
}

#[tokio::test]
async fn a_client_that_follows_the_links_sees_every_tag_once() {
    let (site, tags) = six_tags().await;
    let (mut seen, mut pages) = (Vec::new(), Vec::new());
    let mut next = Some(format!("{LIST}?n=4"));
    while let Some(path) = next {
        let page = site.get(&path, &[]).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let names = page.json()["tags"].as_array().expect("a list").clone();
        pages.push(names.len());
        seen.extend(names.iter().map(|name| name.as_str().expect("a name").to_owned()));
        next = page.header("link").map(|link| target(link).to_owned());
    }
    assert_eq!((seen, pages), (tags.iter().map(ToString::to_string).collect(), vec![4, 2]));
    let rest = site.get(&format!("{LIST}?n=2&last=v2"), &[]).await;
    assert_eq!(rest.json()["tags"], json!(["v2-arm", "v3"]));
}

#[tokio::test]
async fn a_link_of_the_upstream_leads_back_to_onetag() {
    let (site, _) = six_tags().await;
    let absolute = format!("<{}{LIST}?last=v1&n=1>; rel=\"next\"", site.registry.url());
    let elsewhere = "</v2/team/secret/tags/list>; rel=\"next\"".to_owned();
    for (link, expected) in [(absolute, Some("/v2/team/app/tags/list?last=v1&n=1")), (elsewhere, None)] {
        let headers = vec![("Content-Type".into(), "application/json".into()), ("Link".into(), link)];
        let body = br#"{"name":"team/app","tags":["v1"]}"#.to_vec();
        site.registry.fail(Match::tags(REPOSITORY), Fault::Status { code: 200, headers, body });
        let page = site.get(&format!("{LIST}?n=1"), &[]).await;
        assert_eq!((page.status, page.header("link").map(target)), (200, expected));
        site.registry.heal();
    }
}

#[tokio::test]
async fn the_tags_of_an_unknown_repository_or_of_an_upstream_in_trouble_are_an_error() {
    let (site, _) = six_tags().await;
    let (status, code, _) = refusal(&site.get("/v2/team/other/tags/list", &[]).await);
    assert_eq!((status, &*code), (404, "NAME_UNKNOWN"));
    let troubles = [
        (Fault::status(503), 503, "UNAVAILABLE"),
        (Fault::status(403), 403, "DENIED"),
        (Fault::status(429), 429, "TOOMANYREQUESTS"),
        (Fault::Endless, 502, "UNAVAILABLE"),
    ];
    for (trouble, expected, code) in troubles {
        site.registry.fail(Match::tags(REPOSITORY), trouble.clone());
        let (status, said, message) = refusal(&site.get(LIST, &[]).await);
        assert_eq!((status, &*said), (expected, code), "{trouble:?}: {message}");
        site.registry.heal();
    }
}

#[tokio::test]
async fn the_referrers_of_an_image_are_those_of_the_upstream() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::oci();
    legacy.push(&site.registry, "latest");
    let sbom = sbom_of(&legacy.arm64);
    site.registry.push(REPOSITORY, "", &sbom);
    let of_arm64 = referrers(&legacy.arm64.digest());
    let found = site.get(&of_arm64, &[]).await;
    assert_eq!((found.status, found.header("content-type")), (200, Some(OCI_INDEX)));
    let manifests = found.json()["manifests"].as_array().expect("a list").clone();
    assert_eq!(manifests.len(), 1, "{manifests:?}");
    assert_eq!(manifests[0]["digest"], sbom.digest());
    served_as(&site.manifest(&sbom.digest()).await, &sbom.media_type, &sbom.manifest);
    let none = site.get(&format!("{of_arm64}?artifactType=application/nothing"), &[]).await;
    assert_eq!((none.status, none.json()["manifests"].clone()), (200, json!([])));
    assert_eq!(none.header("oci-filters-applied"), Some("artifactType"));
}

#[tokio::test]
async fn vector_50_nothing_refers_to_a_merged_index() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::oci();
    legacy.push(&site.registry, "latest");
    let merged = sha256(legacy.merged());
    site.registry.fail(Match::all().path_contains("/referrers/"), Fault::status(404));
    assert_eq!(site.get(&referrers(&merged), &[]).await.status, 404, "it was not handed out yet");
    served_as(&site.manifest("latest").await, OCI_INDEX, legacy.merged());
    for filter in ["", "?artifactType=application/spdx%2Bjson"] {
        let found = site.get(&format!("{}{filter}", referrers(&merged)), &[]).await;
        assert_eq!((found.status, found.header("content-type")), (200, Some(OCI_INDEX)));
        let empty = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
        assert_eq!(found.json(), empty);
        let head = site.head(&referrers(&merged), &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), found.header("content-length"));
    }
    let (status, _, _) = refusal(&site.get(&referrers(&legacy.arm64.digest()), &[]).await);
    assert_eq!(status, 404, "where the upstream knows no referrers, clients must see it and use tags");
}
