//! Answers of the upstream that cannot be right: refused, not kept, and bounded.

use testkit::image::media_type::{DOCKER_LIST, OCI_MANIFEST};
use testkit::{Fault, Image, Match, sha256};

use crate::support::{Legacy, REPOSITORY, Site, peak_memory, refusal, served_as};

#[tokio::test]
async fn content_that_its_digest_does_not_name_is_refused_and_not_kept() {
    let site = Site::start(&[]).await;
    let image = Image::builder("linux/amd64").build();
    let digest = site.registry.push(REPOSITORY, "", &image);
    let other = Image::builder("linux/amd64").seed(1).build();
    site.registry.fail(Match::manifest(REPOSITORY, &digest), Fault::Body(other.manifest));
    let (status, code, _) = refusal(&site.manifest(&digest).await);
    assert_eq!((status, &*code), (502, "UNAVAILABLE"));
    site.registry.heal();
    served_as(&site.manifest(&digest).await, &image.media_type, &image.manifest);
}

#[tokio::test]
async fn a_config_that_its_digest_does_not_name_is_refused_and_not_kept() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let lie = String::from_utf8(legacy.arm64.config.clone()).unwrap().replace("arm64", "s390x");
    site.registry.fail(Match::blob(&legacy.arm64.config_digest()), Fault::Body(lie.into_bytes()));
    assert_eq!(refusal(&site.manifest("latest").await).0, 502);
    site.registry.heal();
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_digest_header_is_never_believed() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let manifests = Match::all().path_contains("/manifests/");
    site.registry.fail(manifests, Fault::DigestHeader(Some(sha256("a lie"))));
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    let child = site.manifest(&legacy.arm64.digest()).await;
    served_as(&child, &legacy.arm64.media_type, &legacy.arm64.manifest);
}

#[tokio::test]
async fn a_web_page_or_nothing_at_all_is_no_manifest() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let page = |media_type: &str, body: &str| Fault::Status {
        code: 200,
        headers: vec![("Content-Type".into(), media_type.into())],
        body: body.as_bytes().to_vec(),
    };
    let lies = [
        page("text/html", "<html><body>Log in</body></html>"),
        page("text/html", &legacy.merged()),
        page(OCI_MANIFEST, "<html>"),
        page(OCI_MANIFEST, ""),
        page(OCI_MANIFEST, "{"),
        page(OCI_MANIFEST, r#"{"schemaVersion":2,"schemaVersion":2}"#),
        page(
            DOCKER_LIST,
            &format!("{{\"schemaVersion\":2,\"manifests\":{}1{}}}", "[".repeat(200), "]".repeat(200)),
        ),
        Fault::Body(Vec::new()),
        Fault::status(204),
        Fault::Status { code: 206, headers: Vec::new(), body: b"{}".to_vec() },
    ];
    for place in ["latest", "latest-arm"] {
        for lie in &lies {
            site.registry.fail(Match::manifest(REPOSITORY, place), lie.clone());
            let (status, code, message) = refusal(&site.manifest("latest").await);
            assert_eq!((status, &*code), (502, "UNAVAILABLE"), "{place} {lie:?}: {message}");
            site.registry.heal();
        }
    }
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_web_page_or_nothing_at_all_is_no_list() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let page = |media_type: &str, body: &str| Fault::Status {
        code: 200,
        headers: vec![("Content-Type".into(), media_type.into())],
        body: body.as_bytes().to_vec(),
    };
    let lies = [
        page("text/html", "<html>Log in</html>"),
        page("application/json", "<html>"),
        page("", ""),
        // No UTF-8, in a string that nobody reads.
        Fault::FlipBit(8 * 5 + 7),
    ];
    let referrers = format!("referrers/{}", legacy.arm64.digest());
    for place in ["tags/list", &referrers] {
        for lie in &lies {
            site.registry.fail(Match::all().path_contains(place), lie.clone());
            let (status, code, message) = refusal(&site.get(&format!("/v2/{REPOSITORY}/{place}"), &[]).await);
            assert_eq!((status, &*code), (502, "UNAVAILABLE"), "{place} {lie:?}: {message}");
            site.registry.heal();
        }
    }
}

#[tokio::test]
async fn an_endless_manifest_is_cut_off_and_takes_little_memory() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    assert_eq!(site.manifest("latest-arm").await.status, 200);
    let before = peak_memory(&site.onetag);
    let fault = site.registry.fail(Match::manifest(REPOSITORY, "latest"), Fault::Endless);
    let (status, code, message) = refusal(&site.manifest("latest").await);
    assert_eq!((status, &*code), (502, "UNAVAILABLE"), "{message}");
    assert_eq!(site.registry.hits(fault), 1, "it was asked for again");
    let grown = peak_memory(&site.onetag).saturating_sub(before);
    assert!(grown <= 8 << 20, "{grown} bytes");
}
