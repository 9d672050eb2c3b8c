use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt;
use testkit::{Fault, Match, Registry};
use tokio::net::TcpListener;

use super::super::{ErrorKind, Phase, UpstreamError};
use super::{APP, Site, app, digest, image, millis, seen, settings};

fn hurried(url: &str) -> Site {
    Site::new(&onetag_config::Upstream {
        connect_timeout: millis(200),
        header_timeout: millis(200),
        idle_body_timeout: millis(200),
        ..settings(url)
    })
}

fn assert_timeout(error: &UpstreamError, wanted: Phase, started: Instant) {
    assert!(matches!(error.kind(), ErrorKind::Timeout { phase, .. } if *phase == wanted), "{error}");
    assert!(error.is_transient());
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_an_end_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = hurried(&format!("https://{}", silent.local_addr().unwrap()));
    let started = Instant::now();
    let error = site.manifest("latest").await.unwrap_err();
    assert_timeout(&error, Phase::Connect, started);
    assert_eq!(site.counted("manifest", "timeout"), 1);
}

#[tokio::test]
async fn headers_that_do_not_come_are_given_up_and_not_asked_for_again() {
    let registry = Registry::start().await;
    registry.fail(Match::all(), Fault::StallHeaders);
    let site = hurried(&registry.url());
    let started = Instant::now();
    let error = site.manifest("latest").await.unwrap_err();
    assert_timeout(&error, Phase::Headers, started);
    assert_eq!((seen(&registry).0, site.counted("manifest", "timeout")), (1, 1));
}

#[tokio::test]
async fn a_small_body_that_stalls_or_drips_is_given_up() {
    for fault in [Fault::StallBody { after: 10 }, Fault::Drip { bytes: 1, every: Duration::from_millis(20) }]
    {
        let registry = Registry::start().await;
        registry.push(APP, "latest", &image());
        registry.fail(Match::all(), fault);
        let site = hurried(&registry.url());
        let started = Instant::now();
        let error = site.manifest("latest").await.unwrap_err();
        assert_timeout(&error, Phase::Body, started);
        assert_eq!(seen(&registry).0, 1);
    }
}

#[tokio::test]
async fn an_error_body_that_stalls_costs_a_second_at_most() {
    let registry = Registry::start().await;
    registry.fail(Match::all(), Fault::StallBody { after: 5 });
    let site = Site::of(&registry);
    let started = Instant::now();
    assert_eq!(site.manifest("latest").await.unwrap(), None);
    assert!(started.elapsed() < Duration::from_millis(1800), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_token_server_that_stalls_is_given_up() {
    let registry = Registry::builder().bearer(None).start().await;
    registry.fail(Match::token(), Fault::StallHeaders);
    let site = hurried(&registry.url());
    let started = Instant::now();
    let error = site.manifest("latest").await.unwrap_err();
    assert_timeout(&error, Phase::Headers, started);
    assert_eq!((seen(&registry), site.counted("token", "timeout")), ((1, 1), 1));
}

#[tokio::test]
async fn a_stream_may_be_slow_but_not_stand_still() {
    let registry = Registry::start().await;
    let bytes = vec![7; 40];
    let name = registry.put_blob(APP, &bytes);
    let site = hurried(&registry.url());
    let drip = Fault::Drip { bytes: 5, every: Duration::from_millis(60) };
    registry.fail_times(1, Match::blob(&name), drip);
    let blob = site.upstream.blob(&app(), &digest(&name), Method::GET, None).await.unwrap();
    assert_eq!(blob.into_body().collect().await.unwrap().to_bytes(), bytes);

    registry.fail_times(1, Match::blob(&name), Fault::StallBody { after: 30 });
    let blob = site.upstream.blob(&app(), &digest(&name), Method::GET, None).await.unwrap();
    let started = Instant::now();
    let error = blob.into_body().collect().await.unwrap_err();
    assert_timeout(&error, Phase::Body, started);
}
