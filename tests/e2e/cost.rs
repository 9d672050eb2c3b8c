//! What a pull costs the upstream.

use std::time::{Duration, Instant};

use testkit::client::{self, Response};
use testkit::image::buildx;
use testkit::image::media_type::DOCKER_LIST;
use testkit::{Fault, Image, Index, Kind, Match, Recorded, Registry};
use tokio::task::JoinSet;

use crate::support::{ACCEPT, Legacy, REPOSITORY, Site, eventually, manifest_path, served_as};

const SUFFIXES: usize = 9;

fn is_manifest(request: &Recorded) -> bool {
    matches!(request.kind, Kind::ManifestByTag | Kind::ManifestByDigest)
}

/// The tags and digests asked for so far, without the tag lists, sorted.
fn asked(registry: &Registry) -> Vec<String> {
    let requests = registry.requests();
    let content = requests.iter().filter(|request| is_manifest(request) || request.kind == Kind::Blob);
    let mut asked: Vec<String> =
        content.map(|request| request.path.rsplit('/').next().unwrap_or_default().to_owned()).collect();
    asked.sort();
    asked
}

fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort();
    all
}

/// Waits until the repository's suffixes are known: then a tag that is nowhere costs `expected` requests.
async fn known(site: &Site, expected: usize) {
    let mut number = 0;
    eventually("the suffixes are known", || {
        number += 1;
        let tag = format!("nowhere{number}");
        async move {
            site.registry.forget_requests();
            assert_eq!(site.manifest(&tag).await.status, 404);
            site.registry.count(is_manifest) == expected
        }
    })
    .await;
    site.registry.forget_requests();
}

/// So many clients, each on a connection of its own, ask for `latest` at once.
fn stampede(site: &Site, clients: usize) -> JoinSet<Response> {
    let url = site.url(&manifest_path("latest"));
    let ask = |url: String| async move { client::get(&url, &[ACCEPT]).await.expect("onetag answers") };
    (0..clients).map(|_| ask(url.clone())).collect()
}

#[tokio::test]
async fn a_tag_that_is_known_costs_nothing() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    known(&site, 2).await;
    served_as(&site.manifest("latest").await, &site_type(&legacy), legacy.merged());
    site.registry.forget_requests();
    for _ in 0..3 {
        served_as(&site.manifest("latest").await, &site_type(&legacy), legacy.merged());
        assert_eq!(site.head(&manifest_path("latest"), &[ACCEPT]).await.status, 200);
    }
    assert_eq!(site.registry.requests().len(), 0);
}

#[tokio::test]
async fn what_was_fetched_to_be_merged_is_not_fetched_again_wherever_it_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = ["--data-dir", directory.path().to_str().expect("a path in UTF-8")];
    for args in [&[][..], &data_dir] {
        let site = Site::start(args).await;
        let legacy = Legacy::docker();
        legacy.push(&site.registry, "latest");
        known(&site, 2).await;
        served_as(&site.manifest("latest").await, &site_type(&legacy), legacy.merged());
        site.registry.forget_requests();
        for pause in [0, 500, 0] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let single = site.get(&manifest_path("latest"), &[("accept", &legacy.amd64.media_type)]).await;
            served_as(&single, &legacy.amd64.media_type, &legacy.amd64.manifest);
            for image in [&legacy.amd64, &legacy.arm64] {
                let answer = site.manifest(&image.digest()).await;
                served_as(&answer, &image.media_type, &image.manifest);
            }
        }
        assert_eq!(site.registry.requests().len(), 0, "{args:?}");
    }
}

fn site_type(legacy: &Legacy) -> String {
    let merged: serde_json::Value = serde_json::from_str(&legacy.merged()).expect("JSON");
    merged["mediaType"].as_str().expect("an index has a type").to_owned()
}

#[tokio::test]
async fn a_cold_tag_takes_two_round_trips_though_all_suffixes_are_asked_for() {
    const DELAY: Duration = Duration::from_millis(300);
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    site.registry.fail(Match::all(), Fault::Delay(DELAY));
    let started = Instant::now();
    let got = site.manifest("latest").await;
    let took = started.elapsed();
    served_as(&got, &site_type(&legacy), legacy.merged());
    assert!(took >= 2 * DELAY && took < 3 * DELAY, "{took:?}");
    let tags = site.registry.count(|request| request.kind == Kind::ManifestByTag);
    let blobs = site.registry.count(|request| request.kind == Kind::Blob);
    assert_eq!((tags, blobs), (1 + SUFFIXES, 2));
}

#[tokio::test]
async fn members_that_are_indexes_take_one_round_trip() {
    const DELAY: Duration = Duration::from_millis(300);
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    site.registry.push_index(REPOSITORY, "latest", &buildx(&amd64));
    site.registry.push_index(REPOSITORY, "latest-arm", &buildx(&arm64));
    site.registry.fail(Match::all(), Fault::Delay(DELAY));
    let started = Instant::now();
    assert_eq!(site.manifest("latest").await.json()["manifests"].as_array().map(Vec::len), Some(4));
    let took = started.elapsed();
    assert!(took >= DELAY && took < 2 * DELAY, "{took:?}");
}

#[tokio::test]
async fn once_the_suffixes_are_known_a_cold_tag_costs_its_members_and_their_new_configs() {
    let site = Site::start(&[]).await;
    let (first, second) = (Legacy::docker(), Legacy::seeded(2));
    first.push(&site.registry, "v1");
    second.push(&site.registry, "v2");
    second.push(&site.registry, "v3");
    assert_eq!(site.manifest("v1").await.status, 200);
    known(&site, 2).await;
    served_as(&site.manifest("v2").await, &site_type(&second), second.merged());
    let configs = [second.amd64.config_digest(), second.arm64.config_digest()];
    let expected = [&["v2".to_owned(), "v2-arm".to_owned()][..], &configs].concat();
    assert_eq!(asked(&site.registry), sorted(expected));
    site.registry.forget_requests();
    served_as(&site.manifest("v3").await, &site_type(&second), second.merged());
    assert_eq!(asked(&site.registry), ["v3", "v3-arm"]);
}

#[tokio::test]
async fn an_index_of_several_platforms_costs_no_more_than_itself() {
    let site = Site::start(&[]).await;
    let Legacy { amd64, arm64 } = Legacy::docker();
    let multi = Index::docker_list().image(&amd64).image(&arm64).build();
    site.registry.push_index(REPOSITORY, "v1", &multi);
    known(&site, 1).await;
    served_as(&site.manifest("v1").await, &multi.media_type, &multi.manifest);
    assert_eq!(asked(&site.registry), ["v1"]);
}

#[tokio::test]
async fn a_thousand_callers_of_a_cold_tag_cost_each_object_once() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    known(&site, 2).await;
    let slow = Fault::Delay(Duration::from_millis(500));
    site.registry.fail(Match::manifest(REPOSITORY, "latest"), slow);
    let answers = stampede(&site, 1000).join_all().await;
    assert_eq!(answers.len(), 1000);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == legacy.merged()));
    let objects =
        ["latest".into(), "latest-arm".into(), legacy.amd64.config_digest(), legacy.arm64.config_digest()];
    assert_eq!(asked(&site.registry), sorted(objects.into()));
}

#[tokio::test]
async fn callers_that_leave_neither_end_the_work_nor_double_it() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    known(&site, 2).await;
    let slow = Fault::Delay(Duration::from_millis(700));
    let fault = site.registry.fail(Match::manifest(REPOSITORY, "latest"), slow);
    let mut leavers = stampede(&site, 50);
    eventually("the first caller's request is under way", || async { site.registry.hits(fault) == 1 }).await;
    let stayers = stampede(&site, 50);
    leavers.shutdown().await;
    let answers = stayers.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == legacy.merged()));
    assert_eq!(site.registry.hits(fault), 1);
    let objects =
        ["latest".into(), "latest-arm".into(), legacy.amd64.config_digest(), legacy.arm64.config_digest()];
    assert_eq!(asked(&site.registry), sorted(objects.into()));
}

#[tokio::test]
async fn a_tag_that_is_missing_is_asked_for_again_only_after_its_time() {
    let site = Site::start(&["--negative-ttl", "1s"]).await;
    let image = Image::builder("linux/amd64").build();
    site.registry.push(REPOSITORY, "other", &image);
    known(&site, 1).await;
    let asked_at = Instant::now();
    assert_eq!(site.manifest("latest").await.status, 404);
    site.registry.push(REPOSITORY, "latest", &image);
    site.registry.forget_requests();
    assert_eq!(site.manifest("latest").await.status, 404);
    assert!(asked_at.elapsed() < Duration::from_secs(1), "too slow a machine for this test");
    assert_eq!(asked(&site.registry), Vec::<String>::new());
    eventually("the tag shows", || async { site.manifest("latest").await.status == 200 }).await;
    assert!(asked_at.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_tag_that_moved_shows_after_its_time_and_not_before() {
    let site = Site::start(&["--tag-ttl", "1s"]).await;
    let (old, new) = (Legacy::docker(), Legacy::seeded(2));
    old.push(&site.registry, "latest");
    let asked_at = Instant::now();
    served_as(&site.manifest("latest").await, &site_type(&old), old.merged());
    new.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, &site_type(&old), old.merged());
    assert!(asked_at.elapsed() < Duration::from_secs(1), "too slow a machine for this test");
    eventually("the tag has moved", || async { site.manifest("latest").await.body == new.merged() }).await;
    assert!(asked_at.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_list_that_lacks_what_was_found_never_unmerges_a_tag() {
    let lagging = r#"{"tags":["latest"]}"#;
    for body in ["{}", r#"{"tags":null}"#, r#"{"tags":[]}"#, r#"{"errors":[{"code":"DENIED"}]}"#, lagging] {
        let site = Site::start(&["--tag-ttl", "0s"]).await;
        let legacy = Legacy::docker();
        legacy.push(&site.registry, "latest");
        let fault = site.registry.fail(Match::all().path_contains("tags/list"), Fault::Body(body.into()));
        served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
        eventually("the list was read", || async { site.registry.hits(fault) > 0 }).await;
        for _ in 0..20 {
            served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
        }
    }
}
