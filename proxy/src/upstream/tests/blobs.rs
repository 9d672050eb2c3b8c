use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use onetag_oci::Digest;
use testkit::{Fault, Match, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{BlobRange, ErrorKind, UpstreamBody, UpstreamError, Wrong};
use super::{APP, Site, app, digest, settings, status};

const BLOB: &[u8] = b"0123456789abcdefghij";

async fn ask(
    site: &Site,
    name: &str,
    method: Method,
    range: Option<&'static str>,
) -> Result<Response<UpstreamBody>, UpstreamError> {
    let range = range.map(|range| BlobRange { range: HeaderValue::from_static(range), if_range: None });
    site.upstream.blob(&app(), &digest(name), method, range).await
}

fn header<'r>(response: &'r Response<UpstreamBody>, name: &str) -> &'r str {
    response.headers()[name].to_str().unwrap()
}

async fn bytes(response: Response<UpstreamBody>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_blob_is_streamed_with_the_headers_that_a_client_may_see() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    let headers = [
        ("content-type", "application/octet-stream"),
        ("etag", "\"e\""),
        ("docker-content-digest", name.as_str()),
        ("set-cookie", "a=b"),
        ("server", "x"),
        ("location", "http://elsewhere.example"),
    ];
    registry.fail_times(1, Match::all(), status(200, &headers, "0123456789"));
    let site = Site::of(&registry);
    let response = ask(&site, &name, Method::GET, None).await.unwrap();
    let mut names: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "docker-content-digest", "etag"]);
    assert_eq!(response.body().size_hint().exact(), Some(10));
    assert_eq!(bytes(response).await, &BLOB[..10]);
    assert_eq!(site.counted("blob", "ok"), 1);
}

#[tokio::test]
async fn an_empty_blob_is_whole() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, b"");
    let response = ask(&Site::of(&registry), &name, Method::GET, None).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(0));
    assert_eq!(bytes(response).await, b"".as_slice());
}

#[tokio::test]
async fn a_range_is_passed_on_and_its_answer_too() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    let site = Site::of(&registry);
    let part = ask(&site, &name, Method::GET, Some("bytes=5-9")).await.unwrap();
    assert_eq!(
        (part.status(), header(&part, "content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 5-9/20")
    );
    assert_eq!(bytes(part).await, &BLOB[5..10]);
    let beyond = ask(&site, &name, Method::GET, Some("bytes=50-")).await.unwrap();
    assert_eq!(
        (beyond.status(), header(&beyond, "content-range")),
        (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */20")
    );
    assert_eq!((beyond.headers().len(), bytes(beyond).await.len()), (1, 0));
}

#[tokio::test]
async fn an_answer_that_is_not_the_range_that_was_asked_for_is_refused() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    let altered = |code, range: &str| {
        let headers = vec![("content-range".to_owned(), range.to_owned())];
        Fault::Altered { code, headers }
    };
    for fault in [
        altered(None, "bytes 4-8/20"),
        altered(None, "bytes"),
        altered(Some(200), "bytes 5-9/20"),
        Fault::Shortened(1),
        Fault::Lengthened(b"x".to_vec()),
    ] {
        registry.fail_times(1, Match::all(), fault.clone());
        let error = ask(&Site::of(&registry), &name, Method::GET, Some("bytes=5-9")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::Range)), "{fault:?}: {error}");
    }
    let whole = ask(&Site::of(&registry), &name, Method::GET, Some("lines=5-9")).await.unwrap();
    assert_eq!((whole.status(), bytes(whole).await.len()), (StatusCode::OK, BLOB.len()));
}

#[tokio::test]
async fn an_if_range_goes_with_its_range() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    let if_range = Some(HeaderValue::from_static("\"other\""));
    let range = Some(BlobRange { range: HeaderValue::from_static("bytes=5-9"), if_range });
    Site::of(&registry).upstream.blob(&app(), &digest(&name), Method::GET, range).await.unwrap();
    assert_eq!(registry.requests()[0].header("if-range"), Some("\"other\""));
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    let response = ask(&Site::of(&registry), &name, Method::HEAD, None).await.unwrap();
    assert_eq!((response.status(), header(&response, "content-length")), (StatusCode::OK, "20"));
    assert_eq!(bytes(response).await.len(), 0);
    assert_eq!(registry.requests()[0].method, Method::HEAD);
}

#[tokio::test]
async fn an_absent_blob_is_a_bare_404() {
    let registry = Registry::start().await;
    let site = Site::of(&registry);
    let response = ask(&site, &Digest::sha256(b"").to_string(), Method::GET, None).await.unwrap();
    assert_eq!((response.status(), response.headers().len()), (StatusCode::NOT_FOUND, 0));
    assert_eq!((bytes(response).await.len(), site.counted("blob", "absent")), (0, 1));
}

#[tokio::test]
async fn what_is_no_answer_for_a_blob_is_refused() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    let site = Site::of(&registry);
    for fault in [
        status(206, &[("content-range", "bytes 0-4/20")], "01234"),
        status(204, &[], ""),
        status(200, &[("content-encoding", "gzip")], "01234"),
    ] {
        registry.fail_times(1, Match::all(), fault);
        let error = ask(&site, &name, Method::GET, None).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::Unexpected(_) | Wrong::Encoded)), "{error}");
    }
    registry.fail_times(1, Match::all(), Fault::status(416));
    let error = ask(&site, &name, Method::GET, None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Status { .. }), "{error}");
}

#[tokio::test]
async fn opening_a_blob_rides_out_passing_failures() {
    let registry = Registry::start().await;
    let name = registry.put_blob(APP, BLOB);
    registry.fail_times(1, Match::all(), Fault::status(503));
    registry.fail_times(1, Match::all(), Fault::Reset);
    let response = ask(&Site::of(&registry), &name, Method::GET, None).await.unwrap();
    assert_eq!(bytes(response).await, BLOB);
}

#[tokio::test]
async fn a_body_that_is_dropped_ends_its_request_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::new(&settings(&format!("http://{}", listener.local_addr().unwrap())));
    let name = Digest::sha256(b"").to_string();
    let serve = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert_ne!(connection.read(&mut request).await.unwrap(), 0);
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome").await.unwrap();
        connection
    };
    let (mut connection, response) = tokio::join!(serve, ask(&site, &name, Method::GET, None));
    let mut body = response.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "some");
    drop(body);
    let end = tokio::time::timeout(std::time::Duration::from_secs(1), connection.read(&mut [0; 1])).await;
    assert_eq!(end.expect("the connection is closed").unwrap(), 0);
}
