//! Blobs: whole, in part, over a broken stream, and large.

use std::time::{Duration, Instant};

use testkit::client::{Error, Response, send_raw};
use testkit::{Fault, Image, Kind, Match};

use crate::support::{
    ACCEPT, Legacy, REPOSITORY, Site, distinct_bytes, eventually, manifest_path, peak_memory, refusal,
};

const SIZE: usize = 1 << 20;

/// A site with one blob of this size, its bytes and its digest.
async fn site_with(length: usize, args: &[&str]) -> (Site, Vec<u8>, String) {
    let (site, blob) = (Site::start(args).await, distinct_bytes(length));
    let digest = site.registry.put_blob(REPOSITORY, &blob);
    (site, blob, digest)
}

/// The `Range` headers of the requests for blobs so far.
fn ranges(site: &Site) -> Vec<String> {
    let requests = site.registry.requests();
    let blobs = requests.iter().filter(|request| request.kind == Kind::Blob);
    blobs.map(|request| request.header("range").unwrap_or("none").to_owned()).collect()
}

/// Asserts that a response began well and was cut before its end, which a client cannot mistake for the whole.
#[track_caller]
fn broken_off(got: Result<Response, Error>, blob: &[u8]) {
    match got {
        Err(Error::Body { partial, .. }) => {
            assert_eq!(partial.status, 200);
            let length = partial.body.len();
            assert!(length < blob.len() && partial.body == blob[..length], "{length} bytes");
        }
        other => panic!("{:?}", other.map(|response| (response.status, response.body.len()))),
    }
}

#[tokio::test]
async fn get_and_head_tell_the_same_of_a_blob() {
    let (site, blob, digest) = site_with(SIZE, &[]).await;
    let get = site.blob(&digest, &[("accept-encoding", "zstd;q=1.0, gzip;q=0.8")]).await.unwrap();
    assert_eq!(get.status, 200);
    assert!(get.body == blob);
    let head = site.head(&format!("/v2/{REPOSITORY}/blobs/{digest}"), &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for (name, value) in [
        ("content-length", &*SIZE.to_string()),
        ("content-type", "application/octet-stream"),
        ("docker-content-digest", &*digest),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!((get.header(name), head.header(name)), (Some(value), Some(value)), "{name}");
    }
    assert_eq!(get.header("content-encoding"), None);
}

#[tokio::test]
async fn a_part_is_served_as_asked_for() {
    let (site, blob, digest) = site_with(SIZE, &[]).await;
    for (asked, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=1000-1999", 1000, 1999),
        ("bytes=1048000-", 1_048_000, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
    ] {
        let got = site.blob(&digest, &[("range", asked)]).await.unwrap();
        assert_eq!(got.status, 206, "{asked}");
        assert!(got.body == blob[first..=last], "{asked}");
        assert_eq!(got.header("content-range"), Some(&*format!("bytes {first}-{last}/{SIZE}")));
        assert_eq!(got.header("content-length"), Some(&*(last - first + 1).to_string()));
    }
}

#[tokio::test]
async fn a_part_beyond_the_end_is_refused_with_the_size_that_there_is() {
    let (site, _, digest) = site_with(SIZE, &[]).await;
    let got = site.blob(&digest, &[("range", "bytes=2000000-")]).await.unwrap();
    let (status, code, _) = refusal(&got);
    assert_eq!((status, &*code), (416, "RANGE_INVALID"));
    assert_eq!(got.header("content-range"), Some(&*format!("bytes */{SIZE}")));
}

#[tokio::test]
async fn a_blob_that_is_nowhere_is_unknown() {
    let (site, _, _) = site_with(1, &[]).await;
    let (status, code, _) = refusal(&site.blob(&testkit::sha256("nowhere"), &[]).await.unwrap());
    assert_eq!((status, &*code), (404, "BLOB_UNKNOWN"));
}

#[tokio::test]
async fn a_stream_that_is_cut_is_resumed_within_the_same_response() {
    let (site, blob, digest) = site_with(SIZE, &[]).await;
    for (after, then) in [(1000, 1000), (500_000, 100), (SIZE - 1, 1)] {
        site.registry.forget_requests();
        site.registry.fail_times(1, Match::blob(&digest), Fault::Cut { after });
        site.registry.fail_times(1, Match::blob(&digest), Fault::Cut { after: then.min(SIZE - after) });
        let got = site.blob(&digest, &[]).await.unwrap();
        assert_eq!(got.status, 200);
        assert!(got.body == blob, "after {after}");
        let ranges = ranges(&site);
        assert_eq!(ranges[0], "none");
        assert!(ranges[1].starts_with(&format!("bytes={after}-")), "{ranges:?}");
        site.registry.heal();
    }
}

#[tokio::test]
async fn a_part_that_is_cut_is_resumed_too() {
    let (site, blob, digest) = site_with(SIZE, &[]).await;
    site.registry.fail_times(1, Match::blob(&digest), Fault::Cut { after: 300 });
    let got = site.blob(&digest, &[("range", "bytes=1000-1999")]).await.unwrap();
    assert_eq!(got.status, 206);
    assert!(got.body == blob[1000..2000]);
    assert_eq!(ranges(&site), ["bytes=1000-1999", "bytes=1300-1999"]);
}

#[tokio::test]
async fn a_stream_that_stands_still_is_broken_off_in_time() {
    let (site, blob, digest) = site_with(SIZE, &["--idle-body-timeout", "300ms"]).await;
    site.registry.fail(Match::blob(&digest), Fault::StallBody { after: 70_000 });
    let started = Instant::now();
    broken_off(site.blob(&digest, &[]).await, &blob);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_stream_that_drips_is_let_be() {
    let (site, blob, digest) = site_with(1000, &["--idle-body-timeout", "300ms"]).await;
    let every = Duration::from_millis(100);
    site.registry.fail(Match::blob(&digest), Fault::Drip { bytes: 200, every });
    assert!(site.blob(&digest, &[]).await.unwrap().body == blob);
    assert_eq!(ranges(&site), ["none"]);
}

#[tokio::test]
async fn a_blob_that_never_completes_breaks_the_connection_off() {
    for trouble in [Fault::status(503), Fault::status(404), Fault::Reset, Fault::Body(distinct_bytes(SIZE))] {
        let (site, blob, digest) = site_with(SIZE, &[]).await;
        site.registry.fail_times(1, Match::blob(&digest), Fault::Cut { after: 400_000 });
        site.registry.fail(Match::blob(&digest), trouble);
        broken_off(site.blob(&digest, &[]).await, &blob);
    }
}

#[tokio::test]
async fn a_blob_without_a_length_is_served_whole() {
    let (site, blob, digest) = site_with(SIZE, &[]).await;
    site.registry.fail(Match::blob(&digest), Fault::NoContentLength);
    assert!(site.blob(&digest, &[]).await.unwrap().body == blob);
}

#[tokio::test]
async fn head_tells_no_length_where_none_is_known() {
    let (site, _, digest) = site_with(SIZE, &[]).await;
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    let told = site.head(&path, &[]).await;
    assert_eq!(told.header("content-length"), Some(&*SIZE.to_string()));
    site.registry.fail(Match::blob(&digest), Fault::NoContentLength);
    let untold = site.head(&path, &[]).await;
    assert_eq!((untold.status, untold.header("content-length")), (200, None));

    Legacy::docker().push(&site.registry, "latest");
    let head = site.head(&manifest_path("latest"), &[ACCEPT]).await;
    assert_eq!(head.status, 200);
    let etag = head.header("etag").unwrap();
    let unchanged = site.head(&manifest_path("latest"), &[ACCEPT, ("if-none-match", etag)]).await;
    assert_eq!((unchanged.status, unchanged.header("content-length")), (304, None));
}

#[tokio::test]
async fn a_large_blob_takes_little_memory() {
    const LARGE: usize = 64 << 20;
    let (site, blob, digest) = site_with(LARGE, &[]).await;
    assert_eq!(site.get("/v2/", &[]).await.status, 200);
    let before = peak_memory(&site.onetag);
    let got = site.blob(&digest, &[]).await.unwrap();
    assert!(got.body == blob);
    let grown = peak_memory(&site.onetag).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstreams_work() {
    let site = Site::start(&[]).await;
    let image = Image::builder("linux/amd64").layer_bytes(distinct_bytes(32 << 20)).build();
    site.registry.push(REPOSITORY, "latest", &image);
    let path = format!("/v2/{REPOSITORY}/blobs/{}", image.layers[0].digest());
    let request = format!("GET {path} HTTP/1.1\r\nhost: onetag\r\n\r\n");
    let client = send_raw(site.onetag.address(), request.as_bytes()).await.unwrap();
    let sockets = || std::fs::read_dir(format!("/proc/{}/fd", site.onetag.pid())).expect("it runs").count();
    eventually("it asks", || async { site.registry.count(|r| r.kind == Kind::Blob) == 1 }).await;
    let open = sockets();
    drop(client);
    eventually("both connections are closed", || async { sockets() + 2 <= open }).await;
}
