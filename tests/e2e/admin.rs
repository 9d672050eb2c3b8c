//! What the operator sees: metrics, health, and a log that nobody else can write lines into.

use std::collections::BTreeSet;

use serde_json::Value;
use testkit::client::{self, Response, send_raw};
use testkit::{Fault, Match, Registry};
use tokio::io::AsyncReadExt as _;

use crate::support::{ACCEPT, Legacy, REPOSITORY, Site, command, eventually, manifest_path, refusal};

/// Where an operator reads what each metric means.
const OPERATIONS: &str = include_str!("../../docs/operations.md");
const PATHS: &str = "there are /healthz, /readyz, /metrics, /explain?ref=REPOSITORY:TAG and, by POST, \
                     /invalidate?ref=REPOSITORY:TAG and /warm?ref=REPOSITORY:TAG\n";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

async fn admin(site: &Site, path: &str) -> Response {
    client::get(&format!("{}{path}", site.onetag.admin_url()), &[]).await.expect("the admin listener answers")
}

async fn metrics(site: &Site) -> String {
    admin(site, "/metrics").await.text()
}

/// Asserts that a series has this value, at the latest when what is under way has been counted.
async fn counted(site: &Site, series: &str, value: usize) {
    let line = format!("{series} {value}");
    eventually(&line, || async { metrics(site).await.lines().any(|found| found == line) }).await;
}

#[tokio::test]
async fn health_and_readiness_are_the_admin_listeners_alone() {
    let site = Site::start(&[]).await;
    for (path, status, text) in [
        ("/healthz", 200, "ok\n"),
        ("/readyz", 200, "ready\n"),
        ("/", 404, PATHS),
        ("/metrics/", 404, PATHS),
        ("/v2/", 404, PATHS),
        ("/onetag/notifications", 404, PATHS),
    ] {
        let response = admin(&site, path).await;
        assert_eq!((response.status, &*response.text()), (status, text), "{path}");
    }
    let url = format!("{}/metrics", site.onetag.admin_url());
    let posted = client::request("POST", &url, &[], "").await.expect("an answer");
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
    for path in ["/healthz", "/readyz", "/metrics", "/explain", "/invalidate"] {
        assert_eq!(refusal(&site.get(path, &[]).await).0, 404, "{path}");
    }
}

#[tokio::test]
async fn the_metrics_are_those_that_the_documentation_lists() {
    let site = Site::start(&[]).await;
    let response = admin(&site, "/metrics").await;
    assert_eq!((response.status, response.header("content-type")), (200, Some(METRICS)));
    let text = response.text();
    let told = text.lines().filter_map(|line| line.strip_prefix("# TYPE onetag_"));
    let told: BTreeSet<_> = told.filter_map(|line| line.split(' ').next()).collect();
    let listed = OPERATIONS.lines().filter_map(|line| line.strip_prefix("| `onetag_"));
    let listed: BTreeSet<_> = listed.filter_map(|line| line.split('`').next()).collect();
    assert!(listed.len() > 10, "{listed:?}");
    assert_eq!(told, listed);
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
}

#[tokio::test]
async fn what_is_done_is_counted_once() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let layer = &legacy.amd64.layers[0];
    assert_eq!(site.manifest("latest").await.status, 200);
    assert_eq!(site.manifest("latest").await.status, 200);
    assert_eq!(site.manifest(&legacy.amd64.digest()).await.status, 200);
    assert_eq!(site.manifest("v9").await.status, 404);
    assert_eq!(site.get("/nothing", &[]).await.status, 404);
    site.blob(&layer.digest(), &[]).await.expect("the blob comes");
    for (series, value) in [
        (r#"onetag_requests_total{route="manifest_by_tag",status="2xx"}"#, 2),
        (r#"onetag_requests_total{route="manifest_by_tag",status="4xx"}"#, 1),
        (r#"onetag_requests_total{route="manifest_by_digest",status="2xx"}"#, 1),
        (r#"onetag_requests_total{route="other",status="4xx"}"#, 1),
        (r#"onetag_request_seconds_count{route="manifest_by_tag"}"#, 3),
        (r#"onetag_tag_answers_total{answer="filled"}"#, 1),
        (r#"onetag_tag_answers_total{answer="hit"}"#, 1),
        (r#"onetag_tag_answers_total{answer="absent"}"#, 1),
        (r#"onetag_tag_answers_total{answer="failed"}"#, 0),
        (r#"onetag_upstream_requests_total{kind="config",outcome="ok"}"#, 2),
        (r#"onetag_upstream_requests_total{kind="blob",outcome="ok"}"#, 1),
        ("onetag_merged_total", 1),
        ("onetag_passed_total", 0),
        ("onetag_blob_bytes_total", layer.bytes.len()),
        ("onetag_connections", 0),
    ] {
        counted(&site, series, value).await;
    }
    site.registry.fail(Match::manifest(REPOSITORY, "v8"), Fault::status(403));
    assert_eq!(site.manifest("v8").await.status, 403);
    counted(&site, r#"onetag_tag_answers_total{answer="failed"}"#, 1).await;
    counted(&site, r#"onetag_upstream_requests_total{kind="manifest",outcome="denied"}"#, 1).await;
}

#[tokio::test]
async fn names_from_requests_make_no_series() {
    let site = Site::start(&[]).await;
    let series = |text: String| text.lines().filter(|line| line.starts_with("onetag_")).count();
    let before = series(metrics(&site).await);
    for number in 0..50 {
        site.get(&format!("/v2/team/app{number}/manifests/v{number}"), &[]).await;
        site.get(&format!("/{number}"), &[]).await;
    }
    assert_eq!(series(metrics(&site).await), before);
}

#[tokio::test]
async fn the_health_of_a_running_onetag_can_be_asked_for_by_command() {
    let site = Site::start(&[]).await;
    let address = site.onetag.admin_url().trim_start_matches("http://").to_owned();
    let healthy = |address: &str| command(&["healthcheck", "--admin", address], &[]).status.code();
    assert_eq!(healthy(&address), Some(0));
    drop(site);
    assert_eq!(healthy(&address), Some(1));
}

/// Requests and answers that try to write into the log.
async fn attack(site: &Site) {
    let lie = r#"{"level":"ERROR","message":"forged"}"#;
    let encoded = "%0a%7b%22level%22%3a%22ERROR%22%7d%0d%0a";
    for path in [
        manifest_path(encoded),
        manifest_path("a\"b"),
        manifest_path("\\\"},{\\"),
        manifest_path("%1b[31m"),
        format!("/v2/{encoded}/manifests/latest"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let mut stream = send_raw(site.onetag.address(), request.as_bytes()).await.expect("it connects");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it answers");
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    let body = format!(
        "{{\"errors\":[{{\"code\":\"X\",\"message\":\"a\\n{}\\u001b[31m\"}}]}}",
        lie.replace('"', "\\\"")
    );
    for (number, body) in [body, format!("\n{lie}\n\x1b[31m")].into_iter().enumerate() {
        let tag = format!("v{number}");
        let status = Fault::Status { code: 400, headers: Vec::new(), body: body.into_bytes() };
        site.registry.fail(Match::manifest(REPOSITORY, &tag), status);
        assert!(site.manifest(&tag).await.status >= 400);
    }
    let kind = Fault::ContentType(Some("text/\"html\\".into()));
    Legacy::docker().push(&site.registry, "v2");
    site.registry.fail(Match::manifest(REPOSITORY, "v2-arm"), kind);
    site.manifest("v2").await;
}

#[tokio::test]
async fn a_json_log_is_one_object_a_line_whatever_clients_and_upstream_say() {
    let mut site = Site::start(&["--log-format", "json", "--log-level", "debug"]).await;
    attack(&site).await;
    site.onetag.terminate();
    site.onetag.wait(std::time::Duration::from_secs(5));
    let log = site.onetag.stderr_text();
    assert!(log.lines().count() > 10, "{log}");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for name in ["timestamp", "level", "target"] {
            assert!(event[name].is_string(), "{name} is missing in {line}");
        }
        assert_ne!(event["message"], "forged", "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let refused = log.lines().filter(|line| line.contains("%0a%7b%22level")).count();
    assert!(refused >= 2, "{log}");
}

#[tokio::test]
async fn a_text_log_has_no_lines_of_clients_or_upstream_either() {
    let site = Site::start(&["--log-format", "text", "--log-level", "debug"]).await;
    attack(&site).await;
    let log = site.onetag.stderr_text();
    assert!(log.lines().count() > 10, "{log}");
    for line in log.lines() {
        assert!(line.starts_with("20") && line.as_bytes().get(10) == Some(&b'T'), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_costs_no_pull() {
    let registry = Registry::start().await;
    let legacy = Legacy::docker();
    legacy.push(&registry, "latest");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut onetag = std::process::Command::new(env!("CARGO_BIN_EXE_onetag"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &registry.url()])
        .stdout(std::process::Stdio::piped())
        .stderr(full)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = onetag.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    let url = line.trim().strip_prefix("registry listening on ").unwrap();
    let answer = client::get(&format!("{url}{}", manifest_path("latest")), &[ACCEPT]).await;
    onetag.kill().unwrap();
    onetag.wait().unwrap();
    assert_eq!(answer.unwrap().body, legacy.merged());
}
