use std::time::{Duration, Instant};

use http::Method;
use testkit::{Authority, Fault, Kind, Match, Registry};

use super::super::{ErrorKind, UpstreamError};
use super::{APP, Site, app, digest, image, millis, settings, status};

pub(super) fn ping() -> Match {
    Match::all().kind(Kind::Ping)
}

pub(super) fn is_open(error: &UpstreamError) -> bool {
    matches!(error.kind(), ErrorKind::Open { outages: 10, .. })
}

/// Asks until the breaker opens.
pub(super) async fn until_open(site: &Site) {
    for _ in 0..10 {
        if is_open(&site.manifest("latest").await.unwrap_err()) {
            return;
        }
    }
    panic!("it does not open");
}

pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_asked_by_its_probe_alone_until_that_is_answered() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let blob = digest(&registry.put_blob(APP, b"blob"));
    let site = Site::of(&registry);
    registry.go_down().await;
    until_open(&site).await;
    assert_eq!((site.value("upstream_open"), site.value("upstream_openings_total")), (1, 1));
    let text = site.manifest("latest").await.unwrap_err().to_string();
    assert!(
        text.contains("failed 10 times in a row (cannot connect: ") && text.ends_with("being probed"),
        "{text}"
    );
    assert_eq!((site.counted("manifest", "failed"), site.counted("manifest", "refused")), (10, 2));

    registry.fail(ping(), Fault::status(503));
    registry.come_back().await;
    let (app, latest) = (app(), "latest".parse().unwrap());
    let started = Instant::now();
    let error = site.upstream.head(&app, &latest).await.unwrap_err();
    assert!(is_open(&error) && error.is_transient(), "{error}");
    assert!(is_open(&site.upstream.small_blob(&app, &blob, 9).await.unwrap_err()));
    assert!(is_open(&site.upstream.small(&app, "/v2/team/app/tags/list", 9).await.unwrap_err()));
    assert!(is_open(&site.upstream.blob(&app, &blob, Method::GET, None).await.unwrap_err()));
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    until("two probes", || registry.count(|request| request.kind == Kind::Ping) >= 2).await;
    assert!(is_open(&site.manifest("latest").await.unwrap_err()));
    assert!(registry.requests().iter().all(|request| request.kind == Kind::Ping));
    assert_eq!((site.counted("head", "refused"), site.counted("head", "failed")), (1, 0));

    registry.heal();
    until("the probe is answered", || site.value("upstream_open") == 0).await;
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert_eq!((site.value("upstream_openings_total"), site.counted("probe", "ok")), (1, 1));
}

#[tokio::test]
async fn a_refusal_or_a_fault_of_the_registry_is_an_answer_to_the_probe_and_a_gateways_is_not() {
    let codes = [(401, true), (404, true), (500, true), (501, true), (502, false), (504, false)];
    let probed = codes.map(|(code, closes)| async move {
        let registry = Registry::start().await;
        registry.fail(ping(), Fault::status(code));
        registry.fail_times(10, Match::all(), Fault::status(502));
        let site = Site::of(&registry);
        for _ in 0..4 {
            let _failed = site.manifest("latest").await;
        }
        until("a probe", || registry.count(|request| request.kind == Kind::Ping) >= 1).await;
        until("its verdict", || (site.value("upstream_open") == 0) == closes).await;
        assert_eq!(site.value("upstream_openings_total"), 1, "{code}");
    });
    futures_util::future::join_all(probed).await;
}

#[tokio::test]
async fn whatever_is_answered_ends_a_row_of_outages() {
    let answers = [401, 403, 404, 429, 500].map(|answer| async move {
        let registry = Registry::start().await;
        let site = Site::of(&registry);
        for _ in 0..2 {
            registry.fail_times(9, Match::all(), Fault::status(503));
            registry.fail_times(1, Match::all(), Fault::status(answer));
            for _ in 0..4 {
                let _failed = site.manifest("latest").await;
            }
        }
        assert_eq!(registry.requests().len(), 20, "{answer}");
        assert_eq!(site.value("upstream_openings_total"), 0, "{answer}");
    });
    futures_util::future::join_all(answers).await;
}

#[tokio::test]
async fn silence_is_an_outage_be_it_before_the_headers_or_within_a_small_body() {
    for fault in [Fault::StallHeaders, Fault::StallBody { after: 10 }, Fault::Reset, Fault::Cut { after: 10 }]
    {
        let registry = Registry::start().await;
        registry.push(APP, "latest", &image());
        registry.fail(ping(), Fault::status(503));
        registry.fail(Match::all(), fault.clone());
        let site = Site::new(&onetag_config::Upstream {
            header_timeout: millis(50),
            idle_body_timeout: millis(50),
            ..settings(&registry.url())
        });
        let mut asked = 0;
        while site.value("upstream_open") == 0 {
            assert!(asked < 10, "{fault:?}");
            asked += 1;
            site.manifest("latest").await.unwrap_err();
        }
        assert!(is_open(&site.manifest("latest").await.unwrap_err()), "{fault:?}");
    }
}

#[tokio::test]
async fn an_outage_of_the_storage_or_of_a_token_server_is_not_the_registrys() {
    let registry = Registry::start().await;
    let blob = digest(&registry.put_blob(APP, b"blob"));
    let storage = registry.redirect_blobs_to_second_server().await;
    storage.fail(Match::all(), Fault::status(503));
    let site = Site::of(&registry);
    for _ in 0..5 {
        site.upstream.blob(&app(), &blob, Method::GET, None).await.unwrap_err();
    }
    assert_eq!((storage.requests().len(), site.value("upstream_openings_total")), (15, 0));

    let registry = Registry::builder().bearer(None).start().await;
    registry.fail(Match::token(), Fault::status(503));
    let site = Site::of(&registry);
    for _ in 0..5 {
        site.manifest("latest").await.unwrap_err();
    }
    assert_eq!((site.counted("token", "failed"), site.value("upstream_openings_total")), (15, 0));
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_no_outage() {
    let authority = Authority::new();
    let registry = Registry::builder().tls_expired(&authority).start().await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = Some(authority.write_ca(folder.path()));
    let site = Site::new(&onetag_config::Upstream { ca_file, ..settings(&registry.url()) });
    for _ in 0..12 {
        assert!(matches!(site.manifest("latest").await.unwrap_err().kind(), ErrorKind::Tls(_)));
    }
    assert_eq!(site.value("upstream_openings_total"), 0);
}

#[tokio::test]
async fn the_probe_ends_with_the_upstream() {
    let registry = Registry::start().await;
    registry.fail(Match::all(), Fault::status(503));
    let site = Site::of(&registry);
    until_open(&site).await;
    let Site { upstream, metrics } = site;
    drop(upstream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    registry.forget_requests();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(registry.requests().len(), 0);
    assert!(metrics.render().unwrap().contains("\nonetag_upstream_open 0\n"));
}

#[tokio::test]
async fn ten_failures_at_once_open_it_once() {
    let registry = Registry::start().await;
    registry.fail(Match::all(), status(503, &[("retry-after", "5")], ""));
    let site = Site::of(&registry);
    let asks = (0..40).map(|number| {
        let tag = format!("v{number}");
        let site = &site;
        async move { site.manifest(&tag).await.unwrap_err() }
    });
    futures_util::future::join_all(asks).await;
    assert_eq!((site.value("upstream_open"), site.value("upstream_openings_total")), (1, 1));
}
