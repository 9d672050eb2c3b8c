//! Places of one peer (threat T22).

use std::net::SocketAddr;
use std::time::Duration;

use onetag::server::Limits;
use testkit::client;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::house::{House, LIMITS};
use crate::support::eventually;

/// A connection from another address of the loopback network.
async fn from(source: &str, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{source}:0").parse().expect("an address")).expect("an address of loopback");
    socket.connect(address).await.expect("it listens")
}

/// Whether a connection was closed at once.
async fn closed(stream: &mut TcpStream) -> bool {
    timeout(Duration::from_millis(500), stream.read(&mut [0; 1])).await.is_ok()
}

#[tokio::test]
async fn t22_one_peer_does_not_take_the_places_of_others() {
    let house = House::start(Limits { max_connections_per_peer: 4, ..LIMITS }, None).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(from("127.0.0.2", house.address).await);
    }
    eventually("four are open", || async { house.counts("connections 4") }).await;
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(closed(&mut from("127.0.0.2", house.address).await).await);
    }
    assert_eq!(refused, 20);
    assert!(house.counts(r#"connections_closed_total{reason="peer_limit"} 20"#));
    assert!(!closed(&mut held[0]).await, "what is open stays");
    let url = format!("http://{}/v2/", house.address);
    assert_eq!(client::get(&url, &[]).await.expect("others are served").status, 200);

    held.pop();
    eventually("the place is free", || async { house.counts("connections 3") }).await;
    assert!(!closed(&mut from("127.0.0.2", house.address).await).await);
}

#[tokio::test]
async fn t22_at_the_limit_clients_wait_and_are_served_when_a_place_is_free() {
    let house = House::start(Limits { max_connections: 3, ..LIMITS }, None).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(house.address).await.expect("it listens"));
    }
    eventually("all places are taken", || async { house.counts("connections 3") }).await;
    let url = format!("http://{}/v2/", house.address);
    let mut waiting = tokio::spawn(async move { client::get(&url, &[]).await });
    assert!(timeout(Duration::from_millis(300), &mut waiting).await.is_err(), "it waits");
    held.pop();
    assert_eq!(waiting.await.expect("no panic").expect("an answer").status, 200);
}
