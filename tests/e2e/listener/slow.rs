//! Slow peers (threat T22): they are closed in time, and nobody waits for them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::client::{self, Client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{Site, eventually, memory, refusal};

/// How many slow peers there are, if the files of both ends suffice.
const PEERS: usize = 4_000;
/// Kept for everything else that is open in this process.
const RESERVE: u64 = 1_000;

/// What slow peers begin with, and what they go on with, byte by byte, without an end to it.
const SLOW: [(&[u8], &[u8]); 5] = [
    (b"", b"xxxxxxxxxxxxxxxxxxxxxxxx"),
    (b"G", b"xxxxxxxxxxxxxxxxxxxxxxxx"),
    (b"GET /v2/ HTTP/1.1\r\nhost: a\r\nx: ", b"xxxxxxxxxxxxxxxxxxxxxxxx"),
    (b"PRI * HT", b"TP/2.0\r\n\r\nSM\r\n"),
    WHOLE,
];

/// These ask once, and then for nothing more.
const WHOLE: (&[u8], &[u8]) = (b"GET /v2/ HTTP/1.1\r\nhost: a\r\n\r\n", b"");

/// Raises the limit of open files, and says for how many peers it suffices.
fn peers() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("the limit may be raised so far");
    let files = limit.maximum.unwrap_or(u64::MAX).saturating_sub(RESERVE);
    PEERS.min(usize::try_from(files / 2).unwrap_or(PEERS))
}

/// Sends bytes one by one for as long as they are taken, and waits for the end. What came of it all.
async fn drip(address: SocketAddr, (start, more): (&'static [u8], &'static [u8])) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(start).await.expect("it reads");
    let mut answer = Vec::new();
    let (mut reading, mut writing) = stream.split();
    let drip = async {
        for byte in more {
            sleep(Duration::from_millis(300)).await;
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // A reset is an end as well.
        _ended = reading.read_to_end(&mut answer) => answer,
        () = drip => answer,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t22_slow_peers_are_reaped_and_others_are_served_meanwhile() {
    let site =
        Site::configured("[server]\nheader_timeout = \"2s\"\nmax_connections_per_peer = 10000\n", &[]).await;
    let (address, peers, before) = (site.onetag.address(), peers(), memory(&site.onetag));
    let started = Instant::now();
    let mut slow = Vec::new();
    for n in 0..peers {
        slow.push(tokio::spawn(drip(address, SLOW[n % SLOW.len()])));
        if n % 100 == 99 {
            // The backlog is shorter than all of them.
            tokio::task::yield_now().await;
        }
    }
    let (mut others, mut longest) = (0, Duration::ZERO);
    while !slow.iter().all(tokio::task::JoinHandle::is_finished) {
        let asked = Instant::now();
        assert_eq!(site.get("/v2/", &[]).await.status, 200);
        longest = longest.max(asked.elapsed());
        others += 1;
        assert!(started.elapsed() < Duration::from_secs(30), "they are not reaped");
        sleep(Duration::from_millis(20)).await;
    }
    let took = started.elapsed();
    let grown = memory(&site.onetag).saturating_sub(before);
    for (n, ended) in slow.into_iter().enumerate() {
        let answer = ended.await.expect("no panic");
        let was_answered = answer.starts_with(b"HTTP/1.1 200 ");
        assert_eq!(was_answered, SLOW[n % SLOW.len()] == WHOLE, "{}", String::from_utf8_lossy(&answer));
    }
    println!(
        "slow peers: {peers} reaped in {took:?}; others: {others} answers, the slowest in {longest:?}; {} KiB more",
        grown >> 10
    );
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert!(grown < peers * (32 << 10), "{grown} bytes");
    let metrics = format!("{}/metrics", site.onetag.admin_url());
    eventually("all places are free", || async {
        client::get(&metrics, &[]).await.expect("it answers").text().contains("\nonetag_connections 0\n")
    })
    .await;
}

#[tokio::test]
async fn t22_a_body_that_stalls_is_given_up() {
    let settings = "[server]\nstall_timeout = \"1s\"\n[webhook]\ntoken = \"correct-horse-battery\"\n";
    let site = Site::configured(settings, &[]).await;
    let head = "POST /onetag/notifications HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\
                authorization: Bearer correct-horse-battery\r\n\r\n{\"events\":";
    let started = Instant::now();
    let mut stream = client::send_raw(site.onetag.address(), head.as_bytes()).await.expect("it listens");
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    read.expect("it is closed in time").expect("without a reset");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("the client sends nothing of the request"), "{answer}");
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn t22_a_body_that_comes_slowly_is_waited_for() {
    let settings = "[server]\nstall_timeout = \"1s\"\n[webhook]\ntoken = \"correct-horse-battery\"\n";
    let site = Site::configured(settings, &[]).await;
    let head = "POST /onetag/notifications HTTP/1.1\r\nhost: a\r\ncontent-length: 13\r\nconnection: close\r\n\
                authorization: Bearer correct-horse-battery\r\n\r\n";
    let mut stream = client::send_raw(site.onetag.address(), head.as_bytes()).await.expect("it listens");
    for piece in ["{\"eve", "nts\"", ":[]}"] {
        sleep(Duration::from_millis(600)).await;
        stream.write_all(piece.as_bytes()).await.expect("it reads");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn t22_a_request_has_64_headers_and_no_more() {
    let site = Site::start(&[]).await;
    // The client adds `host` and nothing else.
    let headers: Vec<_> = (0..64).map(|n| format!("x-{n}")).collect();
    let headers: Vec<_> = headers.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(site.get("/v2/", &headers[..63]).await.status, 200);
    assert_eq!(site.get("/v2/", &headers).await.status, 431);
}

#[tokio::test]
async fn t22_a_connection_that_asks_for_nothing_more_is_closed() {
    let site = Site::configured("[server]\nheader_timeout = \"500ms\"\n", &[]).await;
    let idle = (0..20).map(|_| async {
        let mut connection = Client::plain().connect(site.onetag.url()).await.expect("it listens");
        let (status, _, _) =
            refusal(&connection.request("GET", &site.url("/"), &[], "").await.expect("an answer"));
        assert_eq!(status, 404);
        connection
    });
    let mut idle = join_all(idle).await;
    sleep(Duration::from_millis(200)).await;
    for connection in &mut idle {
        assert_eq!(
            connection.request("GET", &site.url("/v2/"), &[], "").await.expect("an answer").status,
            200
        );
    }
    sleep(Duration::from_secs(2)).await;
    for connection in &mut idle {
        assert!(connection.request("GET", &site.url("/v2/"), &[], "").await.is_err(), "it is still open");
    }
}
