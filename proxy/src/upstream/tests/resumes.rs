use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use testkit::{Fault, Match, Registry};

use super::super::{BlobRange, ErrorKind, UpstreamError, Wrong};
use super::{APP, Site, app, digest, status, with_account};

type Check = fn(&ErrorKind) -> bool;

/// A registry, a blob in it, and its name.
async fn registry_with_blob() -> (Registry, Vec<u8>, String) {
    let registry = Registry::start().await;
    let (bytes, name) = blob_in(&registry);
    (registry, bytes, name)
}

fn blob_in(registry: &Registry) -> (Vec<u8>, String) {
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let name = registry.put_blob(APP, &bytes);
    (bytes, name)
}

/// All bytes of a blob, or of a range of it.
async fn read(site: &Site, name: &str, range: Option<&'static str>) -> Result<Vec<u8>, UpstreamError> {
    let range = range.map(|range| BlobRange { range: HeaderValue::from_static(range), if_range: None });
    let response = site.upstream.blob(&app(), &digest(name), Method::GET, range).await?;
    response.into_body().collect().await.map(|all| all.to_bytes().to_vec())
}

fn ranges(registry: &Registry) -> Vec<Option<String>> {
    registry.requests().iter().map(|request| request.header("range").map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_cut_blob_goes_on_where_it_was_cut() {
    let (registry, bytes, name) = registry_with_blob().await;
    registry.fail_times(1, Match::blob(&name), Fault::Cut { after: 1000 });
    let site = Site::of(&registry);
    assert!(read(&site, &name, None).await.unwrap() == bytes);
    assert_eq!(ranges(&registry), [None, Some("bytes=1000-1199999".to_owned())]);
    assert_eq!(site.counted("blob", "ok"), 2);
}

#[tokio::test]
async fn as_long_as_bytes_come_it_goes_on() {
    let (registry, bytes, name) = registry_with_blob().await;
    registry.fail_times(6, Match::blob(&name), Fault::Cut { after: 70_000 });
    assert!(read(&Site::of(&registry), &name, None).await.unwrap() == bytes);
    assert_eq!(registry.requests().len(), 7);
}

#[tokio::test]
async fn a_cut_range_goes_on_within_the_range() {
    let (registry, bytes, name) = registry_with_blob().await;
    registry.fail_times(1, Match::blob(&name), Fault::Cut { after: 100 });
    let site = Site::of(&registry);
    assert!(read(&site, &name, Some("bytes=5000-5999")).await.unwrap() == bytes[5000..6000]);
    assert_eq!(ranges(&registry)[1].as_deref(), Some("bytes=5100-5999"));
}

#[tokio::test]
async fn three_failures_without_a_byte_are_ridden_out_and_a_fourth_is_not() {
    for (failures, whole) in [(3, true), (4, false)] {
        let (registry, bytes, name) = registry_with_blob().await;
        registry.fail_times(1, Match::blob(&name), Fault::Cut { after: 1000 });
        // One failure is the cut itself.
        registry.fail_times(failures - 1, Match::blob(&name), Fault::status(503));
        let site = Site::of(&registry);
        match read(&site, &name, None).await {
            Ok(read) => assert!(whole && read == bytes),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Status { .. }), "{error}");
                assert!(!whole);
            }
        }
        assert_eq!(registry.requests().len(), 4);
    }
}

#[tokio::test]
async fn a_few_bytes_between_cuts_are_no_progress() {
    let (registry, _, name) = registry_with_blob().await;
    registry.fail(Match::blob(&name), Fault::Cut { after: 20_000 });
    let error = read(&Site::of(&registry), &name, None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{error}");
    assert_eq!(registry.requests().len(), 4);
}

#[tokio::test]
async fn a_resumption_goes_through_challenge_and_redirect() {
    let registry = Registry::builder().basic("jo", "secret").start().await;
    let (bytes, name) = blob_in(&registry);
    let storage = registry.redirect_blobs_to_second_server().await;
    storage.fail_times(2, Match::all(), Fault::Cut { after: 1000 });
    let site = Site::new(&with_account(&registry.url(), "jo", "secret"));
    assert!(read(&site, &name, None).await.unwrap() == bytes);
    assert_eq!(storage.requests().len(), 3);
    assert!(storage.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn an_answer_that_is_not_the_rest_ends_the_stream_with_an_error() {
    let cases: [(Fault, Check); 5] = [
        (status(206, &[("content-range", "bytes 999-1199999/1200000")], "x"), |k| {
            matches!(k, ErrorKind::Wrong(Wrong::Range))
        }),
        (status(206, &[("content-range", "bytes 1000-1000/1200000")], "x"), |k| {
            matches!(k, ErrorKind::Wrong(Wrong::Range))
        }),
        (status(206, &[], "x"), |k| matches!(k, ErrorKind::Wrong(Wrong::Range))),
        (status(200, &[], "x"), |k| matches!(k, ErrorKind::Wrong(Wrong::Unexpected(StatusCode::OK)))),
        (Fault::status(404), |k| matches!(k, ErrorKind::Status { .. })),
    ];
    for (fault, expected) in cases {
        let (registry, _, name) = registry_with_blob().await;
        registry.fail_times(1, Match::blob(&name), Fault::Cut { after: 1000 });
        registry.fail(Match::blob(&name), fault);
        let error = read(&Site::of(&registry), &name, None).await.unwrap_err();
        assert!(expected(error.kind()), "{error}");
        assert_eq!(registry.requests().len(), 2);
    }
}

#[tokio::test]
async fn more_bytes_than_the_rest_are_an_error() {
    let (registry, _, name) = registry_with_blob().await;
    registry.fail_times(1, Match::blob(&name), Fault::Cut { after: 1000 });
    let (length, too_many) = (1_300_000, "x".repeat(1_300_000));
    let unmeasured = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1000-1199999/1200000\r\n\
         Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{too_many}\r\n0\r\n\r\n"
    );
    registry.fail_times(1, Match::blob(&name), Fault::Garbage(unmeasured.into_bytes()));
    let error = read(&Site::of(&registry), &name, None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Wrong(Wrong::TooLarge { .. })), "{error}");
}

#[tokio::test]
async fn too_few_bytes_are_never_complete() {
    let (registry, _, name) = registry_with_blob().await;
    registry.fail(Match::blob(&name), Fault::Cut { after: 0 });
    let error = read(&Site::of(&registry), &name, None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{error}");
    assert_eq!(registry.requests().len(), 4);
}
