//! What is denied and what is absent are told in the same bytes (threat T2).

use testkit::client::{Client, Response};
use testkit::{Registry, sha256};

use super::private::{FORMS, PRIVATE, Private, Who, basic_registry, bearer_registry};
use super::{PASSWORD, SECRET, allowing};

/// Another tenant's repository that does not exist; and one that neither exists nor would be that tenant's.
const OWN_NIL: &str = "other/nil";
const FOREIGN_NIL: &str = "team/nil";

/// All that a client sees, whatever the repository is called.
fn told(response: &Response, repository: &str) -> String {
    let mut headers = response.headers.clone();
    headers.remove("x-request-id");
    headers.remove("date");
    let (status, body) = (response.status, response.text());
    let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    lines.sort_unstable();
    let text = format!("{status} {lines:?} {body}").replace(repository, "REPOSITORY");
    // An upload's own name is never twice the same.
    let upload = response.header("docker-upload-uuid").unwrap_or("docker-upload-uuid");
    let (_, name) = response.header("location").and_then(|to| to.rsplit_once('/')).unwrap_or(("", upload));
    text.replace(name, "NAME").replace(upload, "ID")
}

async fn reads_are_alike(private: &Private, what: &str, other: &Who, absent: &[&str]) {
    for path in &private.paths {
        for form in FORMS {
            let denied = told(&private.ask(other, form, path).await, PRIVATE);
            for &nil in absent {
                let absent = told(&private.ask(other, form, &path.replace(PRIVATE, nil)).await, nil);
                assert_eq!(denied, absent, "{what}, {nil}: {form:?} {path}");
            }
        }
    }
}

async fn writes_are_alike(private: &Private, what: &str, user: (&str, &str)) {
    let authorization = testkit::client::basic(user.0, user.1);
    let digest = private.legacy.amd64.digest();
    let layer = sha256(&private.legacy.amd64.layers[0].bytes);
    let requests = [
        ("PUT", "manifests/latest".to_owned()),
        ("DELETE", "manifests/latest".to_owned()),
        ("DELETE", format!("manifests/{digest}")),
        ("DELETE", format!("blobs/{layer}")),
        ("POST", "blobs/uploads/".to_owned()),
        ("POST", format!("blobs/uploads/?digest={layer}")),
        ("PATCH", "blobs/uploads/1".to_owned()),
        ("GET", "blobs/uploads/1".to_owned()),
        ("DELETE", "blobs/uploads/1".to_owned()),
    ];
    for (method, rest) in requests {
        let ask = async |repository: &str| {
            let url = private.url(&format!("/v2/{repository}/{rest}"));
            let headers = [("authorization", &*authorization), ("content-type", "application/json")];
            let got = Client::plain().request(method, &url, &headers, "{}").await.expect("an answer");
            assert!(got.status >= 400, "{what}: {method} {rest}: {}", got.status);
            told(&got, repository)
        };
        assert_eq!(ask(PRIVATE).await, ask(FOREIGN_NIL).await, "{what}: {method} {rest}");
    }
}

#[tokio::test]
async fn t2_denied_and_absent_are_alike_whatever_the_upstream_says_to_what_it_denies() {
    let scheme = |bearer| if bearer { bearer_registry() } else { basic_registry() };
    for (bearer, denied, absent) in [
        (false, 401, 401),
        (false, 403, 403),
        (false, 404, 404),
        (false, 403, 404),
        (true, 401, 401),
        (true, 403, 404),
        (true, 404, 403),
    ] {
        let what = format!("bearer: {bearer}, {denied}, {absent}");
        let builder = scheme(bearer).denied(denied).absent(absent);
        let private = Private::start(builder, "credentials = \"client\"").await;
        private.all("warm", &Who::account("right"), true).await;
        reads_are_alike(&private, &what, &Who::account("other"), &[FOREIGN_NIL, OWN_NIL]).await;
        reads_are_alike(&private, &what, &Who::nobody(), &[FOREIGN_NIL]).await;
        writes_are_alike(&private, &what, ("other", SECRET)).await;
    }
}

#[tokio::test]
async fn t2_denied_and_absent_are_alike_where_onetag_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    for absent in [401, 403, 404] {
        let private = Private::start(Registry::builder().absent(absent), &allowing(folder.path())).await;
        private.all("warm", &Who::login("right", PASSWORD), true).await;
        let other = Who::login("other", PASSWORD);
        // What onetag's own account is denied, is told as that to those who may see it.
        let nil: &[&str] = if absent == 404 { &[FOREIGN_NIL, OWN_NIL] } else { &[FOREIGN_NIL] };
        reads_are_alike(&private, &format!("absent: {absent}"), &other, nil).await;
        reads_are_alike(&private, "nobody", &Who::nobody(), &[FOREIGN_NIL, OWN_NIL]).await;
        writes_are_alike(&private, &format!("absent: {absent}"), ("other", PASSWORD)).await;
    }
}

/// What a mount of a blob comes to, and whether the blob is there afterwards.
async fn mounted(private: &Private, (user, password): (&str, &str), digest: &str, from: &str) -> String {
    let path = format!("/v2/other/app/blobs/uploads/?mount={digest}{from}");
    let headers = [("authorization", &*testkit::client::basic(user, password))];
    let got = Client::plain().request("POST", &private.url(&path), &headers, "").await.expect("an answer");
    let is_there = private.registry.has_blob("other/app", digest);
    format!("{} {is_there}", told(&got, "other/app"))
}

#[tokio::test]
async fn t2_a_mount_from_what_one_may_not_read_is_like_one_of_what_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let allow = allowing(folder.path());
    let (own, client) = (("other", PASSWORD), ("other", SECRET));
    for (builder, settings, user) in [
        (Registry::builder().anonymous_mount(), &*allow, own),
        (Registry::builder().challenges_mounts(), &*allow, own),
        (basic_registry(), "credentials = \"client\"", client),
    ] {
        let private = Private::start(builder, settings).await;
        let layer = sha256(&private.legacy.amd64.layers[0].bytes);
        let nothing = sha256("nothing");
        let foreign = mounted(&private, user, &layer, "&from=team/app").await;
        assert!(foreign.starts_with("202") && foreign.ends_with("false"), "{foreign}");
        assert_eq!(foreign, mounted(&private, user, &layer, "&from=team/nil").await);
        assert_eq!(foreign, mounted(&private, user, &nothing, "&from=team/app").await);
        assert_eq!(foreign, mounted(&private, user, &nothing, "&from=other/nil").await);
        let anywhere = mounted(&private, user, &layer, "").await;
        assert!(anywhere.starts_with("202") && anywhere.ends_with("false"), "{anywhere}");
        assert_eq!(anywhere, mounted(&private, user, &nothing, "").await);
    }
}

#[tokio::test]
async fn a_mount_from_what_one_may_read_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let private = Private::start(Registry::builder(), &allowing(folder.path())).await;
    let layer = sha256(&private.legacy.amd64.layers[0].bytes);
    let got = mounted(&private, ("right", PASSWORD), &layer, "&from=team/app").await;
    assert!(got.starts_with("201") && got.ends_with("true"), "{got}");
}
