//! Callers that lost their access while their grant is fresh: what they no longer find is there for others (threat
//! T21).

use testkit::client::basic;
use testkit::{Fault, Registry, sha256};

use crate::isolation::{PRIVATE, Private, SECRET, Who, basic_registry, manifest};
use crate::support::Legacy;

/// From now on the registry refuses a user like this, and nobody else.
pub(super) fn refuse(registry: &Registry, user: &str, code: u16, below: &'static str) {
    let refused = basic(user, SECRET);
    registry.fail_by(move |request| {
        let is_theirs = request.header("authorization") == Some(&*refused) && request.path.contains(below);
        is_theirs.then(|| Fault::status(code))
    });
}

#[tokio::test]
async fn t21_what_a_caller_that_lost_its_access_does_not_find_is_there_for_others() {
    for code in [401, 403, 404] {
        let private = Private::start(basic_registry(), "credentials = \"client\"").await;
        let (right, lost) = (Who::account("right"), Who::basic("revoked", SECRET));
        let cold = Legacy::seeded(7);
        cold.push(&private.registry, "cold");
        let blob = private.registry.put_blob(PRIVATE, b"a blob that nobody has seen");
        let image = cold.arm64.digest();
        assert_eq!(private.status(&lost, &manifest("latest")).await, 200);
        refuse(&private.registry, "revoked", code, "/");
        for path in [manifest("cold"), manifest(&image), format!("/v2/{PRIVATE}/blobs/{blob}")] {
            let refused = private.status(&lost, &path).await;
            assert!([401, 403, 404].contains(&refused), "{code}: {path}: {refused}");
            let got = private.get(&right, &path).await;
            assert_eq!(got.status, 200, "{code}: {path}: {}", got.text());
        }
        let got = private.get(&right, &manifest("cold")).await;
        assert_eq!(got.text(), cold.merged(), "{code}");
    }
}

#[tokio::test]
async fn t21_what_is_known_does_not_go_when_one_who_lost_its_access_asks() {
    for code in [401, 403, 404] {
        let settings = "credentials = \"client\"\n[cache]\ntag_ttl = \"1s\"\nstale_while_revalidate = \"0s\"";
        let private = Private::start(basic_registry(), settings).await;
        let (right, lost) = (Who::account("right"), Who::basic("revoked", SECRET));
        assert_eq!(private.status(&lost, &manifest("latest")).await, 200);
        assert_eq!(private.status(&right, &manifest("latest")).await, 200);
        refuse(&private.registry, "revoked", code, "/");
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let refused = private.status(&lost, &manifest("latest")).await;
        assert!([401, 403, 404].contains(&refused), "{code}: {refused}");
        let got = private.get(&right, &manifest("latest")).await;
        assert_eq!((got.status, sha256(&got.body)), (200, sha256(private.legacy.merged())), "{code}");
    }
}

#[tokio::test]
async fn a_list_without_members_is_read_anew_for_others_when_one_is_refused_it() {
    let settings = "credentials = \"client\"\n[merge]\nhide_members = true\n";
    let private = Private::start(basic_registry(), settings).await;
    let list = format!("/v2/{PRIVATE}/tags/list");
    let gone = Who::basic("revoked", SECRET);
    let hidden = private.get(&gone, &list).await.text();
    assert!(hidden.contains("latest") && !hidden.contains("latest-arm"), "{hidden}");
    refuse(&private.registry, "revoked", 403, "/");
    let right = Who::basic("right", SECRET);
    let both = futures_util::future::join_all((0..40).map(|number| {
        let (private, who, list) = (&private, if number % 2 == 0 { &gone } else { &right }, &list);
        async move { (number, private.status(who, list).await) }
    }));
    for (number, status) in both.await {
        assert!(number % 2 == 0 || status == 200, "{number}: {status}");
    }
}
