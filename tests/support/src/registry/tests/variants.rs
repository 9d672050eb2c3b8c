//! What registries may do one way or the other, and what accounts may not do at all.

use serde_json::json;

use crate::client::{Client, Login, Response, get, request};
use crate::image::{Image, media_type as mt, sbom_of, sha256, sha512};
use crate::registry::{Account, Builder, Registry};

async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    request(method, url, headers, body.to_vec()).await.unwrap()
}

#[tokio::test]
async fn a_mount_without_a_source_is_for_registries_that_allow_it() {
    for (builder, status) in [(Registry::builder(), 202), (Registry::builder().anonymous_mount(), 201)] {
        let registry = builder.start().await;
        let digest = registry.put_blob("source", "shared");
        let url = |digest: &str| format!("{}/v2/app/blobs/uploads/?mount={digest}", registry.url());
        assert_eq!(send("POST", &url(&digest), &[], b"").await.status, status);
        assert_eq!(registry.has_blob("app", &digest), status == 201);
        assert_eq!(send("POST", &url(&sha256("absent")), &[], b"").await.status, 202);
    }
}

#[tokio::test]
async fn one_push_by_digest_sets_several_tags() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").build();
    for blob in image.blobs() {
        registry.put_blob("app", blob);
    }
    for digest in [sha512(&image.manifest), image.digest()] {
        let url = format!("{}/v2/app/manifests/{digest}?tag=one&tag=two", registry.url());
        let done = send("PUT", &url, &[("content-type", mt::OCI_MANIFEST)], &image.manifest).await;
        let set: Vec<_> = done.headers.get_all("oci-tag").iter().collect();
        assert_eq!(
            (done.status, set.as_slice()),
            (201, &["one", "two"].map(|tag| tag.parse().unwrap()).each_ref()[..])
        );
        assert_eq!(done.header("docker-content-digest"), Some(digest.as_str()));
        assert_eq!(done.header("location"), url.split('?').next());
    }
    for tag in ["one", "two"] {
        assert_eq!(registry.tag("app", tag), Some(image.digest()));
    }
}

#[tokio::test]
async fn the_status_for_missing_content_can_be_another() {
    let registry = Registry::builder().missing_content(404).start().await;
    let image = Image::builder("linux/amd64").build();
    let url = format!("{}/v2/app/manifests/latest", registry.url());
    let refused = send("PUT", &url, &[("content-type", mt::OCI_MANIFEST)], &image.manifest).await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.json()["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn referrers_and_deletion_can_be_missing() {
    let registry = Registry::builder().without_referrers().without_deletion().start().await;
    let image = Image::builder("linux/amd64").build();
    registry.push("app", "latest", &image);
    let sbom = sbom_of(&image);
    for blob in sbom.blobs() {
        registry.put_blob("app", blob);
    }
    let url = |rest: &str| format!("{}/v2/app/{rest}", registry.url());
    let pushed =
        send("PUT", &url("manifests/x"), &[("content-type", mt::OCI_MANIFEST)], &sbom.manifest).await;
    assert_eq!((pushed.status, pushed.header("oci-subject")), (201, None));
    assert_eq!(get(&url(&format!("referrers/{}", image.digest())), &[]).await.unwrap().status, 404);
    let content = [format!("manifests/{}", image.digest()), format!("blobs/{}", image.config_digest())];
    for path in ["manifests/latest", &content[0], &content[1]] {
        assert_eq!(send("DELETE", &url(path), &[], b"").await.status, 405);
    }
    assert_eq!(registry.tag("app", "latest"), Some(image.digest()));
}

#[tokio::test]
async fn a_deletion_creates_nothing() {
    let registry = Registry::start().await;
    for path in ["manifests/latest".to_owned(), format!("blobs/{}", sha256("x"))] {
        let url = format!("{}/v2/absent/{path}", registry.url());
        assert_eq!(send("DELETE", &url, &[], b"").await.status, 404);
    }
    assert_eq!(get(&format!("{}/v2/absent/tags/list", registry.url()), &[]).await.unwrap().status, 404);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let registry = Registry::start().await;
    for name in ["a", "b/c", "d"] {
        registry.put_blob(name, "x");
        registry.put_manifest("tags", name.rsplit('/').next().unwrap(), mt::OCI_INDEX, "{}");
    }
    for (path, field, pages) in [
        ("/v2/_catalog", "repositories", json!([["a", "b/c"], ["d", "tags"]])),
        ("/v2/tags/tags/list", "tags", json!([["a", "c"], ["d"]])),
    ] {
        let mut next = Some(format!("{path}?n=2"));
        let mut seen = Vec::new();
        while let Some(path) = next {
            let page = get(&format!("{}{path}", registry.url()), &[]).await.unwrap();
            seen.push(page.json()[field].clone());
            next = page.header("link").map(|link| {
                assert!(link.ends_with(">; rel=\"next\""), "{link}");
                link[1..link.find('>').unwrap()].to_owned()
            });
        }
        assert_eq!(json!(seen), pages);
        let none = get(&format!("{}{path}?n=0", registry.url()), &[]).await.unwrap();
        assert_eq!((&none.json()[field], none.header("link")), (&json!([]), None));
    }
}

/// The status of each of several requests of `reader`, who may pull from `app` alone.
async fn as_reader(builder: Builder) -> [u16; 5] {
    let reader = Account::new("reader", "r").repositories(&["app"]).actions(&["pull"]);
    let registry = builder.admit(reader).start().await;
    registry.push("app", "latest", &Image::builder("linux/amd64").build());
    registry.put_blob("other", "x");
    let login = Login::new(Client::plain(), "reader", "r");
    let mut seen = [0; 5];
    for (place, (method, path)) in [
        ("GET", "app/manifests/latest"),
        ("POST", "app/blobs/uploads/"),
        ("DELETE", "app/manifests/latest"),
        ("GET", "other/tags/list"),
        ("GET", "_catalog"),
    ]
    .into_iter()
    .enumerate()
    {
        let url = format!("{}/v2/{path}", registry.url());
        seen[place] = login.request(method, &url, &[], "").await.unwrap().status;
    }
    seen
}

#[tokio::test]
async fn an_account_may_be_for_pulls_alone_and_is_denied_in_several_ways() {
    let basic = || Registry::builder().basic("root", "r");
    let bearer = || Registry::builder().bearer(Some(("root", "r")));
    for (builder, denied) in [
        (basic(), 403),
        (basic().denied(404), 404),
        (basic().denied(401), 401),
        (bearer(), 401),
        (bearer().denied(403), 403),
        (bearer().denied(404), 404),
    ] {
        assert_eq!(as_reader(builder).await, [200, denied, denied, denied, denied]);
    }
}

#[tokio::test]
async fn what_is_absent_is_refused_in_several_ways() {
    for (code, expected) in [(401, "UNAUTHORIZED"), (403, "DENIED"), (404, "NAME_UNKNOWN")] {
        let registry = Registry::builder().bearer(Some(("root", "r"))).absent(code).start().await;
        let login = Login::new(Client::plain(), "root", "r");
        let url = |path: &str| format!("{}/v2/absent/{path}", registry.url());
        for path in ["manifests/latest", "tags/list"] {
            let refused = login.request("GET", &url(path), &[], "").await.unwrap();
            assert_eq!((refused.status, &refused.json()["errors"][0]["code"]), (code, &expected.into()));
        }
        let opened = login.request("POST", &url("blobs/uploads/"), &[], "").await.unwrap();
        assert_eq!(opened.status, 202, "a push makes the repository");
        let asked = login.request("GET", opened.header("location").unwrap(), &[], "").await.unwrap();
        assert_eq!(asked.status, 204);
    }
}

#[tokio::test]
async fn a_mount_can_need_a_token_for_two_scopes() {
    let registry = Registry::builder().bearer(Some(("root", "r"))).challenges_mounts().start().await;
    let digest = registry.put_blob("source", "shared");
    let url = format!("{}/v2/app/blobs/uploads/?mount={digest}&from=source", registry.url());
    let refused = send("POST", &url, &[], b"").await;
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"repository:app:pull,push repository:source:pull\""), "{challenge}");
    let login = Login::new(Client::plain(), "root", "r");
    assert_eq!(login.request("POST", &url, &[], "").await.unwrap().status, 201);
}

#[tokio::test]
async fn anonymous_callers_get_what_is_open_to_them() {
    let everyone = Account::anonymous().repositories(&["public"]).actions(&["pull"]);
    let registry = Registry::builder().bearer(Some(("root", "r"))).admit(everyone).start().await;
    registry.put_blob("public", "x");
    registry.put_blob("private", "x");
    let nobody = Login::anonymous(Client::plain());
    for (path, status) in [("public/tags/list", 200), ("private/tags/list", 401)] {
        let url = format!("{}/v2/{path}", registry.url());
        assert_eq!(nobody.request("GET", &url, &[], "").await.unwrap().status, status);
    }
}

#[tokio::test]
async fn tokens_can_end_before_their_time() {
    let registry = Registry::builder().bearer(Some(("root", "r"))).start().await;
    let url = format!("{}/v2/", registry.url());
    let login = Login::new(Client::plain(), "root", "r");
    assert_eq!(login.request("GET", &url, &[], "").await.unwrap().status, 200);
    let held = registry.requests().last().unwrap().header("authorization").unwrap().to_owned();
    registry.revoke_tokens();
    let refused = send("GET", &url, &[("authorization", &held)], b"").await;
    assert!(refused.header("www-authenticate").unwrap().ends_with("error=\"invalid_token\""));
    assert_eq!(login.request("GET", &url, &[], "").await.unwrap().status, 200);
}
