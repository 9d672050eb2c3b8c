//! How onetag ends: no new pull, but those under way to their last byte.

use std::time::{Duration, Instant};

use testkit::client::{self, Client, send_raw};
use testkit::image::media_type::DOCKER_LIST;
use testkit::{Fault, Match, Registry, sha256};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::{ACCEPT, Legacy, REPOSITORY, Site, eventually, manifest_path, served_as};

/// More than the buffers of a connection from end to end can hold: who stops reading stops the pull.
const LARGE: usize = 24 << 20;
/// Long for everything that need not wait.
const SOON: Duration = Duration::from_secs(5);

/// A pull of a large blob that a client has begun to read.
struct Pull {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Pull {
    async fn begin(site: &Site, digest: &str) -> Self {
        let request = format!("GET /v2/{REPOSITORY}/blobs/{digest} HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut stream = send_raw(site.onetag.address(), request.as_bytes()).await.expect("it connects");
        let mut received = vec![0; 1 << 10];
        stream.read_exact(&mut received).await.expect("the blob begins");
        assert!(received.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&received));
        Self { stream, received }
    }

    /// What has come of the body when the connection ends, and how that went.
    async fn end(mut self) -> (Vec<u8>, std::io::Result<usize>) {
        let how = self.stream.read_to_end(&mut self.received).await;
        let head = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        (self.received.split_off(head + 4), how)
    }
}

/// A site with a large layer, and the layer's digest.
async fn site_with_large_blob(args: &[&str]) -> (Site, String) {
    let site = Site::start(args).await;
    let digest = site.registry.put_blob(REPOSITORY, vec![7; LARGE]);
    (site, digest)
}

/// Sends SIGTERM and waits until it has been heard.
async fn terminate(site: &mut Site) {
    site.onetag.terminate();
    let url = format!("{}/readyz", site.onetag.admin_url());
    eventually("it is no longer ready", || async {
        client::get(&url, &[]).await.is_ok_and(|answer| answer.status == 503 && answer.text() == "stopping\n")
    })
    .await;
}

#[tokio::test]
async fn a_pull_under_way_comes_to_its_end_and_no_new_one_begins() {
    let (mut site, digest) = site_with_large_blob(&[]).await;
    let pull = Pull::begin(&site, &digest).await;
    terminate(&mut site).await;
    let address = site.onetag.address();
    eventually("new connections are refused", || async { TcpStream::connect(address).await.is_err() }).await;
    let health = client::get(&format!("{}/healthz", site.onetag.admin_url()), &[]).await;
    assert_eq!(health.expect("the operator is answered").status, 200);
    let (body, how) = pull.end().await;
    how.expect("a clean end");
    assert_eq!((body.len(), sha256(&body)), (LARGE, digest));
    assert_eq!(site.onetag.wait(SOON).code(), Some(0));
    assert!(!site.onetag.stderr_text().contains("did not end in time"));
}

#[tokio::test]
async fn a_merge_under_way_is_answered() {
    let mut site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let late = Match::manifest(REPOSITORY, "latest-arm");
    site.registry.fail(late, Fault::Delay(Duration::from_secs(1)));
    let url = site.url(&manifest_path("latest"));
    let pull = tokio::spawn(async move { client::get(&url, &[ACCEPT]).await });
    eventually("the upstream is asked", || async { site.registry.count(|_| true) > 0 }).await;
    terminate(&mut site).await;
    assert!(!pull.is_finished(), "the upstream is still to answer");
    let response = pull.await.expect("no panic").expect("an answer");
    served_as(&response, DOCKER_LIST, legacy.merged());
    assert_eq!(site.onetag.wait(SOON).code(), Some(0));
}

#[tokio::test]
async fn clients_that_ask_for_nothing_hold_nothing_up() {
    let mut site = Site::start(&[]).await;
    let mut idle = Client::plain().connect(site.onetag.url()).await.expect("it connects");
    let ping = idle.request("GET", &site.url("/v2/"), &[], "").await.expect("an answer");
    assert_eq!(ping.status, 200);
    let _silent = TcpStream::connect(site.onetag.address()).await.expect("it connects");
    let open = format!("{}/metrics", site.onetag.admin_url());
    eventually("both are accepted", || async {
        client::get(&open, &[]).await.is_ok_and(|answer| answer.text().contains("\nonetag_connections 2\n"))
    })
    .await;
    site.onetag.terminate();
    assert_eq!(site.onetag.wait(SOON).code(), Some(0));
}

#[tokio::test]
async fn a_pull_that_does_not_end_is_cut_when_the_grace_is_over() {
    let (mut site, digest) = site_with_large_blob(&["--shutdown-grace", "1s"]).await;
    let pull = Pull::begin(&site, &digest).await;
    let started = Instant::now();
    site.onetag.terminate();
    assert_eq!(site.onetag.wait(SOON).code(), Some(0));
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(site.onetag.stderr_text().contains("did not end in time"));
    assert!(pull.end().await.0.len() < LARGE);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (mut site, digest) = site_with_large_blob(&["--shutdown-grace", "1h"]).await;
    let pull = Pull::begin(&site, &digest).await;
    terminate(&mut site).await;
    site.onetag.terminate();
    assert_eq!(site.onetag.wait(SOON).code(), Some(0));
    assert!(pull.end().await.0.len() < LARGE);
}

#[tokio::test]
async fn what_it_has_handed_out_is_kept_when_it_is_stopped_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let args = ["--data-dir", directory.path().to_str().expect("a path in UTF-8")];
    let registry = Registry::start().await;
    let legacy = Legacy::docker();
    legacy.push(&registry, "latest");
    let mut site = Site::over(registry, &args);
    assert_eq!(site.manifest("latest").await.status, 200);
    site.onetag.terminate();
    assert_eq!(site.onetag.wait(SOON).code(), Some(0));
    let site = Site::over(site.registry, &args);
    served_as(&site.manifest(&sha256(legacy.merged())).await, DOCKER_LIST, legacy.merged());
}
