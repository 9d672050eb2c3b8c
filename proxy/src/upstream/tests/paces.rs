use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use testkit::Registry;
use tokio::time::sleep;

use super::super::pace::Pace;
use super::super::{ErrorKind, Phase, UpstreamBody, UpstreamError};
use super::{APP, Site, app, digest, settings};

const WINDOW: Duration = Duration::from_millis(200);

/// All streams that one repository may have where there are as few as possible.
const SHARE: usize = 64;

/// A registry with a blob, and a site where a stream must be taken with 5 kB in a second.
async fn site_with_blob() -> (Registry, Site, Vec<u8>, String) {
    let registry = Registry::start().await;
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let name = registry.put_blob(APP, &bytes);
    let Site { upstream, metrics } = Site::new(&onetag_config::Upstream {
        max_in_flight: 1.try_into().unwrap(),
        ..settings(&registry.url())
    });
    let pace = Pace { least: 1_000, window: WINDOW, longest_wait: Duration::from_mins(1) };
    (registry, Site { upstream: upstream.with_pace(pace), metrics }, bytes, name)
}

async fn open(site: &Site, name: &str) -> Result<UpstreamBody, UpstreamError> {
    site.upstream.blob(&app(), &digest(name), Method::GET, None).await.map(http::Response::into_body)
}

async fn next(body: &mut UpstreamBody) -> Result<Bytes, UpstreamError> {
    body.frame().await.expect("there are more bytes").map(|frame| frame.into_data().expect("no trailers"))
}

#[tokio::test]
async fn streams_that_nobody_reads_give_their_places_back() {
    let (registry, site, bytes, name) = site_with_blob().await;
    let mut begun = open(&site, &name).await.unwrap();
    assert!(bytes.starts_with(&next(&mut begun).await.unwrap()));
    let mut unread = Vec::new();
    for _ in 1..SHARE {
        unread.push(open(&site, &name).await.unwrap());
    }
    let late = open(&site, &name).await.expect("a place is free again in time");
    assert_eq!(registry.requests().len(), SHARE + 1);
    sleep(2 * WINDOW).await;
    let error = next(&mut begun).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout { phase: Phase::Client, .. }), "{error}");
    assert!(begun.frame().await.is_none());
    drop(late);
}

#[tokio::test]
async fn a_client_that_is_slow_but_steady_gets_everything() {
    let (_registry, site, bytes, name) = site_with_blob().await;
    let mut body = open(&site, &name).await.unwrap();
    let mut got = Vec::new();
    for _ in 0..12 {
        got.extend(next(&mut body).await.unwrap());
        sleep(WINDOW / 2).await;
    }
    assert!(got.len() < bytes.len(), "it takes six windows");
    got.extend(body.collect().await.unwrap().to_bytes());
    assert!(got == bytes);
}
