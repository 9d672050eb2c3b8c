//! Floods over HTTP/2 (threat T23): memory stays bounded, the flood ends, and others are served meanwhile.

use std::time::{Duration, Instant};

use testkit::{Fault, Match, Onetag, client};

use super::frames::{
    CONTINUATION, DEFAULTS, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, NO_WINDOW,
    PING, REFUSED_STREAM, RST_STREAM, Raw, SETTINGS, frame, get,
};
use crate::support::{Legacy, REPOSITORY, Site, eventually, manifest_path, memory, peak_memory};

/// Long for everything that is to happen soon.
const SOON: Duration = Duration::from_secs(10);
/// What a flood may cost, in bytes.
const GROWTH: usize = 24 << 20;

/// What onetag takes while something is done to it.
struct Watched {
    before: usize,
}

impl Watched {
    async fn start(site: &Site) -> Self {
        served(site).await;
        Self { before: memory(&site.onetag) }
    }

    /// Asserts that memory was bounded all the time, and that others are served.
    async fn end(self, site: &Site) {
        served(site).await;
        self.bounded(&site.onetag);
    }

    fn bounded(&self, onetag: &Onetag) {
        let grown = peak_memory(onetag).saturating_sub(self.before);
        assert!(grown <= GROWTH, "{} KiB more", grown >> 10);
    }
}

/// Another client is served, at once.
async fn served(site: &Site) {
    let started = Instant::now();
    let response = client::get(&site.url("/v2/"), &[]).await.expect("an answer");
    assert_eq!(response.status, 200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// A site that waits half a second for a client's headers, and a second where a client takes nothing.
async fn impatient() -> Site {
    Site::configured("[server]\nheader_timeout = \"500ms\"\nstall_timeout = \"1s\"\n", &[]).await
}

fn ended_with(frames: &[Frame], code: u32) -> bool {
    frames.iter().any(|frame| frame.kind == GOAWAY && frame.code() == Some(code))
}

fn statuses(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind == HEADERS).count()
}

/// The frames of a request without a body.
fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path))
}

/// The `n`th stream that a client opens.
fn stream(n: u32) -> u32 {
    2 * n + 1
}

#[tokio::test]
async fn t23_rapid_resets_end_the_connection() {
    let site = Site::start(&[]).await;
    let watched = Watched::start(&site).await;
    let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
    let mut answered = 0;
    for batch in 0..1_000 {
        let pairs = (0..100).flat_map(|n| {
            let stream = stream(batch * 100 + n);
            [request(stream, &manifest_path("x")), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())]
                .concat()
        });
        if raw.send(&pairs.collect::<Vec<_>>()).await.is_err() {
            break;
        }
        answered = batch;
    }
    let (frames, closed) = raw.rest(SOON).await;
    assert!(closed, "after {answered} batches");
    assert!(answered < 900, "{answered} batches were taken");
    // A reset of the connection can take the last word with it.
    assert!(frames.is_empty() || ended_with(&frames, ENHANCE_YOUR_CALM) || statuses(&frames) == 0);
    watched.end(&site).await;
    let asked = site.registry.requests().len();
    assert!(asked < 100, "{asked} requests reached the registry");
}

#[tokio::test]
async fn t23_headers_without_end_are_cut_off() {
    let site = Site::start(&[]).await;
    let watched = Watched::start(&site).await;
    let header = [&[0x00, 1, b'x', 0x7f, 0x81, 0x7e][..], &[b'y'; 16_256]].concat();
    let (full, empty) = (frame(CONTINUATION, 0, 1, &header), frame(CONTINUATION, 0, 1, &[]));
    for continuation in [full, empty] {
        let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
        raw.send(&frame(HEADERS, END_STREAM, 1, &get("/v2/"))).await.expect("it reads");
        raw.flood(&continuation, 100_000, Duration::from_secs(2)).await;
        let (frames, closed) = raw.rest(SOON).await;
        assert!(closed);
        assert_eq!(statuses(&frames), 0);
        served(&site).await;
    }
    watched.end(&site).await;
}

#[tokio::test]
async fn t23_a_small_block_that_expands_to_many_headers_is_refused() {
    let site = Site::start(&[]).await;
    let watched = Watched::start(&site).await;
    // One header goes into the table, and one byte recalls it: four megabytes in a block of five kilobytes.
    let stored = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'y'; 4_000]].concat();
    let block = [get("/v2/"), stored, vec![0xbe; 1_000]].concat();
    for round in 0..10 {
        let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
        let mut block = block.clone();
        if round == 0 {
            block.truncate(get("/v2/").len());
        }
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await.expect("it reads");
        let (frames, _) = raw.rest(Duration::from_millis(300)).await;
        // Status 200 is one byte, 0x88; what is too large has another status, or none.
        let ok = frames.iter().any(|frame| frame.kind == HEADERS && frame.payload[0] == 0x88);
        assert_eq!(ok, round == 0, "round {round}");
    }
    watched.end(&site).await;
}

#[tokio::test]
async fn t23_a_client_that_floods_with_pings_or_settings_and_reads_nothing_is_closed() {
    let site = impatient().await;
    let watched = Watched::start(&site).await;
    for flood in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, DEFAULTS)] {
        let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
        raw.send(&request(1, "/v2/")).await.expect("it reads");
        let many = flood.repeat(10_000);
        let started = Instant::now();
        let taken = raw.flood(&many, 10_000, SOON).await;
        assert!(taken < 10_000, "it reads on though nobody takes its answers");
        assert!(started.elapsed() < SOON, "it is closed, not only stopped");
        served(&site).await;
    }
    watched.end(&site).await;
}

#[tokio::test]
async fn t23_streams_beyond_the_limit_are_refused() {
    let site = Site::start(&[]).await;
    let late = site.registry.fail(Match::all(), Fault::Delay(Duration::from_secs(3)));
    let watched = Watched::start(&site).await;
    let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
    let opened = 160;
    let requests: Vec<_> = (0..opened).flat_map(|n| request(stream(n), &manifest_path("x"))).collect();
    raw.send(&requests).await.expect("it reads");
    let (frames, _) = raw.rest(Duration::from_secs(1)).await;
    let refused = |frame: &&Frame| frame.kind == RST_STREAM && frame.code() == Some(REFUSED_STREAM);
    let refused = frames.iter().filter(refused).count();
    assert_eq!((refused, statuses(&frames)), (60, 0));
    site.registry.heal_one(late);
    watched.end(&site).await;
}

#[tokio::test]
async fn t23_streams_that_are_refused_over_and_over_end_the_connection() {
    let site = Site::start(&[]).await;
    site.registry.fail(Match::all(), Fault::Delay(Duration::from_secs(3)));
    let watched = Watched::start(&site).await;
    let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
    let requests: Vec<_> = (0..5_000).flat_map(|n| request(stream(n), &manifest_path("x"))).collect();
    let _closed = raw.send(&requests).await;
    let (frames, _) = raw.rest(Duration::from_secs(1)).await;
    assert!(frames.is_empty() || ended_with(&frames, ENHANCE_YOUR_CALM));
    watched.end(&site).await;
}

#[tokio::test]
async fn t23_clients_that_shut_their_windows_are_closed() {
    let site = impatient().await;
    let blob = site.registry.put_blob(REPOSITORY, vec![7; 8 << 20]);
    Legacy::docker().push(&site.registry, "latest");
    assert_eq!(site.manifest("latest").await.status, 200);
    let watched = Watched::start(&site).await;
    let paths = [manifest_path("latest"), format!("/v2/{REPOSITORY}/blobs/{blob}")];
    let mut shut = Vec::new();
    for path in &paths {
        for _ in 0..4 {
            let mut raw = Raw::open(site.onetag.address(), NO_WINDOW).await;
            let requests: Vec<_> = (0..20).flat_map(|n| request(stream(n), path)).collect();
            raw.send(&requests).await.expect("it reads");
            shut.push(tokio::spawn(async move { answer_pings(raw).await }));
        }
    }
    served(&site).await;
    for client in shut {
        assert!(client.await.expect("no panic"), "it is closed");
    }
    watched.end(&site).await;
}

/// Is there and answers pings, but opens no window; whether the connection ends in time.
async fn answer_pings(mut raw: Raw) -> bool {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        let (frames, closed) = raw.rest(Duration::from_millis(100)).await;
        if closed {
            return true;
        }
        for ping in frames.iter().filter(|frame| frame.kind == PING) {
            let _closed = raw.send(&frame(PING, 1, 0, &ping.payload)).await;
        }
    }
    false
}

#[tokio::test]
async fn t23_a_client_that_answers_no_ping_is_closed() {
    let site = impatient().await;
    let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
    raw.send(&request(1, "/v2/")).await.expect("it reads");
    let (frames, closed) = raw.rest(SOON).await;
    assert_eq!(statuses(&frames), 1);
    assert!(frames.iter().any(|frame| frame.kind == PING), "it is asked whether it is there");
    assert!(closed);
}

#[tokio::test]
async fn t23_a_client_that_answers_its_pings_is_let_be() {
    let site = impatient().await;
    let mut raw = Raw::open(site.onetag.address(), DEFAULTS).await;
    raw.send(&request(1, "/v2/")).await.expect("it reads");
    assert!(
        tokio::time::timeout(Duration::from_secs(4), answer_pings(raw)).await.is_err(),
        "it is closed though it is there"
    );
}

#[tokio::test]
async fn t23_a_client_that_begins_and_never_asks_is_closed() {
    let site = impatient().await;
    let address = site.onetag.address();
    for mut raw in [Raw::open(address, DEFAULTS).await, Raw::preface(address).await] {
        assert!(raw.rest(SOON).await.1);
    }
    let url = format!("{}/metrics", site.onetag.admin_url());
    eventually("both are counted", || async {
        let text = client::get(&url, &[]).await.expect("the operator is answered").text();
        text.contains("\nonetag_connections_closed_total{reason=\"no_request\"} 2\n")
    })
    .await;
}
