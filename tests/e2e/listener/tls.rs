//! TLS, who may come, and those who speak the other protocol.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use onetag::server::{ClientAuth, Limits, ListenerTls};
use rustls::HandshakeKind;
use testkit::Authority;
use testkit::image::media_type::DOCKER_LIST;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::certificates::{HTTP1, HTTP2, connector, get, handshake};
use super::house::{House, LIMITS};
use crate::support::{Legacy, Site, eventually, manifest_path, served_as};

/// The TLS of a server that trusts the clients of an authority.
fn tls(
    directory: &Path,
    authority: &Authority,
    clients: Option<&Authority>,
    auth: ClientAuth,
) -> ListenerTls {
    let (certificate, key) = authority.server_identity().write(directory, "server");
    let ca = clients.map(|clients| clients.write_ca(directory));
    ListenerTls::load(&certificate, &key, ca.as_deref(), auth).expect("fit files")
}

async fn house(authority: &Authority, clients: Option<&Authority>, auth: ClientAuth) -> House {
    let directory = tempfile::tempdir().expect("a directory");
    House::start(LIMITS, Some(tls(directory.path(), authority, clients, auth))).await
}

#[tokio::test]
async fn a_merged_tag_is_served_over_tls_by_http1_and_http2() {
    let authority = Authority::new();
    let house = house(&authority, None, ClientAuth::None).await;
    let legacy = Legacy::docker();
    legacy.push(&house.registry, "latest");
    for protocol in [HTTP1, HTTP2] {
        let connector = connector(&authority, None, protocol);
        let response = get(&connector, house.address, &manifest_path("latest")).await.expect("an answer");
        served_as(&response, DOCKER_LIST, legacy.merged());
    }
}

#[tokio::test]
async fn clients_are_let_in_by_their_certificates() {
    let (authority, ours, theirs) = (Authority::new(), Authority::new(), Authority::new());
    let (ours_shown, theirs_shown) = (ours.client_identity("a"), theirs.client_identity("b"));
    let served = async |auth, identity| {
        let house = house(&authority, Some(&ours), auth).await;
        let mut outcomes = Vec::new();
        for protocol in [HTTP1, HTTP2] {
            let connector = connector(&authority, identity, protocol);
            // In TLS 1.3 a client learns with its first answer that it was refused.
            let got = get(&connector, house.address, "/v2/").await;
            outcomes.push(got.is_ok_and(|response| response.status == 200));
        }
        assert_eq!(outcomes[0], outcomes[1]);
        assert_eq!(house.counts(r#"connections_closed_total{reason="handshake"} 2"#), !outcomes[0]);
        outcomes[0]
    };
    assert!(served(ClientAuth::Required, Some(&ours_shown)).await);
    assert!(!served(ClientAuth::Required, Some(&theirs_shown)).await);
    assert!(!served(ClientAuth::Required, None).await);
    assert!(served(ClientAuth::Optional, Some(&ours_shown)).await);
    assert!(!served(ClientAuth::Optional, Some(&theirs_shown)).await);
    assert!(served(ClientAuth::Optional, None).await);
    assert!(served(ClientAuth::None, None).await);
}

#[tokio::test]
async fn sessions_are_resumed_unless_clients_are_verified() {
    let authority = Authority::new();
    for (auth, expected) in
        [(ClientAuth::None, HandshakeKind::Resumed), (ClientAuth::Required, HandshakeKind::Full)]
    {
        let house = house(&authority, Some(&authority), auth).await;
        let connector = connector(&authority, Some(&authority.client_identity("a")), HTTP1);
        // The ticket comes with the first answer.
        assert_eq!(get(&connector, house.address, "/v2/").await.expect("an answer").status, 200);
        let stream = handshake(&connector, house.address).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected));
    }
}

/// All that comes until the peer closes. What is sent goes in parts: those after the answer are read, too, or
/// the connection would be reset.
async fn answer(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    stream.write_all(first).await.expect("it reads");
    for part in second.chunks(second.len().div_ceil(3)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(part).await.expect("it reads on");
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it closes without a reset");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_to_use_https() {
    let authority = Authority::new();
    let house = house(&authority, None, ClientAuth::None).await;
    let large = format!("GET /v2/ HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(8 << 10));
    for request in ["GET /v2/ HTTP/1.1\r\nhost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &large] {
        let told = answer(house.address, request.as_bytes()).await;
        assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
        assert!(told.ends_with("\r\n\r\nThis port speaks TLS; use https://.\r\n"), "{told}");
    }
    let counted = r#"connections_closed_total{reason="plain_on_tls"} 3"#;
    eventually(counted, || async { house.counts(counted) }).await;
    assert_eq!(house.registry.requests().len(), 0);
}

#[tokio::test]
async fn tls_on_a_plain_port_is_told_to_use_http() {
    let site = Site::start(&[]).await;
    // A ClientHello that is larger than what is read of it at first.
    let hello = [&[0x16, 3, 1, 0x20, 0xf8, 1, 0, 0x20, 0xf4, 3, 3][..], &[0x5a; 8 << 10]].concat();
    let told = answer(site.onetag.address(), &hello).await;
    assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
    assert!(told.ends_with("\r\n\r\nThis port speaks plain HTTP; use http://.\r\n"), "{told}");
    let error = handshake(&connector(&Authority::new(), None, HTTP1), site.onetag.address()).await;
    assert!(error.is_err());
    assert_eq!(site.get("/v2/", &[]).await.status, 200);
}

#[tokio::test]
async fn a_client_that_sends_half_a_greeting_is_closed_and_nobody_waits_for_it() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a directory");
    let limits = Limits { header_timeout: Duration::from_millis(500), ..LIMITS };
    let files = tls(directory.path(), &authority, None, ClientAuth::None);
    let house = House::start(limits, Some(files)).await;
    let mut silent = Vec::new();
    for start in [&b""[..], &[0x16], &[0x16, 3, 1, 0x20, 0xf8, 1, 0, 0x20, 0xf4]] {
        let mut stream = TcpStream::connect(house.address).await.expect("it listens");
        stream.write_all(start).await.expect("it reads");
        silent.push(stream);
    }
    let connector = connector(&authority, None, HTTP1);
    assert_eq!(get(&connector, house.address, "/v2/").await.expect("an answer").status, 200);
    for mut stream in silent {
        let closed = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await;
        let _end_or_reset = closed.expect("it is closed in time");
    }
    let counted = r#"connections_closed_total{reason="no_request"} 3"#;
    eventually(counted, || async { house.counts(counted) }).await;
}
