use std::time::{Duration, Instant};

use http::Method;
use onetag_oci::Repository;
use testkit::{Fault, Match, Registry};

use super::super::{ErrorKind, Head, Phase, UpstreamError};
use super::{APP, Site, app, digest, image, millis, settings, status};

/// What is left of a limit.
fn left(error: &UpstreamError) -> Duration {
    assert!(matches!(error.kind(), ErrorKind::Limited { .. }), "{error}");
    error.retry_after().unwrap()
}

#[tokio::test]
async fn a_limit_holds_for_all_small_requests_and_not_for_blobs() {
    let date = |seconds| {
        let at = std::time::SystemTime::now() + Duration::from_secs(seconds);
        httpdate::fmt_http_date(at)
    };
    for wait in ["60".to_owned(), date(60)] {
        let registry = Registry::start().await;
        registry.push(APP, "latest", &image());
        let blob = digest(&registry.put_blob(APP, b"blob"));
        let site = Site::of(&registry);
        registry.fail_times(1, Match::all(), status(429, &[("retry-after", &wait)], ""));
        let (app, latest) = (app(), "latest".parse().unwrap());
        let first = site.manifest("latest").await.unwrap_err();
        for error in [
            first,
            site.manifest("other").await.unwrap_err(),
            site.upstream.head(&app, &latest).await.unwrap_err(),
            site.upstream.small_blob(&app, &blob, 9).await.unwrap_err(),
            site.upstream.small(&app, "/v2/team/app/tags/list", 99).await.unwrap_err(),
        ] {
            assert!(left(&error) > Duration::from_secs(50), "{:?}", left(&error));
            assert!(left(&error) <= Duration::from_mins(1), "{:?}", left(&error));
        }
        assert_eq!((registry.requests().len(), site.counted("manifest", "refused")), (1, 1));
        assert_eq!((site.counted("manifest", "limited"), site.counted("head", "refused")), (1, 1));
        let blob = site.upstream.blob(&app, &blob, Method::GET, None).await.unwrap();
        assert_eq!(blob.status(), 200);
    }
}

#[tokio::test]
async fn a_limit_of_lists_is_not_one_of_manifests() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let blob = digest(&registry.put_blob(APP, b"blob"));
    let site = Site::of(&registry);
    registry.fail(Match::tags(APP), status(429, &[("retry-after", "60")], ""));
    let (app, latest) = (app(), "latest".parse().unwrap());
    for _ in 0..2 {
        let error = site.upstream.small(&app, "/v2/team/app/tags/list", 99).await.unwrap_err();
        assert!(left(&error) > Duration::from_secs(50), "{error}");
    }
    assert_eq!(registry.requests().len(), 1);
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert!(matches!(site.upstream.head(&app, &latest).await.unwrap(), Head::Digest(_)));
    assert!(site.upstream.small_blob(&app, &blob, 9).await.unwrap().is_some());
}

#[tokio::test]
async fn those_that_come_during_a_short_limit_wait_for_its_end() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let site = Site::of(&registry);
    registry.fail_times(1, Match::all(), status(429, &[("retry-after", "1")], ""));
    let started = Instant::now();
    let (first, second) = tokio::join!(site.manifest("latest"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        site.manifest("latest").await
    });
    assert!(first.unwrap().is_some() && second.unwrap().is_some());
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(registry.requests().len(), 3);
}

#[tokio::test]
async fn a_limit_of_the_storage_is_not_the_registrys() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let blob = digest(&registry.put_blob(APP, b"blob"));
    let storage = registry.redirect_blobs_to_second_server().await;
    storage.fail(Match::all(), status(429, &[("retry-after", "60")], ""));
    let site = Site::of(&registry);
    assert_eq!(left(&site.upstream.small_blob(&app(), &blob, 9).await.unwrap_err()), Duration::from_mins(1));
    assert!(site.manifest("latest").await.unwrap().is_some());
}

#[tokio::test]
async fn a_slow_repository_leaves_places_for_the_others() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    registry.fail(Match::all().path_contains("/slow/"), Fault::StallHeaders);
    let site = Site::new(&onetag_config::Upstream {
        max_in_flight: 12.try_into().unwrap(),
        ..settings(&registry.url())
    });
    let slow: Repository = "team/slow".parse().unwrap();
    let stalled: Vec<_> = (0..40)
        .map(|number| {
            let (upstream, slow) = (site.upstream.clone(), slow.clone());
            let tag = format!("v{number}").parse().unwrap();
            tokio::spawn(async move { upstream.manifest(&slow, &tag).await })
        })
        .collect();
    while registry.requests().len() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    assert!(site.manifest("latest").await.unwrap().is_some());
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(registry.requests().len(), 9, "the slow one has 8 of 12 places");
    stalled.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn streams_that_nobody_reads_leave_places_for_other_repositories() {
    let registry = Registry::start().await;
    let held = digest(&registry.put_blob(APP, vec![7; 1 << 20]));
    let name = registry.put_blob("team/other", b"blob");
    let site = Site::new(&onetag_config::Upstream {
        max_in_flight: 1.try_into().unwrap(),
        header_timeout: millis(300),
        ..settings(&registry.url())
    });
    let mut unread = Vec::new();
    while let Ok(stream) = site.upstream.blob(&app(), &held, Method::GET, None).await {
        unread.push(stream);
    }
    assert_eq!(unread.len(), 64, "a quarter of all");
    let other = "team/other".parse().unwrap();
    let got = site.upstream.blob(&other, &digest(&name), Method::GET, None).await.unwrap();
    assert_eq!(got.status(), 200);
}

#[tokio::test]
async fn a_stream_holds_a_place_of_its_own_until_it_is_dropped() {
    let registry = Registry::start().await;
    registry.push(APP, "latest", &image());
    let name = registry.put_blob(APP, vec![7; 100]);
    registry.fail_times(64, Match::blob(&name), Fault::StallBody { after: 10 });
    let site = Site::new(&onetag_config::Upstream {
        max_in_flight: 1.try_into().unwrap(),
        header_timeout: millis(300),
        ..settings(&registry.url())
    });
    let (app, blob) = (app(), digest(&name));
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(site.upstream.blob(&app, &blob, Method::GET, None).await.unwrap());
    }
    let error = site.upstream.blob(&app, &blob, Method::GET, None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { phase: Phase::Place, .. }), "{error}");
    assert!(site.manifest("latest").await.unwrap().is_some(), "small requests have their own");
    streams.pop();
    // A HEAD and an absent blob give their place back with the answer.
    for _ in 0..2 {
        site.upstream.blob(&app, &blob, Method::HEAD, None).await.unwrap();
        let absent = onetag_oci::Digest::sha256(b"absent");
        site.upstream.blob(&app, &absent, Method::GET, None).await.unwrap();
    }
    streams.push(site.upstream.blob(&app, &blob, Method::GET, None).await.unwrap());
    assert_eq!(streams.len(), 64);
}
