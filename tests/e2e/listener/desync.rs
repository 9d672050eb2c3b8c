//! Requests that two servers could read in two ways (threat T9): each gets one right answer or the connection
//! ends, and nothing reaches the registry that nobody asked for.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use testkit::image::media_type::DOCKER_LIST;
use testkit::{client, sha256};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::support::{Legacy, REPOSITORY, Site, manifest_path, served_as};

/// A request that no client of these sends by itself. It would be answered 200, from the registry.
const SMUGGLED: &str = "GET /v2/team/smuggled/manifests/latest HTTP/1.1\r\nhost: a\r\n\r\n";

/// The statuses that each request of a connection may get, in their order. Fewer answers mean that the connection
/// was closed.
type Expected = &'static [&'static [u16]];

const OK: &[u16] = &[200];
const BAD: &[u16] = &[400];
const NOT_ALLOWED: &[u16] = &[403, 405];
const ABSENT: &[u16] = &[404];

/// What is sent on a connection of its own, and what may come back.
struct Case {
    sent: String,
    expected: Expected,
    /// How many answers there must be: a connection that is closed at once is safe, and of no use.
    at_least: usize,
}

fn case(expected: Expected, at_least: usize, sent: impl Into<String>) -> Case {
    Case { sent: sent.into(), expected, at_least }
}

/// A request with these lines of headers, and all that follows them.
fn request(line: &str, headers: &str, rest: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: a\r\n{headers}\r\n{rest}")
}

fn ping() -> String {
    request("GET /v2/", "", "")
}

fn corpus() -> Vec<Case> {
    [lengths(), codings(), lines(), targets(), bodies(), tunnels()].into_iter().flatten().collect()
}

/// Lengths that contradict each other or themselves.
fn lengths() -> Vec<Case> {
    let length = SMUGGLED.len();
    let bad = |headers: &str| case(&[BAD], 1, request("POST /v2/", headers, SMUGGLED));
    vec![
        bad(&format!("content-length: 0\r\ncontent-length: {length}\r\n")),
        bad(&format!("content-length: {length}\r\ncontent-length: 0\r\n")),
        bad(&format!("content-length: 0, {length}\r\n")),
        bad(&format!("content-length: +{length}\r\n")),
        bad(&format!("content-length: -{length}\r\n")),
        bad(&format!("content-length: 0x{length:x}\r\n")),
        bad("content-length: 1e2\r\n"),
        bad("content-length: \r\n"),
        bad("content-length: 18446744073709551616\r\n"),
        case(&[BAD], 1, request("GET /v2/", "content-length : 0\r\n", SMUGGLED)),
        case(&[NOT_ALLOWED, OK], 1, request("POST /v2/", "content-length: 00\r\n", &ping())),
    ]
}

/// Both ways to tell where a body ends, or an odd form of the second one.
fn codings() -> Vec<Case> {
    let length = SMUGGLED.len();
    let chunked = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    let hidden = format!("0\r\n\r\n{SMUGGLED}");
    let with = |headers: &str, body: &str| request("POST /v2/", headers, body);
    let get = |headers: &str, body: &str| request("GET /v2/", headers, body);
    let first_of: Expected = &[&[400, 405]];
    vec![
        case(
            first_of,
            1,
            with(&format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", hidden.len()), &hidden),
        ),
        case(
            first_of,
            1,
            with(&format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", hidden.len()), &hidden),
        ),
        case(first_of, 1, with("content-length: 4\r\ntransfer-encoding: chunked\r\n", &chunked)),
        case(first_of, 1, with("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", &hidden)),
        case(first_of, 1, with("transfer-encoding: identity, chunked\r\n", &chunked)),
        case(first_of, 1, with("transfer-encoding: chunked, identity\r\n", &hidden)),
        case(first_of, 1, with("transfer-encoding: xchunked\r\n", &hidden)),
        case(first_of, 1, with("transfer-encoding: \x0bchunked\r\n", &hidden)),
        case(first_of, 1, with("transfer-encoding : chunked\r\n", &hidden)),
        case(first_of, 1, with("transfer-encoding: CHUNKED\r\n", &chunked)),
        case(first_of, 1, with("transfer-encoding:\tchunked\r\n", &chunked)),
        case(&[&[200, 400]], 1, get("transfer-encoding: chunked\r\n", &chunked)),
        case(
            &[&[200, 400]],
            1,
            get("transfer-encoding: chunked\r\n", &format!("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n{SMUGGLED}")),
        ),
        case(
            &[&[200, 400]],
            1,
            get("transfer-encoding: chunked\r\n", &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(40_000))),
        ),
        case(
            &[&[200, 400]],
            1,
            get("transfer-encoding: chunked\r\n", &format!("5;a\nhello\r\n0\r\n\r\n{SMUGGLED}")),
        ),
        case(
            &[&[200, 400]],
            1,
            get("transfer-encoding: chunked\r\n", &format!("05\r\nhello\r\n0\r\nx: y\r\n\r\n{SMUGGLED}")),
        ),
        case(
            &[&[200, 400]],
            1,
            get("transfer-encoding: chunked\r\n", &format!("ffffffffffffffff1\r\n{SMUGGLED}")),
        ),
        case(&[&[200, 400]], 1, get("transfer-encoding: chunked\r\n", &format!("-1\r\n{SMUGGLED}"))),
        case(&[&[200, 400]], 1, get("transfer-encoding: chunked\r\n", &format!("0x5\r\n{SMUGGLED}"))),
        case(
            &[&[200, 400]],
            1,
            "GET /v2/ HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()
                + SMUGGLED,
        ),
    ]
}

/// Ends of lines, folds and spaces.
fn lines() -> Vec<Case> {
    vec![
        case(&[&[200, 400], OK], 1, format!("GET /v2/ HTTP/1.1\nhost: a\n\n{}", ping())),
        case(&[&[200, 400]], 0, "GET /v2/ HTTP/1.1\rhost: a\r\r"),
        case(&[BAD], 1, request("GET /v2/", "x: a\r\n content-length: 10\r\n", SMUGGLED)),
        case(&[BAD], 1, request("GET /v2/", "x: a\r\n\ttransfer-encoding: chunked\r\n", SMUGGLED)),
        case(&[BAD], 1, request("GET /v2/", " x: a\r\n", "")),
        case(&[BAD], 1, request("GET /v2/", "x: a\0b\r\n", "")),
        case(&[BAD], 1, request("GET /v2/", "x y: a\r\n", "")),
        case(&[BAD], 1, request("GET /v2/", ": a\r\n", "")),
        case(&[BAD], 1, request("GET /v2/", "x\r\n", "")),
        case(&[&[200, 400]], 1, request("GET /v2/", "x: a\rcontent-length: 10\r\n", "")),
        case(&[OK, OK], 2, format!("\r\n\r\n{}\r\n{}", ping(), ping())),
        case(&[BAD], 1, format!("GET  /v2/ HTTP/1.1\r\nhost: a\r\n\r\n{SMUGGLED}")),
        case(&[BAD], 1, format!("GET /v2/ HTTP/1.1 x\r\nhost: a\r\n\r\n{SMUGGLED}")),
        case(&[BAD], 1, format!("GET /v2/\r\nhost: a\r\n\r\n{SMUGGLED}")),
        case(&[BAD], 1, format!("GET /v2/ HTTP/9.9\r\nhost: a\r\n\r\n{SMUGGLED}")),
        case(&[NOT_ALLOWED, OK], 2, request("get /v2/", "", &ping())),
        case(&[NOT_ALLOWED, OK], 2, request("G:T /v2/", "", "").replace("G:T", "G!T") + &ping()),
        case(&[BAD], 1, request("G(T /v2/", "", SMUGGLED)),
    ]
}

/// Other forms of a target than a path.
fn targets() -> Vec<Case> {
    vec![
        case(&[OK, OK], 2, request("GET http://a/v2/", "", &ping())),
        case(&[OK, OK], 2, request("GET http://elsewhere.invalid/v2/", "", &ping())),
        case(&[&[400, 404], OK], 1, request("GET //elsewhere.invalid/v2/", "", &ping())),
        case(&[&[400, 404], OK], 1, request("GET elsewhere.invalid/v2/", "", &ping())),
        case(&[&[400, 404, 405], OK], 1, request("OPTIONS *", "", &ping())),
        case(&[&[400, 404], OK], 1, request("GET *", "", &ping())),
        case(&[&[400, 404], OK], 1, request("GET /v2/team/app/manifests/latest%0d%0aGET%20/", "", &ping())),
        case(&[&[200, 400], OK], 1, request("GET /v2/#x", "", &ping())),
        case(&[&[200, 400], OK], 1, request("GET /v2/", "host: b\r\n", &ping())),
        case(&[&[200, 400], OK], 1, format!("GET /v2/ HTTP/1.1\r\n\r\n{}", ping())),
    ]
}

/// Bodies that hide a request, where no body belongs, and after answers that read none.
fn bodies() -> Vec<Case> {
    let length = format!("content-length: {}\r\n", SMUGGLED.len());
    let hiding = |line: &str| request(line, &length, SMUGGLED) + &ping();
    let large = request(
        "GET /v2/",
        &format!("content-length: {}\r\n", 4 << 20),
        &SMUGGLED.repeat((4 << 20) / SMUGGLED.len()),
    );
    vec![
        case(&[OK, OK], 1, hiding("GET /v2/")),
        case(&[ABSENT, OK], 1, hiding("GET /nowhere")),
        case(&[ABSENT, OK], 1, hiding("GET /v2/team/app/manifests/absent")),
        case(&[&[400, 404], OK], 1, hiding("GET /v2/Team/manifests/latest")),
        case(&[NOT_ALLOWED, OK], 1, hiding("PUT /v2/team/app/manifests/latest")),
        case(&[NOT_ALLOWED, OK], 1, hiding("DELETE /v2/team/app/manifests/latest")),
        case(&[NOT_ALLOWED, OK], 1, hiding("BREW /v2/")),
        case(&[OK], 0, large),
        case(&[OK], 1, request("GET /v2/", "expect: 100-continue\r\ncontent-length: 4\r\n", "")),
        case(&[OK, OK], 2, ping().repeat(2)),
        case(&[OK, NOT_ALLOWED, OK], 1, ping() + &hiding("PATCH /v2/")),
        case(&[OK], 1, request("GET /v2/", "connection: close\r\n", SMUGGLED)),
        case(&[OK], 1, "GET /v2/ HTTP/1.0\r\nhost: a\r\n\r\n".to_owned() + SMUGGLED),
    ]
}

/// Requests for another protocol, or for a way through.
fn tunnels() -> Vec<Case> {
    let upgrade = |to: &str| {
        format!(
            "connection: upgrade, http2-settings\r\nupgrade: {to}\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
        )
    };
    vec![
        case(&[&[404, 405]], 1, request("CONNECT elsewhere.invalid:443", "", SMUGGLED)),
        case(
            &[&[404, 405]],
            1,
            request(
                "CONNECT elsewhere.invalid:443",
                &format!("content-length: {}\r\n", SMUGGLED.len()),
                SMUGGLED,
            ),
        ),
        case(&[&[400, 404, 405]], 1, request("CONNECT /v2/", "", SMUGGLED)),
        case(&[OK, OK], 1, request("GET /v2/", &upgrade("h2c"), &ping())),
        case(&[OK, BAD], 1, request("GET /v2/", &upgrade("h2c"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        case(&[OK, OK], 1, request("GET /v2/", &upgrade("websocket"), &ping())),
        case(&[OK, OK], 1, request("GET /v2/", &upgrade("TLS/1.0"), &ping())),
    ]
}

/// All that comes until the connection is closed, which must be soon, and whether that was by a reset, which may
/// take part of the answers with it.
async fn exchange(address: SocketAddr, sent: &str) -> (Vec<u8>, bool) {
    let mut stream = client::send_raw(address, b"").await.expect("it listens");
    let (mut reading, mut writing) = stream.split();
    let mut answers = Vec::new();
    let write = tokio::io::AsyncWriteExt::write_all(&mut writing, sent.as_bytes());
    let both = async { tokio::join!(write, reading.read_to_end(&mut answers)).1 };
    let ended = timeout(Duration::from_secs(10), both).await;
    let was_reset = ended.unwrap_or_else(|_| panic!("still open after: {}", cut(sent))).is_err();
    (answers, was_reset)
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect::<String>().escape_debug().to_string()
}

/// The statuses of answers that follow each other without a gap. All have a length.
fn statuses(mut answers: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !answers.is_empty() {
        let end = answers.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {}", cut(&String::from_utf8_lossy(answers)))) + 4;
        let head = String::from_utf8_lossy(&answers[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1."), "no answer begins here: {}", cut(&head));
        let status = head[9..12].parse().expect("a status");
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        assert!(answers.len() >= end + length, "cut short: {}", cut(&head));
        if status != 100 {
            statuses.push(status);
        }
        answers = &answers[end + length..];
    }
    statuses
}

async fn check(address: SocketAddr, case: Case) -> usize {
    let (answers, was_reset) = exchange(address, &case.sent).await;
    let statuses = statuses(&answers);
    let sent = cut(&case.sent);
    assert!(statuses.len() <= case.expected.len(), "{statuses:?} to {sent}");
    assert!(was_reset || statuses.len() >= case.at_least, "{statuses:?} to {sent}");
    for (status, allowed) in statuses.iter().zip(case.expected) {
        // A refusal is right anywhere, if it is the last word.
        let last = statuses.last() == Some(status) && matches!(status, 400 | 431);
        assert!(allowed.contains(status) || last, "{statuses:?} to {sent}");
    }
    statuses.len()
}

#[tokio::test]
async fn t9_no_request_is_read_in_two_ways() {
    let site = Site::configured("[server]\nheader_timeout = \"1s\"\n", &[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    site.registry.push("team/smuggled", "latest", &legacy.amd64);
    let (address, corpus) = (site.onetag.address(), corpus());
    let cases = corpus.len();
    let answers: usize = join_all(corpus.into_iter().map(|case| check(address, case))).await.iter().sum();
    let asked = site.registry.requests();
    println!("desync: connections={cases} answers={answers} upstream={}", asked.len());
    // One case asks for a tag that is not there: this alone leads to the registry, for its members and for the list.
    let absent = manifest_path("absent");
    let list = format!("/v2/{REPOSITORY}/tags/list");
    for request in &asked {
        assert!(request.path.starts_with(&absent) || request.path == list, "{request:?}");
    }
    assert!(!asked.is_empty());
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn t9_what_would_be_smuggled_is_served_when_it_is_asked_for() {
    let site = Site::start(&[]).await;
    let image = Legacy::docker().amd64;
    site.registry.push("team/smuggled", "latest", &image);
    let asked = SMUGGLED.replace("host: a", "host: a\r\nconnection: close");
    let (answers, _) = exchange(site.onetag.address(), &asked).await;
    assert_eq!(statuses(&answers), [200]);
    assert_eq!(site.get(&manifest_path(&sha256(&image.manifest)), &[]).await.status, 404);
    assert!(site.registry.count(|request| request.path.starts_with("/v2/team/smuggled/")) > 0);
}
