use bytes::Bytes;
use http::StatusCode;
use onetag_oci::{Digest, MAX_DOCUMENT_BYTES, MediaType};
use testkit::{Fault, Match, Registry, sha512};

use super::super::{ErrorKind, Wrong};
use super::{APP, Site, app, digest, image, seen, settings, status};

type Check = fn(&Wrong) -> bool;

#[tokio::test]
async fn a_manifest_comes_with_its_type_and_the_digest_of_its_bytes() {
    let registry = Registry::start().await;
    let image = image();
    registry.push(APP, "latest", &image);
    registry.fail(Match::all(), Fault::DigestHeader(Some(format!("sha256:{}", "0".repeat(64)))));
    let site = Site::of(&registry);
    for reference in ["latest".to_owned(), image.digest(), sha512(&image.manifest)] {
        let manifest = site.manifest(&reference).await.unwrap().unwrap();
        assert_eq!(manifest.bytes, image.manifest);
        assert_eq!(manifest.media_type, MediaType::OciManifest);
        let expected = if reference == "latest" { image.digest() } else { reference };
        assert_eq!(manifest.digest, digest(&expected));
    }
    let request = &registry.requests()[0];
    assert_eq!(request.header("accept"), Some(MediaType::ACCEPT_MANIFESTS));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(site.counted("manifest", "ok"), 3);
}

#[tokio::test]
async fn a_manifest_that_is_not_there_is_no_error() {
    let registry = Registry::start().await;
    let site = Site::of(&registry);
    assert_eq!(site.manifest("latest").await.unwrap(), None);
    assert_eq!((seen(&registry), site.counted("manifest", "absent")), ((1, 0), 1));
}

#[tokio::test]
async fn a_path_stands_before_the_api() {
    let registry = Registry::start().await;
    let site = Site::new(&settings(&format!("{}/some/where", registry.url())));
    assert_eq!(site.manifest("latest").await.unwrap(), None);
    assert_eq!(registry.requests()[0].path, "/some/where/v2/team/app/manifests/latest");
}

#[tokio::test]
async fn content_that_its_digest_does_not_name_is_refused() {
    let registry = Registry::start().await;
    let image = image();
    registry.push(APP, "latest", &image);
    registry.fail(Match::all(), Fault::Body(b"{\"another\":1}".to_vec()));
    let site = Site::of(&registry);
    let found = Digest::sha256(b"{\"another\":1}");
    let error = site.manifest(&image.digest()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::Digest { found: f }) if *f == found), "{error}");
    let config = digest(&image.config_digest());
    let error = site.upstream.small_blob(&app(), &config, 1000).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::Digest { found: f }) if *f == found), "{error}");
    assert_eq!((site.counted("manifest", "wrong"), site.counted("config", "wrong")), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_a_manifest_is_refused_at_once() {
    let typed = ("content-type", MediaType::OciManifest.to_string());
    let typed = (typed.0, typed.1.as_str());
    let large = " ".repeat(MAX_DOCUMENT_BYTES + 1);
    let cases: [(Fault, Check); 11] = [
        (status(200, &[("content-type", "text/html; charset=utf-8")], "<html>"), |w| {
            matches!(w, Wrong::Typed(_))
        }),
        (status(200, &[typed], ""), |w| matches!(w, Wrong::Empty)),
        (status(200, &[typed], "<html>"), |w| matches!(w, Wrong::Json)),
        (status(200, &[], "{}"), |w| matches!(w, Wrong::Untyped)),
        (status(200, &[typed, ("content-encoding", "gzip")], "{}"), |w| matches!(w, Wrong::Encoded)),
        (status(200, &[typed], &large), |w| matches!(w, Wrong::TooLarge { .. })),
        (Fault::Endless, |w| matches!(w, Wrong::TooLarge { .. })),
        (status(206, &[typed], "{}"), |w| matches!(w, Wrong::Unexpected(_))),
        (status(204, &[], ""), |w| matches!(w, Wrong::Unexpected(_))),
        (status(304, &[], ""), |w| matches!(w, Wrong::Unexpected(_))),
        (Fault::Garbage(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()), |w| matches!(w, Wrong::NotHttp(_))),
    ];
    for (fault, expected) in cases {
        let registry = Registry::start().await;
        registry.push(APP, "latest", &image());
        registry.fail(Match::all(), fault);
        let site = Site::of(&registry);
        let error = site.manifest("latest").await.unwrap_err();
        let ErrorKind::Wrong(wrong) = error.kind() else { panic!("{error}") };
        assert!(expected(wrong), "{error}");
        assert!(!error.is_transient(), "{error}");
        assert_eq!((seen(&registry), site.counted("manifest", "wrong")), ((1, 0), 1), "{error}");
    }
}

#[tokio::test]
async fn a_small_blob_is_verified_and_bounded() {
    let registry = Registry::start().await;
    let image = image();
    registry.push(APP, "latest", &image);
    let site = Site::of(&registry);
    let config = digest(&image.config_digest());
    let (repository, length) = (app(), image.config.len());
    let found = site.upstream.small_blob(&repository, &config, length).await.unwrap();
    assert_eq!(found, Some(Bytes::from(image.config)));
    let error = site.upstream.small_blob(&repository, &config, length - 1).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::TooLarge { .. })), "{error}");
    assert_eq!(site.upstream.small_blob(&repository, &Digest::sha256(b""), length).await.unwrap(), None);
}

#[tokio::test]
async fn small_resources_are_passed_on_with_few_headers() {
    let registry = Registry::start().await;
    let link = "</v2/team/app/tags/list?n=1&last=a>; rel=\"next\"";
    let headers =
        [("content-type", "application/json"), ("link", link), ("set-cookie", "a=b"), ("server", "x")];
    registry.fail_times(1, Match::tags(APP), status(200, &headers, "{\"tags\":[\"a\"]}"));
    let site = Site::of(&registry);
    let tags = site.upstream.small(&app(), "/v2/team/app/tags/list?n=1", 1000).await.unwrap();
    assert_eq!(tags.body().as_ref(), b"{\"tags\":[\"a\"]}");
    let names: Vec<_> = tags.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!((names.len(), &tags.headers()["link"]), (2, &link.parse().unwrap()), "{names:?}");
    assert_eq!(registry.requests()[0].query, "n=1");
    let absent = site.upstream.small(&app(), "/v2/team/app/tags/list", 1000).await.unwrap();
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    assert!(absent.body().starts_with(b"{\"errors\":[{\"code\":\"NAME_UNKNOWN\""), "{:?}", absent.body());
}

#[tokio::test]
async fn a_path_of_another_repository_is_not_asked_for() {
    let registry = Registry::start().await;
    let site = Site::of(&registry);
    for path in [
        "/v2/team/secret/tags/list",
        "/v2/team/app/../secret/tags/list",
        "/v2/team/app/%2e%2e/secret/tags/list",
        "/v2/team/app//tags/list",
        "/v2/team/application/tags/list",
        "@elsewhere.example/v2/team/app/tags/list",
        "/v2/team/app/tags/list?a b",
    ] {
        let error = site.upstream.small(&app(), path, 1000).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::Path)), "{error}");
    }
    assert_eq!(registry.requests().len(), 0);
}

#[tokio::test]
async fn the_upstreams_words_reach_the_operator_escaped_and_cut() {
    let registry = Registry::start().await;
    let long = "m".repeat(300);
    let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"no\r\n\u001b[31m\"{long}"}}]}}"#);
    registry.fail(Match::all(), status(403, &[], &body));
    let error = Site::of(&registry).manifest("latest").await.unwrap_err();
    let words = format!("DENIED: no[31m\\\"{}", "m".repeat(200 - "DENIED: no[31m\"".len()));
    let url = registry.url();
    let text = format!("GET {url}/v2/team/app/manifests/latest: it answered 403 Forbidden ({words})");
    assert_eq!(error.to_string(), text);
}
