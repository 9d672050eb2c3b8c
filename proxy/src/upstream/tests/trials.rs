use std::time::{Duration, Instant};

use testkit::{Fault, Kind, Match, Registry};

use super::log::Log;
use super::outages::{is_open, ping, until, until_open};
use super::uploads::{channel, patch};
use super::{APP, Site, image, seen};

/// Everything but the probe fails.
fn fail_all_but_the_probe(registry: &Registry) {
    registry.fail(ping(), Fault::status(200));
    registry.fail(Match::all(), Fault::status(503));
}

/// A registry that is up again, and a site whose breaker waits for a trial.
async fn half_open() -> (Registry, Site) {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    fail_all_but_the_probe(&registry);
    let site = Site::of(&registry);
    until_open(&site).await;
    until("the probe is answered", || site.value("upstream_open") == 0).await;
    registry.heal();
    registry.forget_requests();
    (registry, site)
}

#[tokio::test]
async fn where_only_the_probe_is_answered_ever_fewer_trials_go_out() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    fail_all_but_the_probe(&registry);
    let site = Site::of(&registry);
    let log = Log::default();
    let _captured = log.capture_everything();
    let told = |line: &str| log.text().matches(line).count();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        site.manifest("latest").await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Ten open it. The trials come after waits of 0, 250, 500 and 1,000 ms at least.
    let trials = seen(&registry).0 - 10;
    let probes = registry.count(|request| request.kind == Kind::Ping);
    assert!((2..=4).contains(&trials) && (2..=5).contains(&probes), "{trials} {probes}");
    assert_eq!(site.value("upstream_openings_total"), 1 + trials as u64);
    assert_eq!((told("the upstream is down"), told("the upstream answers again")), (1, 0));
    registry.heal();
    let deadline = Instant::now() + Duration::from_secs(5);
    while site.manifest("latest").await.is_err() {
        assert!(Instant::now() < deadline, "it never closes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told("the upstream answers again"), 1);
}

#[tokio::test]
async fn those_that_come_while_one_tries_wait_for_its_outcome() {
    let (registry, site) = half_open().await;
    let openings = site.value("upstream_openings_total");
    registry.fail_times(1, Match::all(), Fault::Delay(Duration::from_millis(300)));
    let asks = ["latest"; 8].map(|tag| site.manifest(tag));
    let all = futures_util::future::join_all(asks);
    let (answers, ()) = tokio::join!(all, async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(registry.requests().len(), 1, "one tries");
    });
    assert!(answers.into_iter().all(|answer| answer.unwrap().is_some()));
    assert_eq!(site.value("upstream_openings_total"), openings);
}

#[tokio::test]
async fn those_that_wait_for_one_that_hangs_are_refused_and_the_next_tries_once_it_is_given_up() {
    let (registry, site) = half_open().await;
    registry.fail_times(1, Match::all(), Fault::StallHeaders);
    let mut hangs = Box::pin(site.manifest("latest"));
    let hung = tokio::time::timeout(Duration::from_millis(100), &mut hangs).await;
    assert!(hung.is_err() && registry.requests().len() == 1);
    let started = Instant::now();
    assert!(is_open(&site.manifest("latest").await.unwrap_err()));
    assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
    drop(hangs);
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert_eq!(registry.requests().len(), 2);
}

#[tokio::test]
async fn a_write_that_lasts_keeps_nobody_from_trying() {
    let (registry, site) = half_open().await;
    let caller = site.upstream.on_behalf(None);
    let (_pieces, body) = channel();
    let mut lasts = Box::pin(caller.write(patch(), body));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut lasts).await.is_err());
    let started = Instant::now();
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(registry.count(|request| request.method == "PATCH"), 1);
}
