//! What registries tell of pushes and deletions: the very next pull is the new one, however long tags are
//! believed.

mod bodies;
mod refused;

use std::time::Duration;

use testkit::client::{self, Response};
use testkit::image::media_type::DOCKER_LIST;
use testkit::{DockerRegistry, Fault, Image, Match, Registry};
use tokio::net::{TcpListener, TcpStream};

use self::bodies::{DELETED_IMAGE, PUSHED};
use crate::support::{
    ACCEPT, Legacy, REPOSITORY, Site, eventually, manifest_path, refusal, serve, serve_with, served_as,
};

const PATH: &str = "/onetag/notifications";
const TOKEN: &str = "correct-horse-battery-staple";
const BEARER: (&str, &str) = ("authorization", "Bearer correct-horse-battery-staple");

/// A tag is believed for so long that only a notification can be why it was asked for again.
const NOTIFIED: &[&str] = &["--tag-ttl", "1h", "--webhook-token", TOKEN];

/// A site that knows the legacy pair as `latest`.
async fn known(legacy: &Legacy) -> Site {
    let site = Site::start(NOTIFIED).await;
    legacy.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    site
}

async fn notify(site: &Site, body: impl Into<String>) -> Response {
    let headers = [BEARER, ("content-type", "application/json")];
    client::request("POST", &site.url(PATH), &headers, body.into()).await.expect("onetag answers")
}

/// Notifies, and asserts that it is taken; how many tags it expires.
#[track_caller]
fn expired(response: &Response) -> u64 {
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    response.json()["expired"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_push_of_the_base_or_of_a_member_is_seen_by_the_next_pull_in_each_format() {
    for pushed in PUSHED {
        let old = Legacy::docker();
        let site = known(&old).await;
        let member = Legacy { amd64: old.amd64.clone(), arm64: Legacy::seeded(2).arm64 };
        let both = Legacy::seeded(2);
        for (tag, image, new) in [("latest-arm", &both.arm64, &member), ("latest", &both.amd64, &both)] {
            let before = site.manifest("latest").await;
            site.registry.push(REPOSITORY, tag, image);
            served_as(&site.manifest("latest").await, DOCKER_LIST, &before.body);
            let body = pushed(REPOSITORY, tag, &image.digest());
            assert_eq!(expired(&notify(&site, &body).await), 1, "{body}");
            served_as(&site.manifest("latest").await, DOCKER_LIST, new.merged());
        }
    }
}

#[tokio::test]
async fn a_tag_that_is_pushed_for_the_first_time_is_there_at_once() {
    let site = Site::start(&[NOTIFIED, &["--negative-ttl", "10s"]].concat()).await;
    let legacy = Legacy::docker();
    assert_eq!(refusal(&site.manifest("latest").await).0, 404);
    legacy.push(&site.registry, "latest");
    assert_eq!(refusal(&site.manifest("latest").await).0, 404);
    for (tag, image) in [("latest", &legacy.amd64), ("latest-arm", &legacy.arm64)] {
        expired(&notify(&site, PUSHED[0](REPOSITORY, tag, &image.digest())).await);
    }
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_deleted_image_leaves_the_index_and_the_cache_at_once_in_each_format() {
    for deleted in DELETED_IMAGE {
        let legacy = Legacy::docker();
        let site = known(&legacy).await;
        let digest = legacy.arm64.digest();
        assert_eq!(site.manifest(&digest).await.status, 200);
        site.registry.delete_manifest(REPOSITORY, &digest);
        served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
        assert_eq!(site.manifest(&digest).await.status, 200);
        let body = deleted(REPOSITORY, "latest-arm", &digest);
        assert_eq!(expired(&notify(&site, &body).await), 1, "{body}");
        served_as(&site.manifest("latest").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
        assert_eq!(refusal(&site.manifest(&digest).await).0, 404, "{body}");
    }
}

#[tokio::test]
async fn a_deleted_tag_and_a_deleted_repository_are_gone_at_once() {
    let legacy = Legacy::docker();
    let site = known(&legacy).await;
    site.registry.delete_tag(REPOSITORY, "latest-arm");
    expired(&notify(&site, bodies::deleted_tag(REPOSITORY, "latest-arm")).await);
    served_as(&site.manifest("latest").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
    site.registry.delete_tag(REPOSITORY, "latest");
    expired(&notify(&site, bodies::deleted_repository(REPOSITORY)).await);
    assert_eq!(refusal(&site.manifest("latest").await).0, 404);
}

#[tokio::test]
async fn what_changes_no_tag_expires_none() {
    let legacy = Legacy::docker();
    let site = known(&legacy).await;
    let digest = legacy.amd64.digest();
    let mut bodies: Vec<String> =
        PUSHED.iter().map(|pushed| pushed("team/other", "latest", &digest)).collect();
    bodies.extend(PUSHED.iter().map(|pushed| pushed(REPOSITORY, "v9", &digest)));
    bodies.extend(PUSHED.iter().map(|pushed| pushed(REPOSITORY, &digest, &digest)));
    bodies.extend(bodies::changing_nothing(REPOSITORY, "latest", &digest));
    site.registry.forget_requests();
    for body in bodies {
        assert_eq!(expired(&notify(&site, &body).await), 0, "{body}");
    }
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    assert_eq!(site.registry.count(|request| request.path.contains("/manifests/")), 0);
}

/// Waits until it is known that the repository has no members at all.
async fn alone(site: &Site) {
    let mut number = 0;
    eventually("no members are known", || {
        number += 1;
        let tag = format!("nowhere{number}");
        async move {
            site.registry.forget_requests();
            site.manifest(&tag).await;
            site.registry.requests().len() == 1
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_member_that_a_repository_ever_had_is_merged_at_once() {
    let site = Site::start(NOTIFIED).await;
    let legacy = Legacy::docker();
    site.registry.push(REPOSITORY, "latest", &legacy.amd64);
    alone(&site).await;
    served_as(&site.manifest("latest").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
    site.registry.push(REPOSITORY, "latest-arm", &legacy.arm64);
    expired(&notify(&site, PUSHED[0](REPOSITORY, "latest-arm", &legacy.arm64.digest())).await);
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_push_to_a_members_repository_changes_the_merged_tag_even_the_first_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("onetag.toml");
    std::fs::write(&file, "[[rule]]\npreset = \"official\"\n").expect("a file");
    let config = ["--config", file.to_str().expect("UTF-8")];
    let site = Site::start(&[NOTIFIED, &config].concat()).await;
    let (old, new) = (Legacy::seeded(1), Legacy::seeded(2));
    site.registry.push("library/app", "latest", &old.amd64);
    let path = "/v2/library/app/manifests/latest";
    let pull = || site.get(path, &[ACCEPT]);
    served_as(&pull().await, &old.amd64.media_type, &old.amd64.manifest);
    for arm64 in [&old.arm64, &new.arm64] {
        site.registry.push("arm64v8/app", "latest", arm64);
        assert_eq!(expired(&notify(&site, PUSHED[1]("arm64v8/app", "latest", &arm64.digest())).await), 1);
        let merged = Legacy { amd64: old.amd64.clone(), arm64: (*arm64).clone() }.merged();
        served_as(&pull().await, DOCKER_LIST, merged);
    }
}

#[tokio::test]
async fn a_notification_counts_for_what_only_the_data_directory_knows() {
    let registry = Registry::start().await;
    let (old, new) = (Legacy::seeded(1), Legacy::seeded(2));
    old.push(&registry, "latest");
    let directory = tempfile::tempdir().expect("a directory");
    let args = [NOTIFIED, &["--data-dir", directory.path().to_str().expect("UTF-8")]].concat();
    let mut site = Site::over(registry, &args);
    served_as(&site.manifest("latest").await, DOCKER_LIST, old.merged());
    site.onetag.terminate();
    site.onetag.wait(Duration::from_secs(10));
    site = Site::over(site.registry, &args);
    new.push(&site.registry, "latest");
    expired(&notify(&site, PUSHED[2](REPOSITORY, "latest", &new.amd64.digest())).await);
    served_as(&site.manifest("latest").await, DOCKER_LIST, new.merged());
}

#[tokio::test]
async fn five_thousand_events_are_one_notification() {
    let old = Legacy::docker();
    let site = known(&old).await;
    let new = Legacy::seeded(2);
    let target = |number: usize| (format!("team/app{}", number % 1_500), format!("v{number}"));
    let mut events: Vec<_> = (0..5_000).map(target).collect();
    events[4_500] = (REPOSITORY.to_owned(), "latest-arm".to_owned());
    let body = bodies::pushes(&events);
    assert!(body.len() < 1 << 20, "{}", body.len());
    site.registry.push(REPOSITORY, "latest-arm", &new.arm64);
    assert_eq!(expired(&notify(&site, body).await), 1);
    let merged = Legacy { amd64: old.amd64, arm64: new.arm64 }.merged();
    served_as(&site.manifest("latest").await, DOCKER_LIST, merged);
}

/// Pushes an image as a tag while a pull of `of` is under way, then notifies; the next pull must have it.
async fn push_during_a_pull(site: &Site, of: &str, image: &Image, millis: u64) {
    let slow = Fault::Delay(Duration::from_millis(8));
    let fault = site.registry.fail(Match::manifest(REPOSITORY, of), slow);
    let (url, tag) = (site.url(&manifest_path(of)), format!("{of}-arm"));
    let pull = tokio::spawn(async move { client::get(&url, &[ACCEPT]).await });
    tokio::time::sleep(Duration::from_millis(millis)).await;
    site.registry.push(REPOSITORY, &tag, image);
    expired(&notify(site, PUSHED[0](REPOSITORY, &tag, &image.digest())).await);
    let next = site.manifest(of).await;
    assert!(next.text().contains(&image.digest()), "{of}, {millis} ms: stale: {}", next.text());
    assert_eq!(pull.await.expect("no panic").expect("an answer").status, 200);
    served_as(&site.manifest(of).await, DOCKER_LIST, &next.body);
    site.registry.heal_one(fault);
}

#[tokio::test]
async fn a_push_during_a_pull_is_never_missed_by_the_next_one() {
    let site = Site::start(NOTIFIED).await;
    let legacy = Legacy::docker();
    let build = |seed| Image::builder("linux/arm64").docker().seed(seed).build();
    for round in 0..50 {
        let tag = format!("v{round}");
        legacy.push(&site.registry, &tag);
        // Of a tag that is not known yet, then of one that is known and expired.
        push_during_a_pull(&site, &tag, &build(2 * round + 100), round % 20).await;
        expired(&notify(&site, PUSHED[0](REPOSITORY, &tag, &legacy.amd64.digest())).await);
        push_during_a_pull(&site, &tag, &build(2 * round + 101), round % 20).await;
    }
}

/// Passes connections on to an address that is known later than the one it listens on.
async fn relay(listener: TcpListener, to: std::net::SocketAddr) {
    while let Ok((mut from, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut to = TcpStream::connect(to).await.expect("onetag listens");
            // Either side may close first.
            let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_registry_tells_of_its_pushes_and_deletions() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let hook = format!("http://{}{PATH}", listener.local_addr().expect("it is bound"));
    let Some(registry) = DockerRegistry::start_notifying(&hook, TOKEN) else { return };
    let onetag = serve(registry.url(), NOTIFIED);
    let relay = tokio::spawn(relay(listener, onetag.address()));
    let url = format!("{}{}", onetag.url(), manifest_path("latest"));
    let shows = |wanted: Vec<u8>| {
        let url = url.clone();
        async move { client::get(&url, &[ACCEPT]).await.expect("an answer").body == wanted }
    };
    let (old, new) = (Legacy::seeded(1), Legacy::seeded(2));
    registry.push(REPOSITORY, "latest", &old.amd64);
    registry.push(REPOSITORY, "latest-arm", &old.arm64);
    eventually("the pair", || shows(old.merged().into())).await;
    registry.push(REPOSITORY, "latest-arm", &new.arm64);
    registry.push(REPOSITORY, "latest", &new.amd64);
    eventually("the new pair", || shows(new.merged().into())).await;
    registry.delete_manifest(REPOSITORY, &new.arm64.digest());
    eventually("what is left", || shows(new.amd64.manifest.clone())).await;
    relay.abort();
}

#[tokio::test]
async fn the_token_may_come_from_a_file_and_from_the_environment() {
    let registry = Registry::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let upstream = ["--upstream", &registry.url()];
    let settings = directory.path().join("onetag.toml");
    std::fs::write(&settings, format!("[webhook]\ntoken_file = \"{file}\"\n")).expect("a file");
    for (args, env) in [
        (vec!["--webhook-token-file", file], vec![]),
        (vec!["--config", settings.to_str().expect("UTF-8")], vec![]),
        (vec![], vec![("ONETAG_WEBHOOK_TOKEN", TOKEN)]),
        (vec![], vec![("ONETAG_WEBHOOK_TOKEN_FILE", file)]),
    ] {
        let onetag = serve_with(&[&upstream[..], &args].concat(), &env);
        let url = format!("{}{PATH}", onetag.url());
        let right = client::request("POST", &url, &[BEARER], r#"{"events":[]}"#).await.expect("an answer");
        assert_eq!(right.status, 200, "{args:?} {env:?}: {}", right.text());
        let wrong = client::request("POST", &url, &[("authorization", file)], "").await.expect("an answer");
        assert_eq!(refusal(&wrong).0, 401, "{args:?} {env:?}");
    }
}
