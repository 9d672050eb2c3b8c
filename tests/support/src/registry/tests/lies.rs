//! Faults of the body and of what is said about it, and the chooser.

use crate::client::{Error, get, head};
use crate::registry::{Fault, Match, Registry};

const CONTENT: &[u8] = b"0123456789";

/// A registry with one blob, the blob's address, and this fault of it.
async fn lying(fault: Fault) -> (Registry, String) {
    let registry = Registry::start().await;
    let digest = registry.put_blob("app", CONTENT);
    let url = format!("{}/v2/app/blobs/{digest}", registry.url());
    registry.fail(Match::all(), fault);
    (registry, url)
}

#[tokio::test]
async fn one_bit_is_turned_round_wherever_it_is_counted_from() {
    for bit in [9, 9 + 8 * CONTENT.len()] {
        let (_registry, url) = lying(Fault::FlipBit(bit)).await;
        let got = get(&url, &[]).await.unwrap();
        assert_eq!((got.status, got.body.as_ref()), (200, &b"0323456789"[..]));
    }
}

#[tokio::test]
async fn a_body_is_shorter_or_longer_and_its_length_agrees() {
    for (fault, body) in [
        (Fault::Shortened(3), &b"0123456"[..]),
        (Fault::Shortened(30), b""),
        (Fault::Lengthened(b"ab".to_vec()), b"0123456789ab"),
    ] {
        let (_registry, url) = lying(fault).await;
        let got = get(&url, &[]).await.unwrap();
        assert_eq!((got.status, got.body.as_ref()), (200, body));
        assert_eq!(got.header("content-length"), Some(&*body.len().to_string()));
    }
}

#[tokio::test]
async fn more_is_promised_than_comes() {
    let (_registry, url) = lying(Fault::Promised(2)).await;
    let Err(Error::Body { partial, .. }) = get(&url, &[]).await else { panic!("a body that breaks off") };
    assert_eq!((partial.header("content-length"), &partial.body[..]), (Some("12"), CONTENT));
    assert_eq!(head(&url, &[]).await.unwrap().header("content-length"), Some("12"));
}

#[tokio::test]
async fn the_status_and_headers_are_others_and_the_body_is_the_same() {
    let headers = vec![("Content-Range".to_owned(), "bytes 0-9/99".to_owned())];
    let (_registry, url) = lying(Fault::Altered { code: Some(206), headers }).await;
    let got = get(&url, &[]).await.unwrap();
    assert_eq!((got.status, got.body.as_ref()), (206, CONTENT));
    assert_eq!(got.header("content-range"), Some("bytes 0-9/99"));
}

#[tokio::test]
async fn a_chooser_sees_each_request_that_no_fault_is_for_until_the_registry_is_healed() {
    let (registry, url) = lying(Fault::status(503)).await;
    let fault = registry.fail_times(1, Match::all(), Fault::status(500));
    registry.fail_by(|request| request.header("range").map(|_| Fault::status(418)));
    assert_eq!(get(&url, &[("range", "bytes=0-1")]).await.unwrap().status, 503);
    registry.heal();
    assert_eq!(registry.hits(fault), 0);
    registry.fail_by(|request| request.header("range").map(|_| Fault::status(418)));
    assert_eq!(get(&url, &[("range", "bytes=0-1")]).await.unwrap().status, 418);
    assert_eq!(get(&url, &[]).await.unwrap().status, 200);
    registry.heal();
    assert_eq!(get(&url, &[("range", "bytes=0-1")]).await.unwrap().status, 206);
}
