//! What the journal holds.

use std::time::Instant;

use crate::client::{Client, get, head, request};
use crate::image::Image;
use crate::registry::{Kind, Registry};

#[tokio::test]
async fn a_request_is_recorded_with_all_that_it_said() {
    let registry = Registry::start().await;
    let before = Instant::now();
    let url = format!("{}/v2/app/manifests/latest?ns=docker.io%2Fx", registry.url());
    get(&url, &[("accept", "a"), ("accept", "b"), ("host", "mirror.example")]).await.unwrap();
    let requests = registry.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v2/app/manifests/latest"));
    assert_eq!((request.query.as_str(), request.host.as_str()), ("ns=docker.io%2Fx", "mirror.example"));
    assert_eq!(request.headers.get_all("accept").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((request.status, request.port), (404, registry.address().port()));
    assert!(request.at >= before && request.at <= Instant::now());
}

#[tokio::test]
async fn requests_are_told_apart_by_kind_and_can_be_forgotten() {
    let registry = Registry::start().await;
    let image = Image::builder("linux/amd64").build();
    let digest = registry.push("manifests/app", "latest", &image);
    let base = format!("{}/v2/", registry.url());
    head(&format!("{base}manifests/app/manifests/latest"), &[]).await.unwrap();
    get(&format!("{base}manifests/app/manifests/{digest}"), &[]).await.unwrap();
    get(&format!("{base}manifests/app/blobs/{}", image.config_digest()), &[]).await.unwrap();
    get(&base, &[]).await.unwrap();
    request("POST", &format!("{base}manifests/app/blobs/uploads/"), &[], "").await.unwrap();
    let kinds: Vec<Kind> = registry.requests().iter().map(|request| request.kind).collect();
    assert_eq!(kinds, [Kind::ManifestByTag, Kind::ManifestByDigest, Kind::Blob, Kind::Ping, Kind::Upload]);
    assert_eq!(registry.count(|request| request.method == "HEAD"), 1);
    registry.forget_requests();
    assert_eq!(registry.requests().len(), 0);
}

#[tokio::test]
async fn one_connection_carries_several_requests() {
    let registry = Registry::start().await;
    registry.push("app", "latest", &Image::builder("linux/amd64").build());
    let url = format!("{}/v2/app/manifests/latest", registry.url());
    let mut connection = Client::plain().connect(&url).await.unwrap();
    for method in ["HEAD", "GET", "HEAD"] {
        assert_eq!(connection.request(method, &url, &[], "").await.unwrap().status, 200);
    }
}
