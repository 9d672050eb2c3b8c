//! What goes wrong at the registry while something is pushed, step by step: told by the one table of errors, and never
//! tried twice.

use std::time::{Duration, Instant};

use testkit::client::{self, Body, Response};
use testkit::{Fault, Match, sha256};

use super::{Pushed, begun, with_digest};
use crate::support::{Legacy, REPOSITORY, manifest_path, refusal};

/// A step of a push: its method, and where it goes.
struct Step {
    method: &'static str,
    path: String,
    body: &'static str,
    /// What a 404 without a word means.
    absent: &'static str,
}

async fn steps(site: &Pushed) -> Vec<Step> {
    let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
    let location = begun(site).await;
    let closing = with_digest(&location, &sha256("hello"));
    let blob = format!("/v2/{REPOSITORY}/blobs/{}", sha256("hello"));
    let step = |method, path: &str, body, absent| Step { method, path: path.to_owned(), body, absent };
    vec![
        step("POST", &uploads, "", "NAME_UNKNOWN"),
        step("POST", &format!("{uploads}?digest={}", sha256("hello")), "hello", "NAME_UNKNOWN"),
        step("GET", &location, "", "BLOB_UPLOAD_UNKNOWN"),
        step("PATCH", &location, "hello", "BLOB_UPLOAD_UNKNOWN"),
        step("PUT", &closing, "hello", "BLOB_UPLOAD_UNKNOWN"),
        step("DELETE", &location, "", "BLOB_UPLOAD_UNKNOWN"),
        step("PUT", &manifest_path("latest"), "{}", "NAME_UNKNOWN"),
        step("DELETE", &manifest_path("latest"), "", "MANIFEST_UNKNOWN"),
        step("DELETE", &blob, "", "BLOB_UNKNOWN"),
    ]
}

/// What a fault becomes: status and code; without a code, that of the step.
fn faults() -> Vec<(Fault, u16, Option<&'static str>)> {
    let status = Fault::status;
    vec![
        (status(500), 503, Some("UNAVAILABLE")),
        (status(502), 503, Some("UNAVAILABLE")),
        (status(503), 503, Some("UNAVAILABLE")),
        (status(504), 503, Some("UNAVAILABLE")),
        (status(508), 508, Some("UNSUPPORTED")),
        (status(429), 429, Some("TOOMANYREQUESTS")),
        (status(401), 403, Some("DENIED")),
        (status(403), 403, Some("DENIED")),
        (status(404), 404, None),
        (status(405), 405, Some("UNSUPPORTED")),
        (status(413), 413, Some("SIZE_INVALID")),
        (Fault::Redirect { to: "http://127.0.0.1:1/".into(), code: 307 }, 502, Some("UNAVAILABLE")),
        (Fault::Reset, 503, Some("UNAVAILABLE")),
        (Fault::LostAnswer, 503, Some("UNAVAILABLE")),
        (Fault::Garbage(b"not HTTP at all\r\n\r\n".to_vec()), 502, Some("UNAVAILABLE")),
    ]
}

#[tokio::test]
async fn each_fault_at_each_step_is_told_by_the_table_and_asked_once() {
    let site = Pushed::start("").await;
    site.registry.push(REPOSITORY, "other", &Legacy::docker().amd64);
    for (fault, status, code) in faults() {
        for step in steps(&site).await {
            site.registry.forget_requests();
            let id = site.registry.fail(Match::all().method(step.method), fault.clone());
            let got = site.send(step.method, &step.path, &[], step.body).await;
            site.registry.heal_one(id);
            let what = format!("{} {} with {fault:?}", step.method, step.path);
            let (found, name, _) = refusal(&got);
            assert_eq!((found, &*name), (status, code.unwrap_or(step.absent)), "{what}");
            assert!(got.header("x-request-id").is_some(), "{what}");
            assert_eq!(got.header("retry-after").is_some(), matches!(status, 429 | 503), "{what}");
            assert_eq!(site.registry.count(|request| request.method == step.method), 1, "{what}");
            // A failure too many, and the registry would count as down.
            assert_eq!(site.send("GET", &format!("/v2/{REPOSITORY}/tags/list"), &[], "").await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_a_502_and_one_that_is_known_to_be_down_a_503() {
    let site = Pushed::start("").await;
    let begin = format!("/v2/{REPOSITORY}/blobs/uploads/");
    begun(&site).await;
    site.registry.go_down().await;
    let mut found = Vec::new();
    for _ in 0..12 {
        let (status, code, _) = refusal(&site.send("POST", &begin, &[], "").await);
        assert_eq!(code, "UNAVAILABLE");
        found.push(status);
    }
    assert_eq!((found.first(), found.last()), (Some(&502), Some(&503)), "{found:?}");
    assert!(found.is_sorted(), "{found:?}");
}

/// A body of 64 MiB that takes its time.
fn slow_body() -> Body {
    Body::pieces((0..1024).map(|_| vec![0_u8; 64 << 10]), Duration::from_millis(10))
}

async fn upload(site: &Pushed, method: &str) -> Response {
    let location = begun(site).await;
    site.send(method, &with_digest(&location, &sha256("x")), &[], slow_body()).await
}

#[tokio::test]
async fn a_registry_that_refuses_early_is_heard_at_once() {
    let site = Pushed::start("").await;
    for (code, status, name) in [
        (413, 413, "SIZE_INVALID"),
        (401, 403, "DENIED"),
        (403, 403, "DENIED"),
        (404, 404, "BLOB_UPLOAD_UNKNOWN"),
        (429, 429, "TOOMANYREQUESTS"),
        (503, 503, "UNAVAILABLE"),
    ] {
        for method in ["PATCH", "PUT"] {
            let fault = Fault::RefuseUpload { after: 256 << 10, code };
            let id = site.registry.fail(Match::uploads(REPOSITORY).method(method), fault);
            let begin = Instant::now();
            let got = upload(&site, method).await;
            assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
            assert_eq!((refusal(&got).0, &*refusal(&got).1), (status, name), "{method} {code}");
            assert!(site.registry.hits(id) == 1, "{method} {code}");
            site.registry.heal_one(id);
        }
    }
    let took = site.registry.requests().iter().map(|request| request.body_length).max();
    assert!(took < Some(8 << 20), "{took:?} bytes of 64 MiB");
}

#[tokio::test]
async fn a_manifest_that_is_too_large_never_reaches_the_registry_whole() {
    let site = Pushed::start("").await;
    let large = vec![b' '; (4 << 20) + 1];
    let image = Legacy::docker().amd64;
    let typed = [("content-type", &*image.media_type)];
    let chunks: Vec<_> = large.chunks(1 << 20).map(<[u8]>::to_vec).collect();
    for body in [Body::from(large), Body::pieces(chunks, Duration::ZERO)] {
        // Who writes on after the answer may lose it to the connection's end.
        if let Ok(got) = client::request("PUT", &site.url(&manifest_path("latest")), &typed, body).await {
            assert_eq!((refusal(&got).0, &*refusal(&got).1), (413, "SIZE_INVALID"));
        }
    }
    let puts = site.registry.requests().into_iter().filter(|request| request.method == "PUT");
    let puts: Vec<_> = puts.collect();
    assert!(puts.len() <= 1, "what is announced to be too large is not even begun");
    assert!(puts.iter().all(|put| !put.body_complete));
    assert_eq!(site.registry.tag(REPOSITORY, "latest"), None);
}
