use std::time::{Duration, Instant};

use testkit::{Fault, Match, Registry};

use super::super::retry::TOLD_EVERY;
use super::super::{ErrorKind, Fault as Whose, Phase};
use super::log::Log;
use super::{APP, Site, image, millis, seen, settings, status};

#[tokio::test]
async fn only_passing_failures_are_asked_again_and_at_most_twice() {
    for (fault, requests, transient) in [
        (Fault::status(502), 3, true),
        (Fault::status(503), 3, true),
        (Fault::status(504), 3, true),
        (Fault::Reset, 3, true),
        (Fault::Cut { after: 10 }, 3, true),
        (status(503, &[("retry-after", "0")], ""), 3, true),
        (status(503, &[("retry-after", "3")], ""), 1, true),
        (Fault::status(500), 1, true),
        (Fault::status(501), 1, true),
        (Fault::status(429), 1, true),
        (status(429, &[("retry-after", "0")], ""), 3, true),
        (status(429, &[("retry-after", "3")], ""), 1, true),
        (Fault::status(400), 1, false),
        (Fault::status(403), 1, false),
        (Fault::status(451), 1, false),
    ] {
        let registry = Registry::start().await;
        registry.push(APP, "latest", &image());
        registry.fail(Match::all(), fault.clone());
        let site = Site::of(&registry);
        let error = site.manifest("latest").await.unwrap_err();
        assert_eq!((seen(&registry).0, error.is_transient()), (requests, transient), "{fault:?}: {error}");
        let counts = ["failed", "limited", "denied"].map(|outcome| site.counted("manifest", outcome));
        assert_eq!(counts.iter().sum::<u64>(), requests as u64, "{fault:?}");
    }
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    registry.fail_times(1, Match::all(), Fault::Reset);
    registry.fail_times(1, Match::all(), Fault::Cut { after: 10 });
    let site = Site::of(&registry);
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert_eq!((site.counted("manifest", "failed"), site.counted("manifest", "ok")), (2, 1));
}

#[tokio::test]
async fn many_retries_are_one_line_of_the_log_in_a_second() {
    let registry = Registry::start().await;
    registry.fail_times(6, Match::all(), Fault::status(503));
    let site = Site::of(&registry);
    let log = Log::default();
    let _captured = log.capture_everything();
    let told = || log.text().matches("asking the upstream again").count();
    let (first, second) = tokio::join!(site.manifest("one"), site.manifest("two"));
    assert!(first.is_err() && second.is_err());
    assert_eq!((seen(&registry).0, told()), (6, 1));
    tokio::time::sleep(TOLD_EVERY).await;
    registry.fail_times(1, Match::all(), Fault::status(503));
    assert_eq!(site.manifest("three").await.unwrap(), None);
    assert_eq!(told(), 2);
    assert!(log.text().contains("untold=3"), "{}", log.text());
}

#[tokio::test]
async fn a_short_limit_is_waited_for_and_a_long_one_is_told() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let site = Site::of(&registry);
    registry.fail_times(1, Match::all(), status(429, &[("retry-after", "1")], ""));
    let started = Instant::now();
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert!(started.elapsed() >= Duration::from_secs(1));
    registry.fail_times(1, Match::all(), status(429, &[("retry-after", "60")], ""));
    let error = site.manifest("latest").await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_mins(1)));
    assert_eq!(site.counted("manifest", "limited"), 2);
}

#[tokio::test]
async fn a_registry_that_is_down_is_named_with_the_reason() {
    let registry = Registry::start().await;
    registry.go_down().await;
    let site = Site::of(&registry);
    let error = site.manifest("latest").await.unwrap_err();
    let url = registry.url();
    let text = format!(
        "GET {url}/v2/team/app/manifests/latest: cannot connect: tcp connect error: Connection refused (os error 111)"
    );
    assert_eq!(error.to_string(), text);
    assert_eq!((error.is_transient(), error.fault()), (true, Whose::Network));
    assert_eq!(site.counted("manifest", "failed"), 3);
}

#[tokio::test]
async fn an_idle_connection_that_the_peer_gave_up_is_no_failure() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let site = Site::of(&registry);
    site.manifest("latest").await.unwrap().unwrap();
    // The reset meets the request on the connection that has carried an answer.
    registry.fail_times(1, Match::all(), Fault::Reset);
    site.manifest("latest").await.unwrap().unwrap();
    registry.go_down().await;
    registry.come_back().await;
    site.manifest("latest").await.unwrap().unwrap();
    assert_eq!((site.counted("manifest", "failed"), site.counted("manifest", "ok")), (0, 3));
    assert_eq!(seen(&registry).0, 4);
}

#[tokio::test]
async fn requests_wait_for_a_place_but_not_for_ever() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    registry.fail_times(1, Match::all(), Fault::StallHeaders);
    let limited = onetag_config::Upstream {
        max_in_flight: 1.try_into().unwrap(),
        header_timeout: millis(600),
        ..settings(&registry.url())
    };
    let site = Site::new(&limited);
    let (first, second) = tokio::join!(site.manifest("latest"), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        tokio::time::timeout(Duration::from_millis(200), site.manifest("latest")).await
    });
    assert!(matches!(first.unwrap_err().kind(), ErrorKind::Timeout { phase: Phase::Headers, .. }));
    assert!(second.is_err(), "the second request waits");
    assert_eq!(seen(&registry).0, 1);
    registry.fail_times(1, Match::all(), Fault::Delay(Duration::from_millis(250)));
    let (first, second) = tokio::join!(site.manifest("latest"), site.manifest("latest"));
    assert!(first.unwrap().is_some() && second.unwrap().is_some());
}
