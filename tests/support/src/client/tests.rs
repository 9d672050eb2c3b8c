//! The client sends what it is told to, as it is told to.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Body, Client, Error, request};
use crate::registry::Registry;

const PAUSE: Duration = Duration::from_millis(50);

/// A listener that answers 204 once `end` has come and returns all that came.
async fn peer(end: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) || end.is_empty() {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
        let _gone = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        String::from_utf8(bytes).unwrap()
    });
    (url, heard)
}

#[tokio::test]
async fn pieces_go_out_as_chunks_with_pauses_between() {
    let (url, heard) = peer("0\r\n\r\n").await;
    let start = Instant::now();
    request("PATCH", &url, &[], Body::pieces(["one", "three"], PAUSE)).await.unwrap();
    assert!(start.elapsed() >= PAUSE);
    let heard = heard.await.unwrap();
    assert!(heard.contains("transfer-encoding: chunked\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn pieces_with_a_named_length_are_not_chunked() {
    let (url, heard) = peer("onethree").await;
    request("PUT", &url, &[("content-length", "8")], Body::pieces(["one", "three"], PAUSE)).await.unwrap();
    let heard = heard.await.unwrap();
    assert!(!heard.contains("transfer-encoding") && heard.ends_with("\r\n\r\nonethree"), "{heard}");
}

#[tokio::test]
async fn a_broken_body_ends_the_connection() {
    let (url, heard) = peer("").await;
    let headers = [("content-length", "8")];
    let outcome = request("PUT", &url, &headers, Body::broken(["one"], PAUSE)).await;
    assert!(matches!(outcome, Err(Error::Exchange(_))));
    assert!(heard.await.unwrap().ends_with("\r\n\r\none"));
}

#[tokio::test]
async fn http2_is_spoken_without_asking_first() {
    let (url, heard) = peer("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let client = Client::plain().http2().timeout(Duration::from_secs(1));
    assert!(client.get(&url, &[]).await.is_err(), "the peer answers in HTTP/1.1");
    assert!(heard.await.unwrap().starts_with("PRI * HTTP/2.0\r\n"));
    let registry = Registry::start().await;
    assert!(!Client::plain().negotiating().connect(&registry.url()).await.unwrap().is_http2());
}
