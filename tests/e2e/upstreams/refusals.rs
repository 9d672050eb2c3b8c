//! Every refusal has the form of the specification, and is one line of the log, whatever a client writes into it
//! (threat T37).

use serde_json::Value;
use testkit::Registry;
use testkit::client::{self, send_raw};
use testkit::sha256;
use tokio::io::AsyncReadExt as _;

use crate::support::{refusal, serve_config, whole_log};

/// Who may read `team/*`, and push to `team/push` alone, at a registry that has nothing.
fn settings(registry: &Registry) -> String {
    format!(
        "[server]\nhosts = [\"onetag.example\", \"127.0.0.1\"]\n[log]\nlevel = \"debug\"\nformat = \"json\"\n\
         [[allow]]\nanonymous = true\nrepositories = [\"team/*\"]\n\
         [[allow]]\nanonymous = true\nrepositories = [\"team/push\"]\nactions = [\"push\", \"delete\"]\n\
         [[registry]]\nname = \"one.example\"\nprefix = \"\"\nhosts = [\"one.onetag.example\"]\n\
         [registry.upstream]\nurl = \"{0}\"\n[upstream]\nurl = \"{0}\"\n",
        registry.url()
    )
}

/// What is asked for, and the status and code that come.
fn cases() -> Vec<(&'static str, String, &'static str, u16, &'static str)> {
    let digest = sha256("nowhere");
    let case = |method, path: &str, body, status, code| (method, path.to_owned(), body, status, code);
    let push = "/v2/team/push";
    vec![
        case("GET", "/", "", 404, "UNSUPPORTED"),
        case("GET", "/v2/team/app/tags/list?ns=nobody", "", 404, "NAME_UNKNOWN"),
        case("GET", "/v2/team/app/tags/list?ns=%0a%1b[31m", "", 404, "NAME_UNKNOWN"),
        case("GET", "/v2/team/app/tags/list?n=%0d%0aforged", "", 400, "PAGINATION_NUMBER_INVALID"),
        case("GET", "/v2/team/app/tags/list", "", 404, "NAME_UNKNOWN"),
        case("GET", "/v2/team/app/manifests/latest", "", 404, "MANIFEST_UNKNOWN"),
        case("GET", "/v2/other/app/manifests/latest", "", 404, "MANIFEST_UNKNOWN"),
        case("GET", "/v2/%1b[31m/manifests/latest", "", 400, "NAME_INVALID"),
        case("GET", "/v2/team/app/manifests/%0aforged", "", 400, "MANIFEST_INVALID"),
        case("GET", &format!("/v2/team/app/blobs/{digest}"), "", 404, "BLOB_UNKNOWN"),
        case("GET", &format!("/v2/other/app/blobs/{digest}"), "", 404, "BLOB_UNKNOWN"),
        case("GET", "/v2/team/app/referrers/sha256:%0a", "", 400, "DIGEST_INVALID"),
        case("GET", &format!("/v2/other/app/referrers/{digest}"), "", 404, "NAME_UNKNOWN"),
        case("PUT", "/v2/team/app/manifests/latest", "{}", 403, "DENIED"),
        case("DELETE", "/v2/team/app/manifests/latest", "", 403, "DENIED"),
        case("POST", "/v2/team/app/blobs/uploads/", "", 403, "DENIED"),
        case("GET", "/v2/team/app/blobs/uploads/6f1c", "", 403, "DENIED"),
        case("PATCH", "/v2/team/app/blobs/uploads/6f1c", "x", 403, "DENIED"),
        case("POST", "/v2/team/app/tags/list", "", 405, "UNSUPPORTED"),
        case("PATCH", "/v2/_catalog", "", 405, "UNSUPPORTED"),
        case("PUT", &format!("{push}/manifests/latest?tag=%0a%1b[31m"), "{}", 400, "MANIFEST_INVALID"),
        case("PUT", &format!("{push}/manifests/latest"), "{}", 400, "MANIFEST_INVALID"),
        case("DELETE", &format!("{push}/manifests/{digest}"), "", 404, "MANIFEST_UNKNOWN"),
        case("DELETE", &format!("{push}/blobs/{digest}"), "", 404, "BLOB_UNKNOWN"),
        case("GET", &format!("{push}/blobs/uploads/6f1c"), "", 404, "BLOB_UPLOAD_UNKNOWN"),
        case("PUT", &format!("{push}/blobs/uploads/onetag.AAAA"), "", 404, "BLOB_UPLOAD_UNKNOWN"),
        case("PATCH", &format!("{push}/blobs/uploads/%0aforged"), "x", 404, "BLOB_UPLOAD_UNKNOWN"),
    ]
}

#[tokio::test]
async fn every_refusal_has_a_code_and_an_id_and_the_log_is_one_object_a_line() {
    let registry = Registry::builder().without_referrers().start().await;
    let onetag = serve_config(&settings(&registry), &[]);
    let mut ids = Vec::new();
    for (method, path, body, status, code) in cases() {
        let got = client::request(method, &format!("{}{path}", onetag.url()), &[], body).await.unwrap();
        let (found, name, message) = refusal(&got);
        assert_eq!((found, &*name), (status, code), "{method} {path}: {message}");
        assert!(!message.contains(char::is_control), "{message:?}");
        ids.push(got.header("x-request-id").unwrap_or_else(|| panic!("{path} has no id")).to_owned());
    }
    for head in [
        "GET /v2/ HTTP/1.1\r\nhost: evil.example",
        "GET /v2/ HTTP/1.1\r\nhost: \x1b[31m",
        "GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic \x1b[31m\r\nauthorization: Basic x",
        "GET /v2/team/app/tags/list HTTP/1.1\r\nhost: 127.0.0.1\r\nvia: 1.1 forged\r\nx-forwarded-host: \u{9b}31m",
    ] {
        let request = format!("{head}\r\nconnection: close\r\n\r\n");
        let mut stream = send_raw(onetag.address(), request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{head}: {}", String::from_utf8_lossy(&answer));
    }
    let log = whole_log(onetag);
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" listening on ")).collect();
    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(!lines.iter().any(|line| line.contains(char::is_control)));
    for id in ids {
        let answered = events
            .iter()
            .filter(|event| event["message"] == "answered" && event["span"]["id"] == id.as_str())
            .count();
        assert_eq!(answered, 1, "{id}");
    }
    assert!(!events.iter().any(|event| event["message"] == "forged"));
}
