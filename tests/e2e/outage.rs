//! An upstream that is down or in trouble, for a tag that is not known yet: an error in time, never less
//! than the whole index.

use std::time::{Duration, Instant};

use testkit::image::media_type::DOCKER_LIST;
use testkit::{Fault, Kind, Match, Registry, client};

use crate::support::{Legacy, REPOSITORY, Site, eventually, refusal, serve, served_as, whole_log};

/// For upstreams that stall on purpose.
const IMPATIENT: &[&str] = &["--header-timeout", "400ms", "--idle-body-timeout", "400ms"];

/// The ways in which a request fails, and what the client is told.
fn troubles() -> Vec<(Fault, u16, &'static str)> {
    vec![
        (Fault::status(500), 503, "UNAVAILABLE"),
        (Fault::status(503), 503, "UNAVAILABLE"),
        (Fault::status(429), 429, "TOOMANYREQUESTS"),
        (Fault::status(401), 403, "DENIED"),
        (Fault::status(403), 403, "DENIED"),
        (Fault::StallHeaders, 503, "UNAVAILABLE"),
        (Fault::StallBody { after: 10 }, 503, "UNAVAILABLE"),
        (Fault::Cut { after: 10 }, 503, "UNAVAILABLE"),
        (Fault::Reset, 503, "UNAVAILABLE"),
        (Fault::Garbage(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), 502, "UNAVAILABLE"),
    ]
}

/// Whatever request fails, the answer is an error; once it is healed, the whole index.
async fn never_smaller(failing: impl Fn(&Legacy) -> Match) {
    let site = Site::start(IMPATIENT).await;
    for (number, (trouble, status, code)) in (0..).zip(troubles()) {
        let (tag, legacy) = (format!("v{number}"), Legacy::seeded(number));
        legacy.push(&site.registry, &tag);
        let matching = failing(&legacy);
        let fault = site.registry.fail(matching, trouble.clone());
        let started = Instant::now();
        let (got_status, got_code, message) = refusal(&site.manifest(&tag).await);
        assert_eq!((got_status, &*got_code), (status, code), "{trouble:?}: {message}");
        assert!(started.elapsed() < Duration::from_secs(4), "{trouble:?}: {:?}", started.elapsed());
        assert!(site.registry.hits(fault) > 0, "{trouble:?}");
        site.registry.heal();
        served_as(&site.manifest(&tag).await, DOCKER_LIST, legacy.merged());
    }
}

#[tokio::test]
async fn vector_34_a_member_that_fails_is_an_error() {
    never_smaller(|_| Match::all().path_contains("-arm").method("GET")).await;
}

#[tokio::test]
async fn vector_34_a_base_that_fails_is_an_error() {
    let tags: Vec<_> = (0..10).map(|number| format!("v{number}")).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    never_smaller(|_| {
        let tag = &tags[next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)];
        Match::manifest(REPOSITORY, tag)
    })
    .await;
}

#[tokio::test]
async fn vector_34_a_config_that_fails_is_an_error() {
    never_smaller(|legacy| Match::blob(&legacy.arm64.config_digest())).await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_told_in_time_and_by_name() {
    let site = Site::start(&[]).await;
    site.registry.go_down().await;
    let started = Instant::now();
    let (status, code, message) = refusal(&site.manifest("latest").await);
    assert_eq!((status, &*code), (503, "UNAVAILABLE"));
    assert!(message.contains("is down") && message.contains("refused"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let log = whole_log(site.onetag);
    assert!(log.contains(&site.registry.address().to_string()), "{log}");
}

#[tokio::test]
async fn onetag_starts_without_its_upstream_and_works_once_that_is_up() {
    let registry = Registry::start().await;
    let legacy = Legacy::docker();
    legacy.push(&registry, "latest");
    registry.go_down().await;
    let site = Site { onetag: serve(&registry.url(), &[]), registry };
    let ready = client::get(&format!("{}/readyz", site.onetag.admin_url()), &[]).await.unwrap();
    assert_eq!(ready.status, 200);
    assert_eq!(site.get("/v2/", &[]).await.status, 200);
    assert_eq!(site.manifest("latest").await.status, 503);
    site.registry.come_back().await;
    eventually("the tag is served", || async { site.manifest("latest").await.status == 200 }).await;
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn one_failure_that_passes_is_ridden_out() {
    let site = Site::start(&[]).await;
    for (number, trouble) in (0..).zip([
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::Reset,
        Fault::Cut { after: 10 },
    ]) {
        let (tag, legacy) = (format!("v{number}"), Legacy::seeded(number));
        legacy.push(&site.registry, &tag);
        let (base, member) =
            (Match::manifest(REPOSITORY, &tag), Match::manifest(REPOSITORY, &format!("{tag}-arm")));
        let config = Match::blob(&legacy.arm64.config_digest());
        let faults =
            [base, member, config].map(|matching| site.registry.fail_times(1, matching, trouble.clone()));
        served_as(&site.manifest(&tag).await, DOCKER_LIST, legacy.merged());
        assert!(faults.iter().all(|fault| site.registry.hits(*fault) == 1), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_wait_that_the_upstream_asks_for_is_passed_on() {
    let wait = vec![("Retry-After".to_owned(), "30".to_owned())];
    for code in [429, 503] {
        let site = Site::start(&[]).await;
        let answer = Fault::Status { code, headers: wait.clone(), body: Vec::new() };
        let fault = site.registry.fail(Match::manifest(REPOSITORY, "latest"), answer);
        let got = site.manifest("latest").await;
        assert_eq!((refusal(&got).0, got.header("retry-after")), (code, Some("30")));
        assert_eq!(site.registry.hits(fault), 1, "it was left alone");
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_sees_its_probe_alone_and_is_used_again_once_that_is_answered() {
    let registry = Registry::start().await;
    let legacy = Legacy::docker();
    legacy.push(&registry, "latest");
    let site = Site::over(registry, &[]);
    site.registry.go_down().await;
    for number in 0..20 {
        assert_eq!(refusal(&site.manifest(&format!("v{number}")).await).0, 503);
    }
    let ping = Match::all().kind(Kind::Ping);
    let fault = site.registry.fail(ping, Fault::status(503));
    site.registry.come_back().await;
    eventually("a probe", || async { site.registry.hits(fault) >= 1 }).await;
    let got = site.manifest("latest").await;
    assert_eq!((refusal(&got).0, got.header("retry-after")), (503, Some("1")));
    let config = legacy.amd64.config_digest();
    assert_eq!(site.blob(&config, &[]).await.unwrap().status, 503);
    assert!(site.registry.requests().iter().all(|request| request.kind == Kind::Ping));

    site.registry.heal();
    let answered = || async { site.registry.count(|request| request.status == 200) == 1 };
    eventually("the probe is answered", answered).await;
    assert!(site.registry.requests().iter().all(|request| request.kind == Kind::Ping));
    eventually("the tag is served", || async { site.manifest("latest").await.status == 200 }).await;
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    let log = whole_log(site.onetag);
    for line in ["the upstream is down", "the upstream answers again"] {
        assert_eq!(log.matches(line).count(), 1, "{line} in:\n{log}");
    }
}
