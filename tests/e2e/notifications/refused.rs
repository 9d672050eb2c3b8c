//! Notifications that are none, and senders that may not.

use std::time::{Duration, Instant};

use testkit::client::{self, send_raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::bodies::PUSHED;
use super::{BEARER, NOTIFIED, PATH, TOKEN, expired, known, notify};
use crate::support::{Legacy, REPOSITORY, Site, eventually, refusal, served_as, whole_log};

async fn counted(site: &Site, outcome: &str, value: usize) {
    let line = format!("onetag_notifications_total{{outcome=\"{outcome}\"}} {value}");
    let url = format!("{}/metrics", site.onetag.admin_url());
    let metrics = || async { client::get(&url, &[]).await.expect("metrics").text() };
    eventually(&line, || async { metrics().await.lines().any(|found| found == line) }).await;
}

#[tokio::test]
async fn without_a_setting_there_is_no_such_path() {
    let site = Site::start(&[]).await;
    let unknown = site.get("/onetag/other", &[]).await;
    for headers in [&[][..], &[BEARER]] {
        let got = client::request("POST", &site.url(PATH), headers, "{}").await.expect("an answer");
        assert_eq!(refusal(&got).0, 404);
        assert_eq!(got.body, unknown.body);
    }
    assert_eq!(refusal(&site.get(PATH, &[]).await).0, 404);
}

#[tokio::test]
async fn who_lacks_the_token_changes_nothing() {
    let legacy = Legacy::docker();
    let site = known(&legacy).await;
    site.registry.forget_requests();
    let body = PUSHED[0](REPOSITORY, "latest", &legacy.amd64.digest());
    let long = format!("Bearer {TOKEN}{TOKEN}");
    let wrong =
        [None, Some("Bearer wrong-horse-battery-staple"), Some("Bearer "), Some(""), Some(long.as_str())];
    for value in wrong {
        let headers: Vec<_> = value.map(|value| ("authorization", value)).into_iter().collect();
        let got = client::request("POST", &site.url(PATH), &headers, body.clone()).await.expect("an answer");
        assert_eq!(refusal(&got).0, 401, "{value:?}");
        assert_eq!(got.header("www-authenticate"), Some("Bearer realm=\"onetag\""));
    }
    served_as(&site.manifest("latest").await, testkit::image::media_type::DOCKER_LIST, legacy.merged());
    assert_eq!(site.registry.count(|request| request.path.contains("/manifests/")), 0);
    counted(&site, "refused", wrong.len()).await;
    // Harbor sends what its field holds, with or without the scheme.
    let bare = client::request("POST", &site.url(PATH), &[("authorization", TOKEN)], body).await;
    assert_eq!(expired(&bare.expect("an answer")), 1);
    counted(&site, "accepted", 1).await;
}

/// Sends a head and the beginning of a body, and reads what comes until the end of the connection.
async fn begun(site: &Site, head: &str, body: &[u8]) -> (TcpStream, Vec<u8>) {
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n");
    let stream =
        send_raw(site.onetag.address(), &[head.as_bytes(), body].concat()).await.expect("it connects");
    (stream, Vec::new())
}

async fn status(site: &Site, head: &str, body: &[u8]) -> String {
    let (mut stream, mut answer) = begun(site, head, body).await;
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut answer).await.expect("an answer"), 0, "no answer");
    }
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn nothing_is_read_of_who_lacks_the_token_and_not_too_much_of_who_has_it() {
    let site = Site::start(NOTIFIED).await;
    let bearer = format!("authorization: Bearer {TOKEN}");
    // The body never comes.
    assert_eq!(status(&site, "content-length: 100", b"").await, "401");
    assert_eq!(status(&site, &format!("{bearer}\r\ncontent-length: 1048577"), b"").await, "413");
    let chunk = [&b"100001\r\n"[..], &vec![b' '; (1 << 20) + 1]].concat();
    assert_eq!(status(&site, &format!("{bearer}\r\ntransfer-encoding: chunked"), &chunk).await, "413");
    counted(&site, "malformed", 2).await;
    let events = r#"{"events":[]}"#;
    let fits = events.to_owned() + &" ".repeat((1 << 20) - events.len());
    assert_eq!(expired(&notify(&site, fits).await), 0);
}

#[tokio::test]
async fn a_slow_body_is_given_up_and_keeps_nobody_waiting() {
    let site = Site::start(NOTIFIED).await;
    let begin = Instant::now();
    let head = format!("authorization: Bearer {TOKEN}\r\ncontent-length: 100");
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(begun(&site, &head, b"{").await);
    }
    assert_eq!(expired(&notify(&site, r#"{"events":[]}"#).await), 0);
    for (stream, answer) in &mut slow {
        // A byte now and then does not help.
        while begin.elapsed() < Duration::from_secs(27) {
            stream.write_all(b" ").await.expect("it is open");
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        stream.read_to_end(answer).await.expect("it answers");
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(answer));
    }
    let took = begin.elapsed().as_secs();
    assert!((29..40).contains(&took), "{took} s");
    counted(&site, "malformed", 4).await;
}

#[tokio::test]
async fn what_is_no_notification_is_told_and_other_methods_are_named() {
    let site = Site::start(NOTIFIED).await;
    let garbage =
        ["", "{", "null", "[]", "{}", "<html>", "{\"events\":7}", "{\"type\":\"PUSH_ARTIFACT\"}", "\u{0}"];
    for body in garbage {
        let (status, code, message) = refusal(&notify(&site, body).await);
        assert_eq!((status, &*code), (400, "NOTIFICATION_INVALID"), "{body}");
        assert!(message.starts_with("this is no notification: "), "{message}");
    }
    counted(&site, "malformed", garbage.len()).await;
    for method in ["GET", "PUT", "DELETE"] {
        let got = client::request(method, &site.url(PATH), &[BEARER], "").await.expect("an answer");
        assert_eq!((refusal(&got).0, got.header("allow")), (405, Some("POST")), "{method}");
    }
    for path in ["/onetag/notifications/", "/onetag", "/v2/onetag/notifications"] {
        let got = client::request("POST", &site.url(path), &[BEARER], "{}").await.expect("an answer");
        assert_eq!(got.status, 404, "{path}");
    }
}

#[tokio::test]
async fn neither_the_token_nor_a_hostile_name_gets_into_the_log() {
    let site = Site::start(&[NOTIFIED, &["--log-format", "text", "--log-level", "trace"]].concat()).await;
    let digest = Legacy::docker().amd64.digest();
    let hostile = "a/\\n2026-11-24T00:00:00Z ERROR forged\\u001b[31m";
    for pushed in PUSHED {
        let endless = "a/".to_owned() + &"B".repeat(100_000);
        for repository in [hostile, &endless] {
            assert_eq!(expired(&notify(&site, pushed(repository, "v1", &digest)).await), 0);
        }
    }
    client::request("POST", &site.url(PATH), &[("authorization", "Bearer not-the-token-at-all")], "")
        .await
        .expect("an answer");
    let log = whole_log(site.onetag);
    assert!(log.contains("no names by the grammar"), "{log}");
    assert!(!log.contains(TOKEN) && !log.contains("not-the-token-at-all"), "{log}");
    for line in log.lines() {
        assert!(!line.starts_with("2026-11-24T00:00:00Z") && !line.contains(char::is_control), "{line:?}");
        assert!(line.len() < 5_000, "{} bytes", line.len());
    }
}
