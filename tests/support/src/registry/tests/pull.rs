//! Every route that reads.

use serde_json::json;

use crate::client::{get, head};
use crate::image::{Image, Index, buildx, media_type as mt, sbom_of, sha256, sha512};
use crate::registry::Registry;

#[tokio::test]
async fn the_base_of_the_api_answers() {
    let registry = Registry::start().await;
    let answer = get(&format!("{}/v2/", registry.url()), &[]).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(get(&format!("{}/nowhere", registry.url()), &[]).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_manifest_is_served_by_tag_and_by_either_digest() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").docker().odd_whitespace().build();
    let digest = registry.push("team/app", "latest", &image);
    assert_eq!(digest, sha256(&image.manifest));
    for (reference, shown) in [
        ("latest", &digest),
        (digest.as_str(), &digest),
        (&sha512(&image.manifest), &sha512(&image.manifest)),
    ] {
        let url = format!("{}/v2/team/app/manifests/{reference}", registry.url());
        let answer = get(&url, &[]).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, image.manifest);
        assert_eq!(answer.header("content-type"), Some(mt::DOCKER_MANIFEST));
        assert_eq!(answer.header("content-length"), Some(image.manifest.len().to_string().as_str()));
        assert_eq!(answer.header("docker-content-digest"), Some(shown.as_str()));
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").build();
    registry.push("app", "latest", &image);
    for path in ["manifests/latest".to_owned(), format!("blobs/{}", image.config_digest())] {
        let url = format!("{}/v2/app/{path}", registry.url());
        let (full, bare) = (get(&url, &[]).await.unwrap(), head(&url, &[]).await.unwrap());
        let undated = |mut headers: http::HeaderMap| {
            headers.remove("date");
            headers
        };
        assert_eq!(undated(full.headers), undated(bare.headers), "{path}");
        assert!(bare.body.is_empty() && !full.body.is_empty());
    }
}

#[tokio::test]
async fn known_content_is_not_sent_again() {
    let registry = Registry::start().await;
    let digest = registry.push("app", "latest", &Image::builder("linux/amd64").build());
    let url = format!("{}/v2/app/manifests/latest", registry.url());
    let etag = format!("\"{digest}\"");
    assert_eq!(get(&url, &[("if-none-match", &etag)]).await.unwrap().status, 304);
    assert_eq!(get(&url, &[("if-none-match", "\"other\"")]).await.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_missing_is_named_in_the_error() {
    let registry = Registry::start().await;
    registry.push("app", "latest", &Image::builder("linux/amd64").build());
    let absent = sha256("absent");
    for (path, code) in [
        ("app/manifests/other".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("app/manifests/{absent}"), "MANIFEST_UNKNOWN"),
        (format!("app/blobs/{absent}"), "BLOB_UNKNOWN"),
        ("nobody/tags/list".to_owned(), "NAME_UNKNOWN"),
    ] {
        let answer = get(&format!("{}/v2/{path}", registry.url()), &[]).await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["errors"][0]["code"], code, "{path}");
    }
}

#[tokio::test]
async fn a_blob_is_served_whole_and_in_ranges() {
    let registry = Registry::start().await;
    let digest = registry.put_blob("app", "0123456789");
    let url = format!("{}/v2/app/blobs/{digest}", registry.url());
    let whole = get(&url, &[]).await.unwrap();
    assert_eq!(
        (whole.status, whole.text().as_str(), whole.header("accept-ranges")),
        (200, "0123456789", Some("bytes"))
    );
    for (range, text, shown) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
    ] {
        let part = get(&url, &[("range", range)]).await.unwrap();
        assert_eq!(
            (part.status, part.text().as_str(), part.header("content-range")),
            (206, text, Some(shown))
        );
        assert_eq!(head(&url, &[("range", range)]).await.unwrap().status, 206);
    }
    let beyond = get(&url, &[("range", "bytes=10-")]).await.unwrap();
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(get(&url, &[("range", "lines=1-2")]).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_index_is_stored_with_all_that_it_leads_to() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/arm64/v8").build();
    let inner = buildx(&image);
    let outer = Index::oci().nested(&inner).blob("application/x", b"listed").build();
    let digest = registry.push_index("app", "multi", &outer);
    assert_eq!(registry.tag("app", "multi"), Some(digest));
    for child in [image.digest(), inner.digest(), inner.images[1].digest()] {
        assert!(registry.manifest("app", &child).is_some(), "{child}");
    }
    for blob in [image.config_digest(), inner.images[1].layers[0].digest(), sha256("listed")] {
        assert!(registry.has_blob("app", &blob), "{blob}");
    }
}

#[tokio::test]
async fn tags_are_listed_in_pages() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").build();
    for tag in ["c", "a", "b", "d"] {
        registry.push("team/app", tag, &image);
    }
    let url = format!("{}/v2/team/app/tags/list", registry.url());
    let all = get(&url, &[]).await.unwrap();
    assert_eq!(all.json(), json!({ "name": "team/app", "tags": ["a", "b", "c", "d"] }));
    assert_eq!(all.header("link"), None);
    let first = get(&format!("{url}?n=2"), &[]).await.unwrap();
    assert_eq!(first.json()["tags"], json!(["a", "b"]));
    assert_eq!(first.header("link"), Some("</v2/team/app/tags/list?last=b&n=2>; rel=\"next\""));
    let second = get(&format!("{url}?n=2&last=b"), &[]).await.unwrap();
    assert_eq!((second.json()["tags"].clone(), second.header("link")), (json!(["c", "d"]), None));
}

#[tokio::test]
async fn referrers_are_found_and_filtered() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").build();
    registry.push("app", "latest", &image);
    let sbom = registry.push("app", "", &sbom_of(&image));
    let url = format!("{}/v2/app/referrers/{}", registry.url(), image.digest());
    let all = get(&url, &[]).await.unwrap();
    assert_eq!(all.header("content-type"), Some(mt::OCI_INDEX));
    assert_eq!(all.json()["manifests"][0]["digest"], sbom);
    let none = get(&format!("{url}?artifactType=application/other"), &[]).await.unwrap();
    assert_eq!(none.json()["manifests"], json!([]));
    assert_eq!(none.header("oci-filters-applied"), Some("artifactType"));
}

#[tokio::test]
async fn deleted_content_is_gone() {
    let registry = Registry::start().await;
    let (one, two) =
        (Image::builder("linux/amd64").seed(1).build(), Image::builder("linux/amd64").seed(2).build());
    registry.push("app", "one", &one);
    registry.push("app", "again", &one);
    registry.push("app", "two", &two);
    registry.delete_manifest("app", &one.digest());
    assert_eq!((registry.tag("app", "one"), registry.tag("app", "again")), (None, None));
    registry.delete_tag("app", "two");
    assert_eq!(registry.tag("app", "two"), None);
    assert!(registry.manifest("app", &two.digest()).is_some());
}
