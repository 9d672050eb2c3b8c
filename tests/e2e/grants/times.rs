//! How long a grant holds (threat T3).

use std::time::{Duration, Instant};

use testkit::{Fault, Match, sha256};

use crate::isolation::{PRIVATE, Private, Who, basic_registry, manifest};
use crate::support::eventually;

const OVER: Duration = Duration::from_millis(1_200);

async fn private(stale: &str) -> Private {
    let settings = format!("credentials = \"client\"\ngrant_ttl = \"1s\"\nstale_grant = \"{stale}\"");
    Private::start(basic_registry(), &settings).await
}

/// A merged tag, its digest, an image and a blob: what a cache gives without asking.
fn cached(private: &Private) -> Vec<String> {
    let layer = sha256(&private.legacy.arm64.layers[0].bytes);
    let image = private.legacy.arm64.digest();
    let merged = sha256(private.legacy.merged());
    vec![manifest("latest"), manifest(&merged), manifest(&image), format!("/v2/{PRIVATE}/blobs/{layer}")]
}

async fn statuses(private: &Private, who: &Who) -> Vec<u16> {
    let mut statuses = Vec::new();
    for path in cached(private) {
        statuses.push(private.status(who, &path).await);
    }
    statuses
}

#[tokio::test]
async fn t3_the_last_success_after_a_revocation_is_within_the_time_of_a_grant() {
    let (private, right) = (private("1h").await, Who::account("right"));
    let right_header = Who::basic("right", "secret");
    assert_eq!(statuses(&private, &right).await, [200; 4]);
    private.registry.revoke("right");
    let revoked = Instant::now();
    let (mut last, mut denied) = (Duration::ZERO, 0);
    while denied < 40 {
        assert!(revoked.elapsed() < Duration::from_secs(20), "it is never denied");
        for path in cached(&private) {
            let asked = revoked.elapsed();
            match private.status(&right_header, &path).await {
                200 => (last, denied) = (asked, 0),
                401 => denied += 1,
                other => panic!("{other}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(last <= Duration::from_secs(1), "{last:?}");
}

#[tokio::test]
async fn t3_in_an_outage_a_grant_holds_for_its_time_and_the_stretch_that_is_set() {
    for stale in ["0s", "1h"] {
        let (private, right) = (private(stale).await, Who::basic("right", "secret"));
        assert_eq!(statuses(&private, &right).await, [200; 4]);
        private.registry.go_down().await;
        assert_eq!(private.status(&right, &manifest("latest")).await, 200, "{stale}: it is fresh");
        tokio::time::sleep(OVER).await;
        for status in statuses(&private, &right).await {
            assert_eq!(status == 200, stale == "1h", "{stale}: {status}");
        }
        // Nobody else is let in meanwhile, and nobody by another password.
        for stranger in [Who::basic("revoked", "secret"), Who::basic("right", "wrong"), Who::nobody()] {
            for status in statuses(&private, &stranger).await {
                assert!([502, 503].contains(&status), "{stale}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn t3_a_refusal_is_never_stretched_and_an_outage_after_it_brings_nothing_back() {
    for code in [401, 403, 404] {
        let (private, right) = (private("1h").await, Who::basic("right", "secret"));
        assert_eq!(statuses(&private, &right).await, [200; 4]);
        tokio::time::sleep(OVER).await;
        let headers = vec![("www-authenticate".to_owned(), "Basic realm=\"testkit\"".to_owned())];
        private.registry.fail(Match::all(), Fault::Status { code, headers, body: Vec::new() });
        let refused = if code == 401 { 401 } else { 404 };
        assert_eq!(statuses(&private, &right).await, [refused; 4], "{code}");
        private.registry.heal();
        private.registry.fail(Match::all(), Fault::status(503));
        for status in statuses(&private, &right).await {
            assert!([502, 503].contains(&status), "{code}: {status}");
        }
    }
}

#[tokio::test]
async fn t3_who_is_refused_something_while_its_grant_is_fresh_has_none_left_for_an_outage() {
    for (code, cold) in [
        (403, manifest("cold")),
        (401, manifest("cold")),
        (404, manifest("cold")),
        (403, manifest(&sha256("cold"))),
        (403, format!("/v2/{PRIVATE}/blobs/{}", sha256("cold"))),
    ] {
        let (private, right) = (private("1h").await, Who::basic("right", "secret"));
        assert_eq!(statuses(&private, &right).await, [200; 4]);
        private.registry.fail(Match::all(), Fault::status(code));
        assert!([401, 403, 404].contains(&private.status(&right, &cold).await), "{code}");
        private.registry.heal();
        private.registry.go_down().await;
        for status in statuses(&private, &right).await {
            assert!([502, 503].contains(&status), "{code} {cold}: {status}");
        }
    }
}

#[tokio::test]
async fn t3_an_answer_that_cannot_be_meant_is_no_outage() {
    let (private, right) = (private("1h").await, Who::basic("right", "secret"));
    assert_eq!(statuses(&private, &right).await, [200; 4]);
    tokio::time::sleep(OVER).await;
    for fault in [Fault::status(418), Fault::Garbage(b"SSH-2.0-none\r\n".to_vec())] {
        private.registry.fail(Match::all(), fault);
        assert_eq!(statuses(&private, &right).await, [502; 4]);
        private.registry.heal();
    }
}

#[tokio::test]
async fn t3_a_limit_makes_no_grant_and_ends_none() {
    let (private, right) = (private("1h").await, Who::basic("right", "secret"));
    assert_eq!(statuses(&private, &right).await, [200; 4]);
    tokio::time::sleep(OVER).await;
    private.registry.fail(Match::all(), Fault::status(429));
    assert_eq!(statuses(&private, &right).await, [200; 4]);
    for stranger in [Who::basic("revoked", "secret"), Who::basic("right", "wrong")] {
        assert_eq!(statuses(&private, &stranger).await, [429; 4]);
    }
    private.registry.heal();
    private.registry.go_down().await;
    for status in statuses(&private, &Who::basic("revoked", "secret")).await {
        assert!([429, 502, 503].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn t3_a_restart_forgets_all_grants_and_nothing_else() {
    let (mut private, right) = (private("1h").await, Who::basic("right", "secret"));
    assert_eq!(statuses(&private, &right).await, [200; 4]);
    let blob = cached(&private).pop().expect("a path");
    eventually("the blob is kept", || served_from_disk(&private, &right, &blob)).await;
    private.restart();
    private.registry.go_down().await;
    for status in statuses(&private, &right).await {
        assert!([502, 503].contains(&status), "{status}");
    }
    private.registry.come_back().await;
    eventually("the upstream is asked again", async || statuses(&private, &right).await == [200; 4]).await;
    eventually("the content is still there", || served_from_disk(&private, &right, &blob)).await;
}

async fn served_from_disk(private: &Private, who: &Who, blob: &str) -> bool {
    private.registry.forget_requests();
    let status = private.status(who, blob).await;
    status == 200 && private.registry.count(|request| request.path == blob && request.method == "GET") == 0
}
