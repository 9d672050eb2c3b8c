//! Refusals: each in the form of the distribution specification, with its code and status.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::image::media_type::DOCKER_LIST;
use testkit::{client, sha256};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{ACCEPT, Legacy, Site, manifest_path, refusal, served_as};

/// All that comes until the peer closes, which it must do in time.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    // A reset is a close as well.
    let _closed = read.expect("the connection is closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// What onetag answers to these bytes.
async fn raw(site: &Site, bytes: impl AsRef<[u8]>) -> String {
    rest(client::send_raw(site.onetag.address(), bytes.as_ref()).await.expect("it listens")).await
}

#[tokio::test]
async fn every_path_that_is_none_is_refused_and_goes_nowhere() {
    let site = Site::start(&[]).await;
    let long = "a".repeat(256);
    let cases = [
        ("/".to_owned(), 404, "UNSUPPORTED"),
        ("/v1/".to_owned(), 404, "UNSUPPORTED"),
        ("/v2/app/nothing/x".to_owned(), 404, "UNSUPPORTED"),
        ("/metrics".to_owned(), 404, "UNSUPPORTED"),
        ("/v2/App/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("/v2/a..b/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("/v2/../manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("/v2/team/../../etc/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("/v2/team//app/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("/v2/team%2fapp/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("/v2/team%2F..%2Fapp/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("/v2/app%00/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        (format!("/v2/{long}/manifests/latest"), 400, "NAME_INVALID"),
        ("/v2/app/manifests/..".to_owned(), 400, "MANIFEST_INVALID"),
        ("/v2/app/manifests/-x".to_owned(), 400, "MANIFEST_INVALID"),
        ("/v2/app/manifests/a%2fb".to_owned(), 400, "MANIFEST_INVALID"),
        (format!("/v2/app/manifests/{long}"), 400, "MANIFEST_INVALID"),
        ("/v2/app/manifests/sha256:abc".to_owned(), 400, "DIGEST_INVALID"),
        (format!("/v2/app/manifests/sha256:{}", "A".repeat(64)), 400, "DIGEST_INVALID"),
        ("/v2/app/blobs/latest".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/app/blobs/sha256:../../../etc/passwd".to_owned(), 404, "UNSUPPORTED"),
        ("/v2/app/blobs/sha256:..%2f..%2fetc%2fpasswd".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/app/referrers/latest".to_owned(), 400, "DIGEST_INVALID"),
    ];
    for (path, status, code) in cases {
        for method in ["GET", "HEAD"] {
            let got = client::request(method, &site.url(&path), &[ACCEPT], "").await.unwrap();
            assert_eq!(got.status, status, "{method} {path}: {}", got.text());
            if method == "GET" {
                assert_eq!(refusal(&got).1, code, "{path}");
            }
        }
    }
    assert_eq!(site.registry.requests().len(), 0);
}

#[tokio::test]
async fn what_is_not_there_is_told_by_kind() {
    let site = Site::start(&[]).await;
    let digest = sha256("nowhere");
    for (path, code) in [
        (manifest_path("latest"), "MANIFEST_UNKNOWN"),
        (manifest_path(&digest), "MANIFEST_UNKNOWN"),
        (format!("/v2/team/app/blobs/{digest}"), "BLOB_UNKNOWN"),
        ("/v2/team/app/tags/list".to_owned(), "NAME_UNKNOWN"),
    ] {
        let (status, found, _) = refusal(&site.get(&path, &[ACCEPT]).await);
        assert_eq!((status, &*found), (404, code), "{path}");
        assert_eq!(site.head(&path, &[ACCEPT]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_know_is_refused_with_those_that_it_knows() {
    let site = Site::start(&[]).await;
    Legacy::docker().push(&site.registry, "latest");
    for (path, known) in [
        (manifest_path("latest"), "GET, HEAD, PUT, DELETE"),
        ("/v2/team/app/blobs/uploads/".to_owned(), "POST"),
        ("/v2/team/app/blobs/uploads/6f1c".to_owned(), "GET, PATCH, PUT, DELETE"),
        (format!("/v2/team/app/blobs/{}", sha256("x")), "GET, HEAD, DELETE"),
        ("/v2/team/app/tags/list".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET, HEAD"),
        ("/v2/".to_owned(), "GET, HEAD"),
    ] {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"] {
            if known.contains(method) {
                continue;
            }
            let got = client::request(method, &site.url(&path), &[], "{}").await.unwrap();
            let (status, code, _) = refusal(&got);
            assert_eq!((status, &*code), (405, "UNSUPPORTED"), "{method} {path}");
            assert_eq!(got.header("allow"), Some(known));
        }
    }
    assert_eq!(site.registry.requests().len(), 0);
}

#[tokio::test]
async fn callers_of_whom_nothing_is_known_change_nothing_unless_it_is_allowed() {
    let site = Site::start(&[]).await;
    Legacy::docker().push(&site.registry, "latest");
    let blob = format!("/v2/team/app/blobs/{}", sha256("x"));
    for (method, path) in [
        ("PUT", manifest_path("latest")),
        ("DELETE", manifest_path("latest")),
        ("POST", "/v2/team/app/blobs/uploads/".to_owned()),
        ("PATCH", "/v2/team/app/blobs/uploads/6f1c".to_owned()),
        ("DELETE", blob),
    ] {
        let got = client::request(method, &site.url(&path), &[], "{}").await.unwrap();
        assert_eq!((refusal(&got).0, &*refusal(&got).1), (403, "DENIED"), "{method} {path}");
    }
    assert_eq!(site.registry.requests().len(), 0);
}

#[tokio::test]
async fn a_refused_push_leaves_the_connection_in_step() {
    let site = Site::start(&[]).await;
    Legacy::docker().push(&site.registry, "latest");
    let smuggled = "GET /v2/smuggled/manifests/latest HTTP/1.1\r\nhost: x\r\n\r\n";
    let push = format!(
        "PUT /v2/a/manifests/b HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let next = "GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = raw(&site, format!("{push}{next}")).await;
    assert!(answers.matches("HTTP/1.1 ").count() <= 2, "{answers}");
    assert!(answers.starts_with("HTTP/1.1 403 "), "{answers}");
    assert_eq!(site.registry.requests().len(), 0);
}

#[tokio::test]
async fn conflicting_lengths_are_refused() {
    let site = Site::start(&[]).await;
    let lengths = "content-length: 5\r\ncontent-length: 6\r\n";
    let answer = raw(&site, format!("POST /v2/ HTTP/1.1\r\nhost: x\r\n{lengths}\r\nhello!")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let site = Site::start(&[]).await;
    let many = "x: 1\r\n".repeat(100);
    let answer = raw(&site, format!("GET /v2/ HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let large = "y".repeat(64 << 10);
    let answer = raw(&site, format!("GET /v2/ HTTP/1.1\r\nhost: x\r\nx: {large}\r\n\r\n")).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(site.get("/v2/", &[]).await.status, 200);
}

#[tokio::test]
async fn a_client_that_tries_tls_on_the_plain_port_is_answered_in_http() {
    let site = Site::start(&[]).await;
    // A TLS record with the start of a ClientHello, as docker sends first.
    let hello = [&[0x16, 3, 1, 0, 0xf8, 1, 0, 0, 0xf4, 3, 3][..], &[0x5a; 237], b"\r\n\r\n"].concat();
    let answer = raw(&site, hello).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
}

#[tokio::test]
async fn an_absolute_target_is_answered_by_its_path_and_leads_nowhere_else() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let target = site.url(&manifest_path("latest"));
    let host = site.onetag.address();
    let answer =
        raw(&site, format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&legacy.merged()), "{answer}");
    let foreign =
        "GET http://registry.invalid/v2/ HTTP/1.1\r\nhost: registry.invalid\r\nconnection: close\r\n\r\n";
    let answer = raw(&site, foreign).await;
    assert!(["200", "400", "421"].contains(&&answer[9..12]), "{answer}");
    let own = site.registry.address().to_string();
    assert!(site.registry.requests().iter().all(|request| request.host == own));
}

#[tokio::test]
async fn connect_and_upgrade_are_not_followed() {
    let site = Site::start(&[]).await;
    let target = site.registry.address();
    let answer =
        raw(&site, format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let upgrade = "connection: upgrade, close\r\nupgrade: websocket\r\n";
    let answer = raw(&site, format!("GET /v2/ HTTP/1.1\r\nhost: x\r\n{upgrade}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(site.registry.requests().len(), 0);
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let stream = TcpStream::connect(site.onetag.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::get(site.url(&manifest_path("latest"))).header("accept", ACCEPT.1);
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let response = client::Response { status: parts.status.as_u16(), headers: parts.headers, body };
    assert_eq!(parts.version, http::Version::HTTP_2);
    served_as(&response, DOCKER_LIST, legacy.merged());
    for path in [manifest_path("latest"), manifest_path("absent"), "/v2/".to_owned(), "/nowhere".to_owned()] {
        let request = http::Request::head(site.url(&path)).body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(response.headers().contains_key("content-length"), "{path}");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
    }
    drop(sender);
    driver.await.unwrap().unwrap();
}

/// A site whose clients have half a second for the headers of a request.
async fn impatient() -> Site {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("onetag.toml");
    std::fs::write(&file, "[server]\nheader_timeout = \"500ms\"\n").expect("a file");
    Site::start(&["--config", file.to_str().expect("a path in UTF-8")]).await
}

#[tokio::test]
async fn a_client_that_never_finishes_its_headers_is_closed() {
    let site = impatient().await;
    for start in ["G", "GET /v2/ HTTP/1.1\r\nhost: x\r\n", "GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let answer = raw(&site, start).await;
        assert_eq!(answer.contains("200 OK"), start.ends_with("\r\n\r\n"), "{start:?}: {answer}");
    }
    assert_eq!(site.get("/v2/", &[]).await.status, 200);
}

#[tokio::test]
async fn a_client_that_says_nothing_at_all_is_closed() {
    raw(&impatient().await, "").await;
}

#[tokio::test]
async fn a_client_that_never_says_whether_it_speaks_http2_is_closed() {
    raw(&impatient().await, "PRI * HTTP/2.0\r\n").await;
}
