//! Every route that writes.

use crate::client::{Response, get, request};
use crate::image::{Image, buildx, media_type as mt, sbom_of, sha256, sha512};
use crate::registry::Registry;

async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    request(method, url, headers, body.to_vec()).await.unwrap()
}

async fn open_upload(registry: &Registry, repository: &str) -> String {
    let opened = send("POST", &format!("{}/v2/{repository}/blobs/uploads/", registry.url()), &[], b"").await;
    assert_eq!(opened.status, 202);
    opened.header("location").unwrap().to_owned()
}

#[tokio::test]
async fn a_blob_goes_up_in_chunks() {
    let registry = Registry::start().await;
    let first = open_upload(&registry, "team/app").await;
    assert!(first.starts_with(&registry.url()), "most registries send absolute locations: {first}");
    let one = send("PATCH", &first, &[("content-range", "0-4")], b"01234").await;
    assert_eq!((one.status, one.header("range")), (202, Some("0-4")));
    let second = one.header("location").unwrap();
    let late = send("PATCH", second, &[("content-range", "7-9")], b"789").await;
    assert_eq!(late.status, 416);
    let two = send("PATCH", late.header("location").unwrap(), &[], b"56789").await;
    let third = format!("{}&digest={}", two.header("location").unwrap(), sha512("0123456789"));
    let done = send("PUT", &third, &[], b"").await;
    assert_eq!(done.status, 201, "{}", done.text());
    assert!(registry.has_blob("team/app", &sha256("0123456789")));
}

#[tokio::test]
async fn the_state_in_a_location_must_come_back_untouched() {
    let registry = Registry::start().await;
    let location = open_upload(&registry, "app").await;
    let decoded = location.replace("%2B", "+").replace("%3D", "=");
    assert_ne!(location, decoded);
    assert_eq!(send("PATCH", &decoded, &[], b"x").await.status, 400);
    let (bare, _state) = location.split_once('?').unwrap();
    assert_eq!(send("PATCH", bare, &[], b"x").await.status, 400);
    assert_eq!(send("PATCH", &location, &[], b"x").await.status, 202);
}

#[tokio::test]
async fn a_blob_goes_up_in_one_request_and_wrong_bytes_do_not() {
    let registry = Registry::start().await;
    let uploads = format!("{}/v2/app/blobs/uploads/", registry.url());
    let digest = sha256("whole");
    let done = send("POST", &format!("{uploads}?digest={digest}"), &[], b"whole").await;
    assert_eq!((done.status, done.header("docker-content-digest")), (201, Some(digest.as_str())));
    let wrong = send("POST", &format!("{uploads}?digest={digest}"), &[], b"other").await;
    assert_eq!((wrong.status, wrong.json()["errors"][0]["code"].as_str()), (400, Some("DIGEST_INVALID")));
    let put = format!("{}&digest={digest}", open_upload(&registry, "two").await);
    assert_eq!(send("PUT", &put, &[], b"whole").await.status, 201);
    assert!(registry.has_blob("two", &digest));
}

#[tokio::test]
async fn a_blob_is_mounted_or_an_upload_opened() {
    let registry = Registry::start().await;
    let digest = registry.put_blob("source", "shared");
    let mount = |digest: &str| format!("{}/v2/app/blobs/uploads/?mount={digest}&from=source", registry.url());
    assert_eq!(send("POST", &mount(&digest), &[], b"").await.status, 201);
    assert!(registry.has_blob("app", &digest));
    assert_eq!(send("POST", &mount(&sha256("absent")), &[], b"").await.status, 202);
}

#[tokio::test]
async fn an_upload_can_be_asked_for_and_cancelled() {
    let registry = Registry::builder().relative_locations().start().await;
    let location = open_upload(&registry, "app").await;
    assert!(location.starts_with("/v2/app/blobs/uploads/"), "{location}");
    let asked = send("GET", &format!("{}{location}", registry.url()), &[], b"").await;
    assert_eq!((asked.status, asked.header("content-length")), (204, None));
    let next = format!("{}{}", registry.url(), asked.header("location").unwrap());
    assert_eq!(send("DELETE", &next, &[], b"").await.status, 204);
    let gone = send("PATCH", &next, &[], b"x").await;
    assert_eq!((gone.status, gone.json()["errors"][0]["code"].as_str()), (404, Some("BLOB_UPLOAD_UNKNOWN")));
}

#[tokio::test]
async fn a_manifest_is_refused_until_its_content_is_there() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").build();
    let url = format!("{}/v2/app/manifests/latest", registry.url());
    let typed = [("content-type", mt::OCI_MANIFEST)];
    let early = send("PUT", &url, &typed, &image.manifest).await;
    assert_eq!(
        (early.status, early.json()["errors"][0]["code"].as_str()),
        (400, Some("MANIFEST_BLOB_UNKNOWN"))
    );
    for blob in image.blobs() {
        registry.put_blob("app", blob);
    }
    let done = send("PUT", &url, &typed, &image.manifest).await;
    assert_eq!((done.status, done.header("docker-content-digest")), (201, Some(image.digest().as_str())));
    assert_eq!(registry.tag("app", "latest"), Some(image.digest()));
    let index = buildx(&image);
    let early = send("PUT", &url, &[("content-type", mt::OCI_INDEX)], &index.manifest).await;
    assert_eq!(early.status, 400, "the attestation is missing");
    let sbom = sbom_of(&image);
    for blob in sbom.blobs() {
        registry.put_blob("app", blob);
    }
    let by_digest = format!("{}/v2/app/manifests/{}", registry.url(), sbom.digest());
    let done = send("PUT", &by_digest, &typed, &sbom.manifest).await;
    assert_eq!((done.status, done.header("oci-subject")), (201, Some(image.digest().as_str())));
}

#[tokio::test]
async fn a_manifest_that_contradicts_its_request_is_refused() {
    let registry = Registry::start().await;
    let url = |reference: &str| format!("{}/v2/app/manifests/{reference}", registry.url());
    let body = format!("{{\"mediaType\":\"{}\"}}", mt::OCI_INDEX);
    let typed = [("content-type", mt::OCI_INDEX)];
    for (reference, headers, body, code) in [
        (sha256("other"), &typed[..], body.as_str(), "DIGEST_INVALID"),
        ("t".to_owned(), &[("content-type", mt::OCI_MANIFEST)][..], &body, "MANIFEST_INVALID"),
        ("t".to_owned(), &typed[..], "no json", "MANIFEST_INVALID"),
    ] {
        let refused = send("PUT", &url(&reference), headers, body.as_bytes()).await;
        assert_eq!((refused.status, refused.json()["errors"][0]["code"].as_str()), (400, Some(code)));
    }
    assert_eq!(send("PUT", &url("t"), &typed, body.as_bytes()).await.status, 201);
}

#[tokio::test]
async fn manifests_tags_and_blobs_can_be_deleted() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").build();
    registry.push("app", "one", &image);
    registry.push("app", "two", &image);
    let url = |rest: &str| format!("{}/v2/app/{rest}", registry.url());
    assert_eq!(send("DELETE", &url("manifests/one"), &[], b"").await.status, 202);
    assert_eq!(get(&url("manifests/two"), &[]).await.unwrap().status, 200);
    assert_eq!(send("DELETE", &url(&format!("manifests/{}", image.digest())), &[], b"").await.status, 202);
    assert_eq!(get(&url("manifests/two"), &[]).await.unwrap().status, 404);
    let blob = url(&format!("blobs/{}", image.config_digest()));
    assert_eq!(send("DELETE", &blob, &[], b"").await.status, 202);
    assert_eq!(send("DELETE", &blob, &[], b"").await.status, 404);
    assert_eq!(send("PUT", &blob, &[], b"").await.status, 405);
}
