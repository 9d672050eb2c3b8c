//! For how long a tag is believed, and what it costs to ask whether it has moved.

use std::time::{Duration, Instant};

use testkit::image::media_type::DOCKER_LIST;
use testkit::{Fault, Image, Kind, Match, Recorded};

use crate::support::{ACCEPT, Legacy, REPOSITORY, Site, eventually, manifest_path, refusal, served_as};

fn is_manifest(request: &Recorded) -> bool {
    matches!(request.kind, Kind::ManifestByTag | Kind::ManifestByDigest)
}

/// Methods and tags of the requests for manifests, sorted.
fn asked(site: &Site) -> Vec<String> {
    let requests = site.registry.requests();
    let line = |request: &Recorded| {
        format!("{} {}", request.method, request.path.rsplit('/').next().unwrap_or_default())
    };
    let mut asked: Vec<_> = requests.iter().filter(|request| is_manifest(request)).map(line).collect();
    asked.sort();
    asked
}

/// A site with a merged tag that is known and past its time, and nothing asked since.
async fn past_its_time(args: &[&str]) -> (Site, Legacy) {
    let (site, legacy) = (Site::start(&[&["--tag-ttl", "200ms"], args].concat()).await, Legacy::docker());
    legacy.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    learned(&site).await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    site.registry.forget_requests();
    (site, legacy)
}

/// Waits until the tag list was read: then a tag that is nowhere costs two requests.
async fn learned(site: &Site) {
    let mut number = 0;
    eventually("the members are known", || {
        number += 1;
        let tag = format!("nowhere{number}");
        async move {
            site.registry.forget_requests();
            assert_eq!(site.manifest(&tag).await.status, 404);
            site.registry.count(is_manifest) == 2
        }
    })
    .await;
}

#[tokio::test]
async fn a_stale_answer_goes_out_at_once_and_one_head_for_each_member_follows() {
    let (site, legacy) = past_its_time(&[]).await;
    site.registry.fail(Match::all(), Fault::Delay(Duration::from_millis(700)));
    let begin = Instant::now();
    for _ in 0..50 {
        served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    }
    assert!(begin.elapsed() < Duration::from_millis(700), "{:?}", begin.elapsed());
    eventually("the check ends", || async { site.registry.count(|request| request.status == 200) == 2 })
        .await;
    assert_eq!(asked(&site), ["HEAD latest", "HEAD latest-arm"]);
}

#[tokio::test]
async fn a_tag_that_moved_is_new_for_the_caller_after_the_first() {
    let (site, legacy) = past_its_time(&[]).await;
    let newer = Legacy::seeded(9);
    newer.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    eventually("the new one comes", || async { site.manifest("latest").await.text() == newer.merged() })
        .await;
}

#[tokio::test]
async fn past_the_stale_window_the_caller_waits_for_the_check() {
    let (site, legacy) = past_its_time(&["--stale-while-revalidate", "0s"]).await;
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    assert_eq!(asked(&site), ["HEAD latest", "HEAD latest-arm"]);
    tokio::time::sleep(Duration::from_millis(250)).await;
    let newer = Image::builder("linux/arm64").docker().seed(5).build();
    site.registry.push(REPOSITORY, "latest-arm", &newer);
    let moved = Legacy { amd64: legacy.amd64, arm64: newer };
    served_as(&site.manifest("latest").await, DOCKER_LIST, moved.merged());
}

#[tokio::test]
async fn an_upstream_whose_heads_tell_no_digest_is_asked_with_get() {
    let no_digest = Fault::Status { code: 200, headers: Vec::new(), body: Vec::new() };
    let foreign = vec![("docker-content-digest".to_owned(), "md5:00".to_owned())];
    let odd = Fault::Status { code: 200, headers: foreign, body: Vec::new() };
    let others = [405, 501, 403, 500].map(Fault::status);
    for head in others.into_iter().chain([no_digest, odd]) {
        let (site, legacy) = past_its_time(&["--stale-while-revalidate", "0s"]).await;
        site.registry.fail(Match::all().method("HEAD"), head.clone());
        served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
        let gets: Vec<_> = asked(&site).into_iter().filter(|line| line.starts_with("GET")).collect();
        assert_eq!(gets, ["GET latest", "GET latest-arm"], "{head:?}");
    }
}

#[tokio::test]
async fn a_denial_is_an_answer_and_what_was_there_before_is_not_served_any_more() {
    for code in [401, 403] {
        let (site, _) = past_its_time(&["--stale-while-revalidate", "0s"]).await;
        let fault = site.registry.fail(Match::all(), Fault::status(code));
        assert_eq!(refusal(&site.manifest("latest").await).0, 403, "{code}");
        site.registry.heal_one(fault);
        site.registry.go_down().await;
        assert_eq!(refusal(&site.manifest("latest").await).0, 502, "{code}");
    }
}

#[tokio::test]
async fn a_limit_is_honoured_while_the_last_good_answer_is_served() {
    let (site, legacy) = past_its_time(&["--stale-while-revalidate", "0s"]).await;
    let headers = vec![("retry-after".to_owned(), "60".to_owned())];
    site.registry.fail(Match::all(), Fault::Status { code: 429, headers, body: Vec::new() });
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    let asked = site.registry.requests().len();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let stale = site.manifest("latest").await;
        assert_eq!(stale.header("onetag-source"), Some("stale"));
        served_as(&stale, DOCKER_LIST, legacy.merged());
    }
    assert_eq!(site.registry.requests().len(), asked);
}

#[tokio::test]
async fn an_immutable_tag_is_never_asked_for_again_once_it_is_complete() {
    let settings = "[cache]\ntag_ttl = \"100ms\"\nstale_while_revalidate = \"0s\"\nimmutable = [\"v*\"]\n";
    let (site, legacy) = (Site::configured(settings, &[]).await, Legacy::docker());
    legacy.push(&site.registry, "v1");
    site.registry.push(REPOSITORY, "v2", &legacy.amd64);
    served_as(&site.manifest("v1").await, DOCKER_LIST, legacy.merged());
    learned(&site).await;
    // It is complete from the first answer on that was given with the tag list known.
    tokio::time::sleep(Duration::from_millis(150)).await;
    for tag in ["v1", "v2"] {
        assert_eq!(site.manifest(tag).await.status, 200);
    }
    eventually("the tag is asked for with its list known", || async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        site.registry.forget_requests();
        assert_eq!(site.manifest("v1").await.status, 200);
        site.registry.requests().is_empty()
    })
    .await;
    // Half of it was there: the other half may follow.
    assert_eq!(site.manifest("v2").await.header("content-type"), Some(&*legacy.amd64.media_type));
    site.registry.push(REPOSITORY, "v2-arm", &legacy.arm64);
    tokio::time::sleep(Duration::from_millis(150)).await;
    served_as(&site.manifest("v2").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_rule_has_times_of_its_own() {
    let settings = "[cache]\ntag_ttl = \"1h\"\n\n\
         [[rule]]\nrepositories = [\"team/app\"]\nttl = \"0s\"\n";
    let (site, legacy) = (Site::configured(settings, &[]).await, Legacy::docker());
    let other = "/v2/team/other/manifests/latest";
    legacy.push(&site.registry, "latest");
    site.registry.push("team/other", "latest", &legacy.amd64);
    assert_eq!(site.manifest("latest").await.status, 200);
    assert_eq!(site.get(other, &[ACCEPT]).await.status, 200);
    let newer = Legacy::seeded(3);
    newer.push(&site.registry, "latest");
    site.registry.push("team/other", "latest", &newer.amd64);
    served_as(&site.manifest("latest").await, DOCKER_LIST, newer.merged());
    served_as(&site.get(other, &[ACCEPT]).await, &legacy.amd64.media_type, &legacy.amd64.manifest);
}

#[tokio::test]
async fn an_outage_past_the_stale_window_makes_nobody_wait_twice() {
    let (site, legacy) = past_its_time(&["--stale-while-revalidate", "0s", "--header-timeout", "1s"]).await;
    site.registry.fail(Match::all(), Fault::StallHeaders);
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    let begin = Instant::now();
    for _ in 0..200 {
        served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    site.registry.heal();
    let newer = Legacy::seeded(4);
    newer.push(&site.registry, "latest");
    eventually("the upstream's return is seen", || async {
        site.manifest("latest").await.text() == newer.merged()
    })
    .await;
    assert_eq!(site.head(&manifest_path("latest"), &[ACCEPT]).await.header("onetag-source"), Some("merged"));
}

#[tokio::test]
async fn a_member_with_a_new_suffix_shows_as_soon_as_the_tag_list_is_read_again() {
    let settings = "[cache]\ntag_ttl = \"1h\"\n\n[merge]\nrelearn = \"300ms\"\n";
    let (site, legacy) = (Site::configured(settings, &[]).await, Legacy::docker());
    site.registry.push(REPOSITORY, "latest", &legacy.amd64);
    assert_eq!(site.manifest("latest").await.status, 200);
    tokio::time::sleep(Duration::from_millis(100)).await;
    site.registry.push(REPOSITORY, "latest-arm", &legacy.arm64);
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Any tag of the repository that is asked for lets the list be read.
    eventually("the member is merged", || async {
        site.manifest("nowhere").await;
        site.manifest("latest").await.text() == legacy.merged()
    })
    .await;
}
