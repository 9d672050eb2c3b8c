//! An upstream in trouble, for a tag that is known: the last good answer.

use testkit::image::media_type::DOCKER_LIST;
use testkit::{Fault, Image, Match};

use crate::support::{Legacy, Site, eventually, manifest_path, refusal, served_as, whole_log};

/// No answer is believed without asking, so that no test has to wait.
const ALWAYS_ASK: &[&str] = &["--tag-ttl", "0s", "--header-timeout", "300ms", "--idle-body-timeout", "300ms"];

async fn warm(args: &[&str]) -> (Site, Legacy) {
    let (site, legacy) = (Site::start(&[ALWAYS_ASK, args].concat()).await, Legacy::docker());
    legacy.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    (site, legacy)
}

/// What becomes of a HEAD while GET has this trouble.
fn no_head(trouble: &Fault) -> Fault {
    match trouble {
        Fault::StallBody { .. } | Fault::Body(_) => Fault::status(405),
        other => other.clone(),
    }
}

#[tokio::test]
async fn whatever_befalls_the_upstream_the_last_good_answer_is_served() {
    for trouble in [
        Fault::status(500),
        Fault::status(503),
        Fault::status(429),
        Fault::Reset,
        Fault::StallHeaders,
        Fault::StallBody { after: 5 },
        Fault::Body(b"<html>".to_vec()),
    ] {
        let (site, legacy) = warm(&[]).await;
        // A HEAD has no body that could go wrong, and would say that nothing has moved.
        site.registry.fail(Match::all().method("HEAD"), no_head(&trouble));
        let fault = site.registry.fail(Match::all(), trouble.clone());
        served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
        let head = matches!(trouble, Fault::StallBody { .. } | Fault::Body(_));
        assert!(!head || site.registry.hits(fault) > 0, "{trouble:?}: it was not even asked");
        assert_eq!(site.head(&manifest_path("latest"), &[]).await.status, 200, "{trouble:?}");
        let log = whole_log(site.onetag);
        assert!(log.contains("the last good answer is served"), "{trouble:?}: {log}");
    }
}

#[tokio::test]
async fn a_member_in_trouble_leaves_the_last_good_answer_whole() {
    let (site, legacy) = warm(&[]).await;
    site.registry.fail(Match::all().path_contains("latest-arm"), Fault::status(503));
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn an_upstream_that_is_gone_leaves_the_last_good_answer() {
    let (site, legacy) = warm(&[]).await;
    site.registry.go_down().await;
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_tag_that_was_deleted_is_gone_however_recently_it_was_there() {
    let (site, _) = warm(&[]).await;
    site.registry.delete_tag("team/app", "latest");
    site.registry.delete_tag("team/app", "latest-arm");
    assert_eq!(refusal(&site.manifest("latest").await).0, 404);
}

#[tokio::test]
async fn a_member_that_was_deleted_leaves_the_index_at_once() {
    let (site, legacy) = warm(&[]).await;
    site.registry.delete_tag("team/app", "latest-arm");
    served_as(&site.manifest("latest").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
}

#[tokio::test]
async fn where_stale_answers_are_switched_off_the_failure_shows() {
    let (site, _) = warm(&["--stale-if-error", "0s"]).await;
    site.registry.fail(Match::all(), Fault::status(503));
    assert_eq!(refusal(&site.manifest("latest").await).0, 503);
}

#[tokio::test]
async fn an_upstream_that_hangs_does_not_hang_who_pulls_a_known_tag() {
    let site = Site::start(&["--tag-ttl", "0s"]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    site.registry.fail(Match::all(), Fault::StallHeaders);
    // The upstream may take 30 s; the client of the test kit, as real ones, gives up by then.
    let begin = std::time::Instant::now();
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn content_that_the_upstream_lists_and_lacks_leaves_the_last_good_answer() {
    let (site, legacy) = warm(&[]).await;
    let newer = Image::builder("linux/arm64/v8").docker().seed(77).build();
    site.registry.push("team/app", "latest-arm", &newer);
    site.registry.delete_blob("team/app", &newer.config_digest());
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    site.registry.push("team/app", "latest-arm", &newer);
    eventually("the new member is merged", || async {
        site.manifest("latest").await.text().contains(&newer.digest())
    })
    .await;
}
