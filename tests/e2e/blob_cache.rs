//! Blobs on disk: fetched once, shared, and in part.

use std::time::Duration;

use http::Method;
use testkit::client::Response;
use testkit::{Fault, Kind, Match, Recorded, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::support::{BlobSite, REPOSITORY, distinct_bytes, eventually, reads, refused};

const SIZE: usize = 3 << 20;

/// The blob trickles: 64 KiB every 20 ms.
fn slow() -> Fault {
    Fault::Drip { bytes: 64 << 10, every: Duration::from_millis(20) }
}

/// How many requests of this method for blobs the registry has seen.
fn seen(registry: &Registry, method: &Method) -> usize {
    registry.count(|request: &Recorded| request.kind == Kind::Blob && request.method == *method)
}

/// Asserts that a response is the whole blob.
#[track_caller]
fn is_whole(got: &Response, blob: &[u8]) {
    assert_eq!((got.status, got.body.len()), (200, blob.len()));
    assert!(got.body == blob, "other bytes");
}

#[tokio::test]
async fn two_hundred_callers_cost_one_request_and_get_every_byte() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.registry.fail(Match::blob(&digest), slow());
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let url = site.url(REPOSITORY, &digest);
        callers.spawn(async move { testkit::client::get(&url, &[]).await.expect("an answer") });
    }
    while let Some(got) = callers.join_next().await {
        is_whole(&got.unwrap(), &blob);
    }
    site.kept(&digest).await;
    is_whole(&site.get(&digest, &[]).await, &blob);
    assert_eq!((seen(&site.registry, &Method::GET), seen(&site.registry, &Method::HEAD)), (1, 0));
    assert_eq!(site.counted(r#"blob_answers_total{answer="filled"}"#).await, 1);
    assert_eq!(site.counted(r#"blob_answers_total{answer="arriving"}"#).await, 199);
    assert_eq!(site.counted(r#"blob_answers_total{answer="hit"}"#).await, 1);
    assert_eq!(site.counted("blob_cache_files").await, 1);
    eventually("nobody reads", || async { site.counted("blob_readers").await == 0 }).await;
}

#[tokio::test]
async fn callers_that_come_late_or_leave_change_nothing() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.registry.fail(Match::blob(&digest), slow());
    let url = site.url(REPOSITORY, &digest);
    let first = tokio::spawn(async move { testkit::client::get(&url, &[]).await });
    eventually("it arrives", || async { site.counted("blob_arrivals").await == 1 }).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    first.abort();
    is_whole(&site.get(&digest, &[]).await, &blob);
    assert_eq!(seen(&site.registry, &Method::GET), 1);
}

#[tokio::test]
async fn a_download_goes_on_when_its_only_caller_has_left() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.registry.fail(Match::blob(&digest), slow());
    let url = site.url(REPOSITORY, &digest);
    let caller = tokio::spawn(async move { testkit::client::get(&url, &[]).await });
    eventually("it arrives", || async { site.counted("blob_arrivals").await == 1 }).await;
    caller.abort();
    site.kept(&digest).await;
    is_whole(&site.get(&digest, &[]).await, &blob);
    assert_eq!(seen(&site.registry, &Method::GET), 1);
}

#[tokio::test]
async fn a_hit_has_all_headers_and_needs_no_upstream() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(100_000);
    is_whole(&site.get(&digest, &[]).await, &blob);
    site.kept(&digest).await;
    site.registry.forget_requests();
    let etag = format!("\"{digest}\"");
    let (get, head) = (site.get(&digest, &[]).await, site.head(&digest, &[]).await);
    is_whole(&get, &blob);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-length", "100000"),
        ("docker-content-digest", &*digest),
        ("etag", &*etag),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!((get.header(name), head.header(name)), (Some(value), Some(value)), "{name}");
    }
    for tags in [&*etag, "*", &format!("\"x\", W/{etag}")] {
        let unchanged = site.get(&digest, &[("if-none-match", tags)]).await;
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{tags}");
        assert_eq!(unchanged.header("etag"), Some(&*etag));
        assert_eq!(site.head(&digest, &[("if-none-match", tags)]).await.status, 304);
    }
    is_whole(&site.get(&digest, &[("if-none-match", "\"x\"")]).await, &blob);
    assert_eq!(site.registry.requests().len(), 0);
}

/// What is sent straight from files shares its connection with what is not.
#[tokio::test]
async fn answers_of_one_connection_follow_each_other_to_the_byte() {
    let site = BlobSite::start().await;
    let (large, small) = (site.put(9 << 20), site.put(70_000));
    for (blob, digest) in [&large, &small] {
        is_whole(&site.get(digest, &[]).await, blob);
        site.kept(digest).await;
    }
    let whole = |(blob, digest): &(Vec<u8>, String)| ("GET", digest.clone(), String::new(), blob.clone());
    let part = |first: usize, end: usize| {
        let range = format!("range: bytes={first}-{}\r\n", end - 1);
        ("GET", large.1.clone(), range, large.0[first..end].to_vec())
    };
    let head = ("HEAD", large.1.clone(), String::new(), Vec::new());
    let (absent, none) = (format!("sha256:{}", "0".repeat(64)), Vec::new());
    let asked = [
        whole(&large),
        whole(&small),
        head,
        part(1, (4 << 20) + 3),
        ("GET", absent, String::new(), none),
        part(9_000_000, 9_065_537),
        part(2 << 20, 8 << 20),
        whole(&large),
    ];
    let address = site.url("", "").split('/').nth(2).unwrap().to_owned();
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = |(method, digest, headers, _): &(&str, String, String, Vec<u8>)| {
        format!("{method} /v2/{REPOSITORY}/blobs/{digest} HTTP/1.1\r\nhost: a\r\n{headers}\r\n")
    };
    let mut requests = asked.iter().map(request).collect::<Vec<_>>().concat();
    requests.insert_str(requests.len() - 2, "connection: close\r\n");
    // All at once: none waits for the answer to the one before.
    client.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).await.unwrap();
    let mut rest = &answers[..];
    for (method, _, headers, expected) in asked {
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("headers") + 4;
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = if method == "HEAD" { 0 } else { length.unwrap().parse().unwrap() };
        let body = &rest[end..end + length];
        if expected.is_empty() {
            assert!(method == "HEAD" || head.starts_with("HTTP/1.1 404 "), "{head}");
        } else {
            assert!(body == expected, "{headers} of {length}: other bytes");
        }
        rest = &rest[end + length..];
    }
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_large_hit_is_sent_and_not_read() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(32 << 20);
    is_whole(&site.get(&digest, &[]).await, &blob);
    site.kept(&digest).await;
    is_whole(&site.get(&digest, &[]).await, &blob);
    let before = reads(&site.onetag);
    is_whole(&site.get(&digest, &[]).await, &blob);
    // In pieces of 64 KiB they are 512.
    let reads = reads(&site.onetag) - before;
    assert!(reads < 400, "{reads}");
}

#[tokio::test]
async fn parts_of_a_hit_are_served_as_asked_for() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.get(&digest, &[]).await;
    site.kept(&digest).await;
    site.registry.forget_requests();
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=1000-1999", 1000, 1999),
        ("bytes=3000000-99999999999999999999999", 3_000_000, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
    ] {
        let got = site.get(&digest, &[("range", range)]).await;
        assert_eq!(got.status, 206, "{range}");
        assert!(got.body == blob[first..=last], "{range}");
        assert_eq!(got.header("content-range"), Some(&*format!("bytes {first}-{last}/{SIZE}")));
        assert_eq!(got.header("content-length"), Some(&*(last - first + 1).to_string()));
    }
    for range in ["bytes=0-1,5-9", "bytes=9-5", "lines=1-2", "bytes=x"] {
        is_whole(&site.get(&digest, &[("range", range)]).await, &blob);
    }
    for range in ["bytes=9999999-", "bytes=99999999999999999999999-", "bytes=-0"] {
        let got = site.get(&digest, &[("range", range)]).await;
        let (status, code) = refused(&got);
        assert_eq!((status, &*code), (416, "RANGE_INVALID"), "{range}");
        assert_eq!(got.header("content-range"), Some(&*format!("bytes */{SIZE}")));
    }
    let etag = format!("\"{digest}\"");
    let part = site.get(&digest, &[("range", "bytes=5-9"), ("if-range", &etag)]).await;
    assert_eq!((part.status, &*part.body), (206, &blob[5..10]));
    is_whole(&site.get(&digest, &[("range", "bytes=5-9"), ("if-range", "\"other\"")]).await, &blob);
    assert_eq!(site.registry.requests().len(), 0);
}

#[tokio::test]
async fn parts_of_a_blob_that_arrives_follow_it() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.registry.fail_times(1, Match::blob(&digest), slow());
    let url = site.url(REPOSITORY, &digest);
    let whole = tokio::spawn(async move { testkit::client::get(&url, &[]).await.expect("an answer") });
    eventually("it arrives", || async { site.counted("blob_arrivals").await == 1 }).await;
    for (range, first, last) in
        [("bytes=-7", SIZE - 7, SIZE - 1), ("bytes=70000-70009", 70_000, 70_009), ("bytes=0-", 0, SIZE - 1)]
    {
        let got = site.get(&digest, &[("range", range)]).await;
        assert_eq!(got.status, 206, "{range}");
        assert!(got.body == blob[first..=last], "{range}");
        assert_eq!(got.header("content-range"), Some(&*format!("bytes {first}-{last}/{SIZE}")));
    }
    is_whole(&whole.await.unwrap(), &blob);
    assert_eq!(seen(&site.registry, &Method::GET), 1);
}

#[tokio::test]
async fn a_part_far_from_what_has_come_is_asked_for_upstream() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(20 << 20);
    let stall = site.registry.fail_times(1, Match::blob(&digest), Fault::StallBody { after: 100_000 });
    let url = site.url(REPOSITORY, &digest);
    let whole = tokio::spawn(async move { testkit::client::get(&url, &[]).await });
    eventually("it arrives", || async { site.registry.hits(stall) == 1 }).await;
    let got = site.get(&digest, &[("range", "bytes=-7")]).await;
    assert_eq!((got.status, &*got.body), (206, &blob[blob.len() - 7..]));
    assert_eq!(site.counted(r#"blob_answers_total{answer="passed_range"}"#).await, 1);
    whole.abort();
}

#[tokio::test]
async fn a_part_of_a_blob_that_is_not_here_is_not_kept() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    let got = site.get(&digest, &[("range", "bytes=5-9")]).await;
    assert_eq!((got.status, &*got.body), (206, &blob[5..10]));
    assert_eq!(site.files(), 0);
    let all = site.get(&digest, &[("range", "bytes=0-")]).await;
    assert_eq!(all.status, 206);
    assert!(all.body == blob);
    site.kept(&digest).await;
}

#[tokio::test]
async fn head_downloads_nothing() {
    let site = BlobSite::start().await;
    let (_, digest) = site.put(SIZE);
    let head = site.head(&digest, &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*SIZE.to_string())));
    assert_eq!((seen(&site.registry, &Method::HEAD), seen(&site.registry, &Method::GET)), (1, 0));
    assert_eq!((site.files(), site.counted("blob_arrivals").await), (0, 0));
    assert_eq!(site.head(&testkit::sha256("nowhere"), &[]).await.status, 404);
}

#[tokio::test]
async fn a_file_answers_only_for_repositories_that_have_the_blob() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.registry.put_blob("has/it", &blob);
    site.get(&digest, &[]).await;
    site.kept(&digest).await;
    site.registry.forget_requests();
    let (status, code) = refused(&site.get_from("lacks/it", &digest).await);
    assert_eq!((status, &*code), (404, "BLOB_UNKNOWN"));
    site.registry.fail_times(1, Match::blob(&digest), Fault::status(403));
    assert_eq!(refused(&site.get_from("denies/it", &digest).await).0, 403);
    site.registry.fail_times(
        1,
        Match::blob(&digest).method("HEAD"),
        Fault::Delay(Duration::from_millis(300)),
    );
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let url = site.url("has/it", &digest);
        callers.spawn(async move { testkit::client::get(&url, &[]).await.expect("an answer") });
    }
    while let Some(got) = callers.join_next().await {
        is_whole(&got.unwrap(), &blob);
    }
    assert_eq!((seen(&site.registry, &Method::HEAD), seen(&site.registry, &Method::GET)), (3, 0));
}

#[tokio::test]
async fn an_arrival_is_joined_only_by_repositories_that_have_the_blob() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.registry.put_blob("has/it", &blob);
    site.registry.fail(Match::blob(&digest).method("GET"), slow());
    let url = site.url(REPOSITORY, &digest);
    let whole = tokio::spawn(async move { testkit::client::get(&url, &[]).await.expect("an answer") });
    eventually("it arrives", || async { site.counted("blob_arrivals").await == 1 }).await;
    assert_eq!(site.get_from("lacks/it", &digest).await.status, 404);
    is_whole(&site.get_from("has/it", &digest).await, &blob);
    is_whole(&whole.await.unwrap(), &blob);
    assert_eq!((seen(&site.registry, &Method::HEAD), seen(&site.registry, &Method::GET)), (2, 1));
}

#[tokio::test]
async fn early_failures_are_told_as_such() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    assert_eq!(refused(&site.get(&testkit::sha256("nowhere"), &[]).await).0, 404);
    for (fault, expected) in [(403, 403), (429, 429), (500, 503), (418, 502)] {
        site.registry.fail(Match::blob(&digest), Fault::status(fault));
        assert_eq!(refused(&site.get(&digest, &[]).await).0, expected, "{fault}");
        site.registry.heal();
    }
    is_whole(&site.get(&digest, &[]).await, &blob);
    let (_, digest) = site.put(1000);
    site.registry.fail(Match::blob(&digest), Fault::Body(distinct_bytes(999)));
    let (status, code) = refused(&site.get(&digest, &[]).await);
    assert_eq!((status, &*code), (502, "UNAVAILABLE"));
}
