//! Each fault does what it says.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;

use crate::client::{self, Client, Error, get, head};
use crate::image::sha256;
use crate::registry::{Fault, Match, Registry};
use crate::tls::Authority;

const CONTENT: &[u8] = b"0123456789";
const SOON: Duration = Duration::from_millis(100);

/// A registry with one blob and the blob's address.
async fn registry() -> (Registry, String) {
    let registry = Registry::start().await;
    let digest = registry.put_blob("app", CONTENT);
    let url = format!("{}/v2/app/blobs/{digest}", registry.url());
    (registry, url)
}

fn impatient() -> Client {
    Client::plain().timeout(SOON * 5)
}

#[tokio::test]
async fn a_delay_comes_before_the_true_answer() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::Delay(SOON));
    for method in ["GET", "HEAD"] {
        let start = Instant::now();
        assert_eq!(client::request(method, &url, &[], "").await.unwrap().status, 200);
        assert!(start.elapsed() >= SOON);
    }
}

#[tokio::test]
async fn stalled_headers_never_come() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::StallHeaders);
    assert!(matches!(impatient().get(&url, &[]).await, Err(Error::TimedOut)));
    assert!(matches!(impatient().head(&url, &[]).await, Err(Error::TimedOut)));
    assert_eq!(registry.count(|request| request.status == 0), 2);
}

#[tokio::test]
async fn a_stalled_body_stops_after_so_many_bytes_and_stays_open() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::StallBody { after: 4 });
    let Err(Error::Body { partial, cause }) = impatient().get(&url, &[]).await else {
        panic!("a whole body")
    };
    assert_eq!((partial.text().as_str(), partial.header("content-length")), ("0123", Some("10")));
    assert_eq!(cause, "the rest did not come in time");
    assert_eq!(head(&url, &[]).await.unwrap().header("content-length"), Some("10"));
}

#[tokio::test]
async fn a_cut_body_ends_after_exactly_so_many_bytes() {
    let (registry, url) = registry().await;
    for after in [0, 4, 9] {
        registry.heal();
        registry.fail(Match::all(), Fault::Cut { after });
        let Err(Error::Body { partial, cause }) = get(&url, &[]).await else { panic!("a whole body") };
        assert_eq!(partial.body, CONTENT[..after], "{cause}");
        assert_eq!(partial.header("content-length"), Some("10"));
        assert!(!cause.contains("in time"), "closed, not stalled: {cause}");
    }
    registry.heal();
    registry.fail(Match::all(), Fault::Cut { after: 10 });
    assert_eq!(get(&url, &[]).await.unwrap().body, CONTENT);
}

#[tokio::test]
async fn a_large_body_is_cut_where_it_says_even_over_tls() {
    let authority = Authority::new();
    let registry = Registry::builder().tls(&authority).start().await;
    let content: Vec<u8> = (0_u8..=255).cycle().take(8 << 20).collect();
    let digest = registry.put_blob("app", &content);
    let after = (5 << 20) + 17;
    registry.fail(Match::blob(&digest), Fault::Cut { after });
    let client = Client::trusting(&authority.ca_pem());
    let outcome = client.get(&format!("{}/v2/app/blobs/{digest}", registry.url()), &[]).await;
    let Err(Error::Body { partial, .. }) = outcome else { panic!("a whole body") };
    assert_eq!(partial.body.len(), after);
    assert!(partial.body == content[..after]);
}

#[tokio::test]
async fn a_dripping_body_takes_its_time() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::Drip { bytes: 4, every: SOON / 2 });
    let start = Instant::now();
    assert_eq!(get(&url, &[]).await.unwrap().body, CONTENT);
    assert!(start.elapsed() >= SOON * 3 / 2);
}

#[tokio::test]
async fn a_reset_is_one_and_no_polite_end() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::Reset);
    assert!(matches!(get(&url, &[]).await, Err(Error::Exchange(_))));
    assert!(matches!(head(&url, &[]).await, Err(Error::Exchange(_))));
    let mut stream =
        client::send_raw(registry.address(), b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let end = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn garbage_comes_as_it_is_and_the_connection_ends() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::Garbage(b"\x16\x03not http\n".to_vec()));
    assert!(matches!(get(&url, &[]).await, Err(Error::Exchange(_))));
    let mut stream =
        client::send_raw(registry.address(), b"HEAD /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, b"\x16\x03not http\n");
}

#[tokio::test]
async fn a_scripted_status_replaces_the_answer() {
    let (registry, url) = registry().await;
    let headers = vec![("retry-after".to_owned(), "7".to_owned())];
    registry.fail(Match::all(), Fault::Status { code: 429, headers, body: b"slow down".to_vec() });
    let refused = get(&url, &[]).await.unwrap();
    assert_eq!(
        (refused.status, refused.header("retry-after"), refused.text().as_str()),
        (429, Some("7"), "slow down")
    );
    let refused = head(&url, &[]).await.unwrap();
    assert_eq!((refused.status, refused.header("content-length")), (429, Some("9")));
    assert_eq!(registry.count(|request| request.status == 429), 2);
}

#[tokio::test]
async fn headers_lie_or_are_missing() {
    let registry = Registry::start().await;
    registry.put_manifest("app", "latest", "application/x", "{}");
    let url = format!("{}/v2/app/manifests/latest", registry.url());
    for (fault, header, expected) in [
        (Fault::DigestHeader(Some(sha256("lie"))), "docker-content-digest", Some(sha256("lie"))),
        (Fault::DigestHeader(None), "docker-content-digest", None),
        (Fault::ContentType(Some("text/html".into())), "content-type", Some("text/html".into())),
        (Fault::ContentType(None), "content-type", None),
    ] {
        registry.fail_times(2, Match::manifest("app", "latest"), fault);
        for method in ["GET", "HEAD"] {
            let answer = client::request(method, &url, &[], "").await.unwrap();
            assert_eq!(
                (answer.status, answer.header(header)),
                (200, expected.as_deref()),
                "{method} {header}"
            );
        }
    }
    assert_eq!(get(&url, &[]).await.unwrap().header("content-type"), Some("application/x"));
}

#[tokio::test]
async fn other_bytes_come_with_the_true_headers() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::Body(b"forged".to_vec()));
    let forged = get(&url, &[]).await.unwrap();
    assert_eq!((forged.status, forged.text().as_str()), (200, "forged"));
    assert_eq!(forged.header("docker-content-digest"), Some(sha256(CONTENT).as_str()));
    assert_eq!(head(&url, &[]).await.unwrap().header("content-length"), Some("6"));
}

#[tokio::test]
async fn a_length_can_be_left_unsaid() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::NoContentLength);
    let chunked = get(&url, &[]).await.unwrap();
    assert_eq!(
        (chunked.header("content-length"), chunked.header("transfer-encoding")),
        (None, Some("chunked"))
    );
    assert_eq!(chunked.body, CONTENT);
    assert_eq!(head(&url, &[]).await.unwrap().header("content-length"), None);
}

#[tokio::test]
async fn an_endless_body_goes_on() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::Endless);
    let Err(Error::Body { partial, .. }) = impatient().get(&url, &[]).await else { panic!("it ended") };
    assert!(partial.body.starts_with(CONTENT));
    assert!(partial.body.len() > 1 << 20, "only {} bytes", partial.body.len());
}

#[tokio::test]
async fn a_redirect_goes_where_it_is_told() {
    let (registry, url) = registry().await;
    registry.fail(Match::all(), Fault::Redirect { to: "http://127.0.0.1:1/x".into(), code: 302 });
    for method in ["GET", "HEAD"] {
        let answer = client::request(method, &url, &[], "").await.unwrap();
        assert_eq!((answer.status, answer.header("location")), (302, Some("http://127.0.0.1:1/x")));
    }
}

#[tokio::test]
async fn only_matching_requests_fail() {
    let (registry, url) = registry().await;
    let digest = sha256(CONTENT);
    let ping = format!("{}/v2/", registry.url());
    for (matching, gets, heads, pings) in [
        (Match::all(), 500, 500, 500),
        (Match::blob(&digest), 500, 500, 200),
        (Match::blob(&digest).method("HEAD"), 200, 500, 200),
        (Match::all().path_contains("app/"), 500, 500, 200),
        (Match::manifest("app", &digest), 200, 200, 200),
        (Match::all().path("/v2/"), 200, 200, 500),
    ] {
        registry.heal();
        registry.fail(matching.clone(), Fault::status(500));
        let status = (
            get(&url, &[]).await.unwrap().status,
            head(&url, &[]).await.unwrap().status,
            get(&ping, &[]).await.unwrap().status,
        );
        assert_eq!(status, (gets, heads, pings), "{matching:?}");
    }
}

#[tokio::test]
async fn counted_faults_make_a_sequence_and_healing_ends_them() {
    let (registry, url) = registry().await;
    let first = registry.fail_times(2, Match::all(), Fault::status(503));
    let second = registry.fail_times(1, Match::all(), Fault::status(429));
    let third = registry.fail(Match::all(), Fault::status(500));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(get(&url, &[]).await.unwrap().status);
    }
    assert_eq!(seen, [503, 503, 429, 500]);
    assert_eq!([first, second, third].map(|fault| registry.hits(fault)), [2, 1, 1]);
    registry.heal_one(third);
    assert_eq!(get(&url, &[]).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_challenge_does_not_use_up_a_fault_of_the_answer() {
    let registry = Registry::builder().basic("u", "p").start().await;
    let digest = registry.put_blob("app", CONTENT);
    let url = format!("{}/v2/app/blobs/{digest}", registry.url());
    let fault = registry.fail_times(1, Match::blob(&digest), Fault::Body(b"forged".to_vec()));
    assert_eq!(get(&url, &[]).await.unwrap().status, 401);
    assert_eq!(registry.hits(fault), 0);
    let forged = get(&url, &[("authorization", "Basic dTpw")]).await.unwrap();
    assert_eq!(forged.text(), "forged");
    assert_eq!(registry.hits(fault), 1);
}

#[tokio::test]
async fn a_registry_goes_down_and_comes_back_at_its_address() {
    let (registry, url) = registry().await;
    let mut kept = Client::plain().connect(&url).await.unwrap();
    kept.request("GET", &url, &[], "").await.unwrap();
    registry.go_down().await;
    assert!(kept.request("GET", &url, &[], "").await.is_err());
    assert!(matches!(get(&url, &[]).await, Err(Error::Connect(_))));
    registry.come_back().await;
    assert_eq!(get(&url, &[]).await.unwrap().body, CONTENT);
}

#[tokio::test]
async fn a_dropped_registry_stops() {
    let (registry, url) = registry().await;
    drop(registry);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !matches!(get(&url, &[]).await, Err(Error::Connect(_))) {
        assert!(Instant::now() < deadline, "it still listens");
    }
}
