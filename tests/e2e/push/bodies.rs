//! Bodies stream: in little memory, no faster than the registry takes them, and no longer than the client is there.

use std::time::{Duration, Instant};

use testkit::client::{self, Body, send_raw};
use testkit::{Fault, Match, Registry, sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Pushed, begun, with_digest};
use crate::support::{Legacy, REPOSITORY, eventually, manifest_path, memory, peak_memory, refusal};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_large_blob_passes_in_little_memory_in_chunks_and_whole() {
    const PIECES: usize = 300;
    let site = Pushed::start("").await;
    let piece = bytes::Bytes::from(vec![7_u8; MIB]);
    let digest = sha256(vec![7_u8; PIECES * MIB]);
    let before = memory(&site.onetag);
    for (method, length) in [("PATCH", None), ("PUT", Some((PIECES * MIB).to_string()))] {
        let mut location = begun(&site).await;
        if method == "PUT" {
            location = with_digest(&location, &digest);
        }
        let length: Vec<_> = length.iter().map(|length| ("content-length", length.as_str())).collect();
        let body = Body::pieces((0..PIECES).map(|_| piece.clone()), Duration::ZERO);
        let mut sent = site.send(method, &location, &length, body).await;
        if method == "PATCH" {
            assert_eq!(sent.status, 202, "{}", sent.text());
            let location = sent.header("location").expect("a Location").to_owned();
            sent = site.send("PUT", &with_digest(&location, &digest), &[], "").await;
        }
        assert_eq!(sent.status, 201, "{}", sent.text());
        assert!(site.registry.has_blob(REPOSITORY, &digest), "{method}");
        site.registry.delete_blob(REPOSITORY, &digest);
    }
    let grown = peak_memory(&site.onetag).saturating_sub(before);
    assert!(grown < 32 * MIB, "{} MiB more", grown / MIB);
}

/// How many connections to the registry are open.
fn open_connections(registry: &Registry) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let port = format!(":{:04X}", registry.address().port());
    let is_open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&port)) && fields.next() == Some("01")
    };
    table.lines().skip(1).filter(is_open).count()
}

/// Begins a PATCH of 256 MiB by hand.
async fn patch_by_hand(site: &Pushed) -> tokio::net::TcpStream {
    let location = begun(site).await;
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        site.onetag.address(),
        256 * MIB
    );
    send_raw(site.onetag.address(), head.as_bytes()).await.expect("it listens")
}

/// Sends until nothing more is taken for half a second; how many bytes were.
async fn sent_until_full(stream: &mut tokio::net::TcpStream) -> usize {
    let (piece, mut sent) = (vec![0_u8; 64 << 10], 0);
    while sent < 256 * MIB {
        match timeout(Duration::from_millis(500), stream.write(&piece)).await {
            Ok(written) => sent += written.expect("the connection stands"),
            Err(_full) => break,
        }
    }
    sent
}

#[tokio::test]
async fn a_registry_that_takes_nothing_makes_the_client_wait_and_is_given_up_in_time() {
    let site = Pushed::impatient().await;
    let patch = Match::uploads(REPOSITORY).method("PATCH");
    site.registry.fail(patch, Fault::StallUpload { after: MIB });
    begun(&site).await;
    let before = memory(&site.onetag);
    let mut stream = patch_by_hand(&site).await;
    let sent = sent_until_full(&mut stream).await;
    assert!(sent < 32 * MIB, "{} MiB were taken although the registry took one", sent / MIB);
    let grown = peak_memory(&site.onetag).saturating_sub(before);
    assert!(grown < 32 * MIB, "{} MiB more", grown / MIB);
    let open = open_connections(&site.registry);
    let mut answer = String::new();
    timeout(Duration::from_secs(8), stream.read_to_string(&mut answer))
        .await
        .expect("in time")
        .expect("text");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"UNAVAILABLE\""), "{answer}");
    eventually("the request to the registry ends", async || open_connections(&site.registry) < open).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_to_the_registry() {
    let site = Pushed::start("").await;
    let mut stream = patch_by_hand(&site).await;
    stream.write_all(&vec![0_u8; MIB]).await.unwrap();
    let patch = || site.registry.requests().into_iter().find(|request| request.method == "PATCH");
    let came = |length: usize| patch().is_some_and(|patch| patch.body_length >= length);
    eventually("the bytes come", async || came(MIB)).await;
    let open = open_connections(&site.registry);
    drop(stream);
    eventually("the request to the registry ends", async || open_connections(&site.registry) < open).await;
    assert!(!patch().unwrap().body_complete);
}

#[tokio::test]
async fn a_client_that_stalls_is_told_so_and_the_registry_gets_no_whole_body() {
    let site = Pushed::impatient().await;
    begun(&site).await;
    let typed = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
    let location = with_digest(&begun(&site).await, &sha256("hellohello"));
    for (path, headers) in [(location, &[][..]), (manifest_path("latest"), &typed[..])] {
        let body = Body::pieces(["hello", "hello"], Duration::from_secs(5));
        let begin = Instant::now();
        let got = site.send("PUT", &path, headers, body).await;
        assert_eq!((refusal(&got).0, &*refusal(&got).1), (408, "UNAVAILABLE"), "{path}");
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    }
    let puts = || site.registry.requests().into_iter().filter(|request| request.method == "PUT");
    assert_eq!(puts().count(), 2);
    assert!(puts().all(|put| !put.body_complete));
    assert!(!site.registry.has_blob(REPOSITORY, &sha256("hellohello")));
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing_that_looks_whole() {
    let site = Pushed::start("[cache]\ntag_ttl = \"1h\"").await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    assert_eq!(site.tag("latest").await.text(), legacy.merged());
    let digest = sha256(vec![1_u8; 1 << 16]);
    let location = with_digest(&begun(&site).await, &digest);
    for path in [location, manifest_path("latest")] {
        let broken = Body::broken([vec![1_u8; 1 << 16]], Duration::from_millis(50));
        let sent = client::request("PUT", &site.url(&path), &[], broken).await;
        assert!(sent.is_err() || sent.is_ok_and(|sent| sent.status >= 400));
    }
    let puts = || site.registry.requests().into_iter().filter(|request| request.method == "PUT");
    eventually("both came", async || puts().count() == 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(puts().all(|put| !put.body_complete));
    assert!(!site.registry.has_blob(REPOSITORY, &digest));
    assert_eq!(site.tag("latest").await.text(), legacy.merged());
}

#[tokio::test]
async fn a_blob_goes_up_over_http2_and_after_an_expectation() {
    let site = Pushed::start("").await;
    for (client, headers, seed) in [
        (client::Client::plain().http2(), &[][..], 1_u8),
        (client::Client::plain(), &[("expect", "100-continue")][..], 2),
    ] {
        let blob = vec![seed; 3 * MIB];
        let digest = sha256(&blob);
        let url = site.url(&with_digest(&begun(&site).await, &digest));
        let body = Body::pieces(blob.chunks(MIB).map(<[u8]>::to_vec), Duration::ZERO);
        let sent = client.request("PUT", &url, headers, body).await.expect("onetag answers");
        assert_eq!(sent.status, 201, "{}", sent.text());
        assert_eq!(site.registry.blob(REPOSITORY, &digest), Some(blob));
    }
}
