//! By which name onetag is called, over all forms that HTTP has for it (threat T14).

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::client::send_raw;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::{REPOSITORY, Three};

const SETTINGS: &str = "[server]\nhosts = [\"onetag.example\", \"onetag.example:8443\", \"[::1]\"]\n";

/// The status and the body that come for a target over HTTP/2.
async fn over_http2(three: &Three, uri: &str, host: Option<&str>) -> (u16, Bytes) {
    let stream = TcpStream::connect(three.onetag.address()).await.expect("it works");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("it works");
    let driver = tokio::spawn(connection);
    let mut request = http::Request::get(uri);
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let response =
        sender.send_request(request.body(Empty::<Bytes>::new()).expect("it works")).await.expect("it works");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("it works").to_bytes();
    driver.abort();
    (status, body)
}

#[tokio::test]
async fn t14_the_authority_of_http2_says_which_registry_is_meant() {
    let three = Three::start(SETTINGS).await;
    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    for (authority, which) in [("onetag.example", 0), ("two.onetag.example", 2), ("TWO.onetag.example:1", 2)]
    {
        let (status, body) = over_http2(&three, &format!("http://{authority}{path}"), None).await;
        // Without an Accept it is the amd64 image or the index.
        assert_eq!(status, 200, "{authority}");
        let legacy = &three.legacies[which];
        assert!(body == legacy.amd64.manifest || body == legacy.merged(), "{authority}");
        let (status, again) =
            over_http2(&three, &format!("http://{authority}{path}"), Some("evil.example")).await;
        assert_eq!((status, &again), (200, &body), "Host does not count beside it");
    }
    let dialled = three.registries.each_ref().map(|registry| registry.requests().len());
    for authority in ["evil.example", "one.example", "onetag.example.evil.example", "127.0.0.1"] {
        let (status, _) =
            over_http2(&three, &format!("http://{authority}{path}"), Some("onetag.example")).await;
        assert_eq!(status, 421, "{authority}");
    }
    assert_eq!(three.registries.each_ref().map(|registry| registry.requests().len()), dialled);
}

#[tokio::test]
async fn t14_no_form_of_a_host_leads_astray() {
    let three = Three::start(SETTINGS).await;
    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    for (target, hosts, status) in [
        ("", "host: onetag.example\r\n", "200"),
        ("", "host: onetag.example:8443\r\n", "200"),
        ("", "host: [::1]:5080\r\n", "200"),
        ("", "host:\tonetag.example \r\n", "200"),
        ("", "host: onetag.example.\r\n", "421"),
        ("", "host: xonetag.example\r\n", "421"),
        ("", "host: one.example\r\n", "421"),
        ("", "host: [::2]\r\n", "421"),
        ("", "host: \r\n", "400"),
        ("", "host: onetag.example, evil.example\r\n", "400"),
        ("", "host: onetag.example/evil\r\n", "400"),
        ("", "host: onetag.example:\r\n", "400"),
        ("", "host: onetag.example:99999\r\n", "400"),
        ("", "host: onetag.example\r\nhost: onetag.example\r\n", "400"),
        ("", "host: onetag.example\x00\r\n", "400"),
        ("", "host: \u{fc}.example\r\n", "400"),
        ("", "x-forwarded-host: onetag.example\r\n", "400"),
        ("", "host: evil.example\r\nx-forwarded-host: onetag.example\r\n", "421"),
        ("http://two.onetag.example", "host: onetag.example\r\n", "200"),
        ("https://evil.example", "host: onetag.example\r\n", "421"),
        ("http://onetag.example@evil.example", "host: onetag.example\r\n", "400"),
        ("http://evil.example", "host: onetag.example\r\nhost: evil.example\r\n", "400"),
    ] {
        let request = format!("GET {target}{path} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        let mut stream = send_raw(three.onetag.address(), request.as_bytes()).await.expect("it works");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it works");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{target} {hosts:?}: {answer}");
        let own = three.registries.each_ref().map(|registry| registry.address().to_string());
        for (registry, own) in three.registries.iter().zip(&own) {
            assert!(registry.requests().iter().all(|request| request.host == *own));
        }
    }
    assert_eq!(three.registries[1].requests().len(), 0);
    assert!(!three.registries[2].requests().is_empty(), "the absolute target counts");
}
