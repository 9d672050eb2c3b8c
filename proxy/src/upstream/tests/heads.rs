use http::Method;
use onetag_oci::{MediaType, Reference};
use testkit::{Fault, Match, Registry};

use super::super::{Head, UpstreamError};
use super::{APP, Site, app, digest, image, status};

const SOME: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

async fn head(site: &Site, reference: &str) -> Result<Head, UpstreamError> {
    site.upstream.head(&app(), &reference.parse::<Reference>().unwrap()).await
}

#[tokio::test]
async fn a_head_is_the_request_for_the_manifest_without_its_bytes() {
    let registry = Registry::start().await;
    let image = image();
    registry.push(APP, "latest", &image);
    let site = Site::of(&registry);
    assert_eq!(head(&site, "latest").await.unwrap(), Head::Digest(digest(&image.digest())));
    assert_eq!(head(&site, "missing").await.unwrap(), Head::Absent);
    let request = &registry.requests()[0];
    assert_eq!((&request.method, &*request.path), (&Method::HEAD, "/v2/team/app/manifests/latest"));
    assert_eq!(request.header("accept"), Some(MediaType::ACCEPT_MANIFESTS));
    assert_eq!((site.counted("head", "ok"), site.counted("head", "absent")), (1, 1));
    assert_eq!(site.counted("manifest", "ok"), 0);
}

#[tokio::test]
async fn what_a_head_does_not_tell_is_unknown() {
    const NAME: &str = "docker-content-digest";
    for fault in [
        status(200, &[], ""),
        status(200, &[(NAME, "sha256:short")], ""),
        status(200, &[(NAME, SOME), (NAME, SOME)], ""),
        Fault::status(405),
        Fault::status(501),
    ] {
        let registry = Registry::start().await;
        registry.fail(Match::all(), fault.clone());
        assert_eq!(head(&Site::of(&registry), "latest").await.unwrap(), Head::Unknown, "{fault:?}");
        assert_eq!(registry.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_head_fails_and_is_asked_again_like_a_manifest() {
    for (fault, requests) in [
        (Fault::status(503), 3),
        (Fault::Reset, 3),
        (Fault::status(500), 1),
        (Fault::status(403), 1),
        (Fault::status(429), 1),
        (Fault::status(204), 1),
    ] {
        let registry = Registry::start().await;
        registry.fail(Match::all(), fault.clone());
        let error = head(&Site::of(&registry), "latest").await.unwrap_err();
        assert!(error.to_string().starts_with("HEAD http://"), "{error}");
        assert_eq!(registry.requests().len(), requests, "{fault:?}");
    }
}

#[tokio::test]
async fn a_head_answers_a_challenge() {
    let registry = Registry::builder().bearer(None).start().await;
    registry.push(APP, "latest", &image());
    let head = head(&Site::of(&registry), "latest").await.unwrap();
    assert_eq!(head, Head::Digest(digest(&image().digest())));
}
