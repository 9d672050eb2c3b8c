//! The cache of blobs in trouble: lies, cuts, restarts, a damaged or missing disk, and callers that stall.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use testkit::client::{Error, Response, send_raw};
use testkit::{Fault, Kind, Match};

use crate::support::{BlobSite, REPOSITORY, Site, distinct_bytes, eventually, memory, refused};

const SIZE: usize = 3 << 20;
const TAIL: usize = 64 << 10;

/// Asserts that a response is the whole blob.
#[track_caller]
fn is_whole(got: &Response, blob: &[u8]) {
    assert_eq!((got.status, got.body.len()), (200, blob.len()));
    assert!(got.body == blob, "other bytes");
}

/// Asserts that a response was broken off before the tail of a blob of this size.
#[track_caller]
fn broken_off(got: Result<Response, Error>, size: usize) {
    match got {
        Err(Error::Body { partial, .. }) => {
            assert!(partial.status == 200 && partial.body.len() <= size - TAIL, "{}", partial.body.len());
        }
        other => panic!("{:?}", other.map(|response| (response.status, response.body.len()))),
    }
}

#[tokio::test]
async fn a_wrong_digest_never_completes_with_or_without_a_data_directory() {
    let (kept, passed) = (BlobSite::start().await, Site::start(&[]).await);
    let mut lie = distinct_bytes(SIZE);
    lie[SIZE - 1] ^= 1;
    for whole in [SIZE, 1000] {
        for length in [true, false] {
            let (_, digest) = kept.put(whole);
            passed.registry.put_blob(REPOSITORY, distinct_bytes(whole));
            let lie = Fault::Body(lie[SIZE - whole..].to_vec());
            for registry in [&kept.registry, &passed.registry] {
                registry.fail(Match::blob(&digest), lie.clone());
                if !length {
                    registry.fail(Match::blob(&digest), Fault::NoContentLength);
                }
            }
            for got in [kept.try_get(&digest).await, passed.blob(&digest, &[]).await] {
                if whole == SIZE {
                    broken_off(got, SIZE);
                } else {
                    assert_eq!(refused(&got.unwrap()).0, 502);
                }
            }
            kept.registry.heal();
            passed.registry.heal();
            assert_eq!(kept.files(), 0);
            is_whole(&passed.blob(&digest, &[]).await.unwrap(), &distinct_bytes(whole));
        }
    }
    assert_eq!(kept.counted("blobs_wrong_total").await, 4);
}

/// Storage that sends this to everyone, with a pause before the second half.
async fn hesitant_storage(content: Vec<u8>, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let content = content.clone();
            tokio::spawn(async move {
                stream.read_exact(&mut [0; 16]).await?;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", content.len());
                let (first, second) = content.split_at(content.len() / 2);
                stream.write_all(&[head.as_bytes(), first].concat()).await?;
                tokio::time::sleep(pause).await;
                stream.write_all(second).await
            });
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn no_part_is_sent_of_an_arrival_that_may_yet_be_found_wrong() {
    let site = BlobSite::start().await;
    let (mut lie, digest) = site.put(SIZE);
    lie[0] ^= 1;
    let to = hesitant_storage(lie, Duration::from_millis(500)).await;
    site.registry.fail(Match::blob(&digest), Fault::Redirect { to, code: 307 });
    let part = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        site.get(&digest, &[("range", "bytes=0-0")]).await
    };
    let (whole, part) = tokio::join!(site.try_get(&digest), part);
    broken_off(whole, SIZE);
    assert_eq!(refused(&part).0, 502);
}

#[tokio::test]
async fn a_download_that_is_cut_again_and_again_goes_on() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.registry.fail_times(1, Match::blob(&digest), Fault::Cut { after: 1 << 20 });
    // More than a single stream rides out.
    site.registry.fail_times(5, Match::blob(&digest), Fault::Reset);
    is_whole(&site.get(&digest, &[]).await, &blob);
    site.kept(&digest).await;
    is_whole(&site.get(&digest, &[]).await, &blob);
}

#[tokio::test]
async fn a_restart_keeps_what_was_whole_and_nothing_else() {
    let mut site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    is_whole(&site.get(&digest, &[]).await, &blob);
    site.kept(&digest).await;
    let (other, half) = site.put(SIZE + 1);
    let stall = site.registry.fail(Match::blob(&half), Fault::StallBody { after: 2 << 20 });
    let url = site.url(REPOSITORY, &half);
    let caller = tokio::spawn(async move { testkit::client::get(&url, &[]).await });
    eventually("it arrives", || async { site.registry.hits(stall) == 1 && site.arriving() == 1 }).await;
    site.restart();
    site.registry.heal();
    caller.abort();
    assert_eq!((site.arriving(), site.files()), (0, 1));
    site.registry.forget_requests();
    is_whole(&site.get(&digest, &[]).await, &blob);
    let asked = site.registry.requests();
    assert!(asked.iter().all(|request| request.method == http::Method::HEAD), "{}", asked.len());
    is_whole(&site.get(&half, &[]).await, &other);
}

#[tokio::test]
async fn a_kill_at_any_moment_leaves_nothing_wrong() {
    let mut site = BlobSite::start().await;
    for round in 0..6 {
        let (blob, digest) = site.put(SIZE + round);
        let every = Duration::from_millis(2);
        let fault = site.registry.fail(Match::blob(&digest), Fault::Drip { bytes: 256 << 10, every });
        let url = site.url(REPOSITORY, &digest);
        let caller = tokio::spawn(async move { testkit::client::get(&url, &[]).await });
        eventually("it arrives", || async { site.registry.hits(fault) == 1 }).await;
        tokio::time::sleep(Duration::from_millis(7 * round as u64)).await;
        site.restart();
        caller.abort();
        site.registry.heal();
        is_whole(&site.get(&digest, &[]).await, &blob);
        assert_eq!(site.counted("blobs_damaged_total").await, 0, "round {round}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_fetched_anew_in_the_same_request() {
    let mut site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.get(&digest, &[]).await;
    for (round, at) in [0, SIZE / 2, SIZE - 1].into_iter().enumerate() {
        site.kept(&digest).await;
        let file = OpenOptions::new().write(true).open(site.path(&digest)).unwrap();
        file.write_all_at(&[!blob[at]], at as u64).unwrap();
        if round > 0 {
            site.restart();
        }
        is_whole(&site.get(&digest, &[]).await, &blob);
        assert_eq!(site.counted("blobs_damaged_total").await, 1, "round {round}");
        if round == 0 {
            site.kept(&digest).await;
            site.restart();
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_gone_or_in_the_way_fails_no_pull() {
    let site = BlobSite::start().await;
    let (blob, digest) = site.put(SIZE);
    site.get(&digest, &[]).await;
    site.kept(&digest).await;
    fs::remove_dir_all(site.directory()).unwrap();
    is_whole(&site.get(&digest, &[]).await, &blob);
    fs::remove_dir_all(site.directory()).ok();
    fs::write(site.directory(), "in the way").unwrap();
    for size in [1000, SIZE + 1] {
        let (blob, digest) = site.put(size);
        is_whole(&site.get(&digest, &[]).await, &blob);
        is_whole(&site.get(&digest, &[]).await, &blob);
    }
    assert!(site.counted("blob_disk_errors_total").await > 0);
    assert!(site.counted(r#"blob_answers_total{answer="bypassed"}"#).await > 0);
}

#[tokio::test]
async fn a_small_cache_keeps_what_was_used_last_and_lets_the_largest_pass() {
    let site = BlobSite::configured("[blobs]\nmax_bytes = \"4 MiB\"").await;
    let (used, idle) = (site.put(1 << 20), site.put(1_500_000));
    for (blob, digest) in [&used, &idle, &used] {
        is_whole(&site.get(digest, &[]).await, blob);
        site.kept(digest).await;
    }
    let new = site.put(2 << 20);
    is_whole(&site.get(&new.1, &[]).await, &new.0);
    site.kept(&new.1).await;
    assert!(site.path(&used.1).exists() && !site.path(&idle.1).exists());
    assert_eq!(site.counted("blobs_evicted_total").await, 1);
    let large = site.put(5 << 20);
    is_whole(&site.get(&large.1, &[]).await, &large.0);
    assert_eq!((site.files(), site.counted(r#"blob_answers_total{answer="bypassed"}"#).await), (2, 1));
    is_whole(&site.get(&idle.1, &[]).await, &idle.0);
}

#[tokio::test]
async fn without_leave_to_finish_a_download_ends_with_its_last_caller() {
    let site = BlobSite::configured("[blobs]\nfinish = false").await;
    let (blob, digest) = site.put(SIZE);
    let stall = site.registry.fail_times(1, Match::blob(&digest), Fault::StallBody { after: 1 << 20 });
    let url = site.url(REPOSITORY, &digest);
    let caller = tokio::spawn(async move { testkit::client::get(&url, &[]).await });
    eventually("it arrives", || async { site.registry.hits(stall) == 1 && site.arriving() == 1 }).await;
    caller.abort();
    eventually("it is given up", || async { site.counted("blob_arrivals").await == 0 }).await;
    eventually("nothing is left", || async { site.arriving() == 0 }).await;
    assert_eq!(site.files(), 0);
    is_whole(&site.get(&digest, &[]).await, &blob);
}

#[tokio::test]
async fn a_thousand_stalled_readers_take_little_memory() {
    const READERS: usize = 1000;
    let site = BlobSite::start().await;
    let (_, digest) = site.put(32 << 20);
    site.get(&digest, &[]).await;
    site.kept(&digest).await;
    let before = memory(&site.onetag);
    let request = format!("GET /v2/{REPOSITORY}/blobs/{digest} HTTP/1.1\r\nhost: onetag\r\n\r\n");
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(send_raw(site.onetag.address(), request.as_bytes()).await.unwrap());
    }
    eventually("all read", || async { site.counted("blob_readers").await == READERS }).await;
    let sent = || async {
        let before = site.counted("blob_bytes_total").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        site.counted("blob_bytes_total").await - before
    };
    eventually("all stall", || async { sent().await == 0 }).await;
    let grown = memory(&site.onetag).saturating_sub(before);
    assert!(grown <= 128 << 20, "{grown} bytes");
    assert_eq!(site.registry.count(|request| request.kind == Kind::Blob), 1);
    drop(readers);
    eventually("all have left", || async { site.counted("blob_readers").await == 0 }).await;
}
