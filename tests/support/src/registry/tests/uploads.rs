//! Uploads in chunks, broken off, and hit by faults.

use std::time::Duration;

use crate::client::{Body, Client, Error, Response, request};
use crate::image::sha256;
use crate::registry::{Fault, Locations, Match, Registry};

const PAUSE: Duration = Duration::from_millis(20);

async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &'static str) -> Response {
    request(method, url, headers, body).await.unwrap()
}

fn code(response: &Response) -> (u16, String) {
    (response.status, response.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned())
}

async fn open(registry: &Registry) -> String {
    let opened = send("POST", &format!("{}/v2/team/app/blobs/uploads/", registry.url()), &[], "").await;
    assert_eq!(opened.status, 202);
    opened.header("location").unwrap().to_owned()
}

/// What the status of an upload says: where it goes on, and the last byte that is there.
async fn status(location: &str) -> (String, String) {
    let asked = send("GET", location, &[], "").await;
    assert_eq!(asked.status, 204);
    (asked.header("location").unwrap().to_owned(), asked.header("range").unwrap().to_owned())
}

#[tokio::test]
async fn a_range_must_go_on_where_the_last_ended_and_be_the_bodys() {
    let registry = Registry::start().await;
    let first = open(&registry).await;
    for (range, status, range_after) in
        [("1-5", 416, "0-0"), ("0-9", 400, ""), ("x", 400, ""), ("4-0", 400, "")]
    {
        let answer = send("PATCH", &first, &[("content-range", range)], "01234").await;
        assert_eq!(
            (answer.status, answer.header("range").unwrap_or_default()),
            (status, range_after),
            "{range}"
        );
    }
    let one = send("PATCH", &first, &[("content-range", "0-4")], "01234").await;
    let target = format!("{}&digest={}", one.header("location").unwrap(), sha256("0123456789"));
    assert_eq!(send("PUT", &target, &[("content-range", "4-8")], "56789").await.status, 416);
    assert_eq!(send("PUT", &target, &[("content-range", "5-9")], "56789").await.status, 201);
    assert_eq!(registry.open_uploads(), 0);
}

#[tokio::test]
async fn an_upload_that_lost_an_answer_is_asked_with_an_older_state() {
    let registry = Registry::start().await;
    let first = open(&registry).await;
    registry.fail_times(1, Match::uploads("team/app").method("PATCH"), Fault::LostAnswer);
    let lost = request("PATCH", &first, &[], "01234").await;
    assert!(matches!(lost, Err(Error::Exchange(_))));
    assert_eq!(code(&send("PATCH", &first, &[], "01234").await), (400, "BLOB_UPLOAD_INVALID".into()));
    let (next, range) = status(&first).await;
    assert_eq!(range, "0-4");
    assert_eq!(send("PATCH", &next, &[], "56789").await.header("range"), Some("0-9"));
}

#[tokio::test]
async fn a_chunk_that_breaks_off_is_kept_as_far_as_it_came() {
    let registry = Registry::start().await;
    let first = open(&registry).await;
    assert!(request("PATCH", &first, &[], Body::broken(["012", "34"], PAUSE)).await.is_err());
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while status(&first).await.1 != "0-4" {
        assert!(std::time::Instant::now() < deadline, "nothing was kept");
    }
    let (next, _) = status(&first).await;
    assert!(request("PUT", &format!("{next}&digest=x"), &[], Body::broken(["5"], PAUSE)).await.is_err());
    let target = format!("{next}&digest={}", sha256("0123456789"));
    assert_eq!(send("PUT", &target, &[], "56789").await.status, 201, "a broken last chunk changes nothing");
    let broken: Vec<_> = registry.requests().into_iter().filter(|request| !request.body_complete).collect();
    assert_eq!(broken.iter().map(|request| request.body_length).collect::<Vec<_>>(), [5, 1]);
}

#[tokio::test]
async fn faults_strike_within_the_body_of_a_request() {
    let registry = Registry::start().await;
    let body = || Body::pieces(["01", "23", "45"], PAUSE);
    let patches = Match::uploads("team/app").method("PATCH");

    let upload = open(&registry).await;
    registry.fail_times(1, patches.clone(), Fault::ResetUpload { after: 3 });
    assert!(matches!(request("PATCH", &upload, &[], body()).await, Err(Error::Exchange(_))));
    assert_eq!(status(&upload).await.1, "0-2");

    let upload = open(&registry).await;
    registry.fail_times(1, patches.clone(), Fault::StallUpload { after: 2 });
    let impatient = Client::plain().timeout(PAUSE * 10);
    assert!(matches!(impatient.request("PATCH", &upload, &[], body()).await, Err(Error::TimedOut)));
    assert_eq!(status(&upload).await.1, "0-1");

    let upload = open(&registry).await;
    registry.fail_times(1, patches, Fault::RefuseUpload { after: 2, code: 429 });
    assert_eq!(request("PATCH", &upload, &[], body()).await.unwrap().status, 429);
    assert_eq!(status(&upload).await.1, "0-0");
    let lengths: Vec<_> = registry
        .requests()
        .iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| (request.status, request.body_length, request.body_complete))
        .collect();
    assert_eq!(lengths, [(0, 4, false), (0, 2, false), (429, 2, false)]);
}

#[tokio::test]
async fn a_challenge_does_not_use_up_a_fault_of_a_write() {
    let registry = Registry::builder().basic("u", "p").start().await;
    let url = format!("{}/v2/app/blobs/uploads/?digest={}", registry.url(), sha256("x"));
    let login = [("authorization", "Basic dTpw")];
    for fault in [Fault::ResetUpload { after: 0 }, Fault::LostAnswer] {
        let lost = matches!(fault, Fault::LostAnswer);
        let id = registry.fail_times(1, Match::uploads("app"), fault);
        assert_eq!(send("POST", &url, &[], "x").await.status, 401);
        assert_eq!(registry.hits(id), 0);
        assert!(request("POST", &url, &login, "x").await.is_err());
        assert_eq!((registry.hits(id), registry.has_blob("app", &sha256("x"))), (1, lost));
    }
}

#[tokio::test]
async fn what_is_written_is_recorded_with_its_headers_and_length() {
    let registry = Registry::start().await;
    let url = format!("{}/v2/app/blobs/uploads/?digest={}", registry.url(), sha256("012345"));
    let headers = [("content-type", "application/octet-stream"), ("x-own", "1")];
    assert_eq!(request("POST", &url, &headers, "012345").await.unwrap().status, 201);
    let seen = registry.requests().remove(0);
    assert_eq!((seen.header("content-length"), seen.header("x-own")), (Some("6"), Some("1")));
    assert_eq!((seen.body_length, seen.body_complete), (6, true));
}

#[tokio::test]
async fn a_chunk_below_the_least_length_is_the_last() {
    let registry = Registry::builder().chunk_min_length(4).start().await;
    let opened = send("POST", &format!("{}/v2/team/app/blobs/uploads/", registry.url()), &[], "").await;
    assert_eq!(opened.header("oci-chunk-min-length"), Some("4"));
    let one = send("PATCH", opened.header("location").unwrap(), &[], "0123").await;
    let two = send("PATCH", one.header("location").unwrap(), &[], "45").await;
    assert_eq!((one.status, two.status), (202, 202));
    let three = send("PATCH", two.header("location").unwrap(), &[], "6789").await;
    assert_eq!(code(&three), (400, "BLOB_UPLOAD_INVALID".into()));
    let target = format!("{}&digest={}", two.header("location").unwrap(), sha256("012345"));
    assert_eq!(send("PUT", &target, &[], "").await.status, 201);
}

#[tokio::test]
async fn an_upload_may_go_on_at_a_path_of_another_kind() {
    let registry = Registry::builder().locations(Locations::Foreign).start().await;
    let location = open(&registry).await;
    assert!(location.starts_with(&format!("{}/artifacts-uploads/team/app/", registry.url())), "{location}");
    let done = send("PUT", &format!("{location}&digest={}", sha256("x")), &[], "x").await;
    let blob = done.header("location").unwrap();
    assert_eq!((done.status, send("GET", blob, &[], "").await.text().as_str()), (201, "x"));
}
