//! One download, many readers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::BodyExt;
use onetag_oci::{Digest, Hasher, Repository};
use tokio::task::JoinSet;

use super::super::verified::TAIL;
use super::super::{BlobBody, BlobSettings, Joined, Part};
use super::script::{Script, Step, Stream};
use super::{MIB, SETTINGS, Stage, bytes, comes_to};

#[tokio::test]
async fn fifty_readers_cost_one_stream_and_get_every_byte() {
    let (stage, blob) = (Stage::new(), bytes(3 * MIB + 5));
    let script = Script::steps(&blob, vec![Step::To(MIB), Step::Wait, Step::To(blob.len())]);
    let readers: Vec<_> = (0..50).map(|_| stage.reader(&script, 0, None)).collect();
    script.go_on();
    for read in join_all(readers).await {
        assert!(read.unwrap() == blob);
    }
    stage.settled().await;
    assert_eq!(script.opened(), [0]);
    assert!(stage.has(&script).await);
    assert_eq!((stage.metrics.blob_cache_files.get(), stage.arriving()), (1, 0));
    let rounded = i64::try_from(3 * MIB + 4096).unwrap();
    assert_eq!(stage.metrics.blob_cache_bytes.get(), rounded);
}

#[tokio::test]
async fn a_late_joiner_gets_what_came_before_and_follows() {
    let (stage, blob) = (Stage::new(), bytes(2 * MIB));
    let script = Script::steps(&blob, vec![Step::To(MIB), Step::Wait, Step::To(blob.len())]);
    let mut first = stage.join(&script);
    assert!(first.ready(MIB as u64 - 1).await.unwrap());
    let late = stage.reader(&script, 0, None);
    let part = stage.reader(&script, 1_500_000, Some(1_500_010));
    script.go_on();
    assert!(late.await.unwrap() == blob);
    assert!(part.await.unwrap() == blob[1_500_000..1_500_010]);
    assert_eq!(script.opened(), [0]);
}

#[tokio::test]
async fn the_tail_is_held_back_until_the_blob_is_right() {
    for total in [Some(MIB as u64), None] {
        let (stage, blob) = (Stage::new(), bytes(MIB));
        let steps = vec![Step::To(MIB - 10), Step::Wait, Step::To(MIB)];
        let script = Script::with(&blob, vec![Stream::Of(steps, total)]);
        let follower = stage.join(&script);
        let part = Part { digest: script.digest.clone(), first: 0, end: None, feed: script.feed() };
        let mut body = BlobBody::following(&stage.blobs, follower, part);
        let free = MIB - usize::try_from(TAIL).unwrap() - if total.is_some() { 0 } else { 10 };
        let mut read = Vec::new();
        while read.len() < free {
            read.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        let late = tokio::time::timeout(Duration::from_millis(100), body.frame()).await;
        assert!(late.is_err() && read.len() == free, "{}", read.len());
        script.go_on();
        while let Some(frame) = body.frame().await {
            read.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert!(read == blob);
    }
}

#[tokio::test]
async fn a_wrong_blob_gives_nobody_its_tail_and_is_not_kept() {
    let blob = bytes(MIB);
    let mut other = blob.clone();
    other[MIB - 1] ^= 1;
    let longer = [&blob[..], b"x"].concat();
    let lies = [
        (vec![Step::Bytes(other)], Some(MIB as u64)),
        (vec![Step::Bytes(longer.clone())], Some(MIB as u64)),
        (vec![Step::Bytes(longer.clone())], Some(MIB as u64 + 1)),
        (vec![Step::Bytes(longer)], None),
        (vec![Step::To(MIB - 1)], Some(MIB as u64)),
        (vec![Step::To(MIB - 1)], None),
        (vec![Step::To(MIB)], Some(MIB as u64 + 1)),
        (vec![], Some(0)),
        (vec![], None),
    ];
    for (number, (steps, total)) in lies.into_iter().enumerate() {
        let stage = Stage::new();
        let script = Script::with(&blob, vec![Stream::Of(steps, total)]);
        let readers = [stage.reader(&script, 0, None), stage.reader(&script, 0, None)];
        for read in join_all(readers).await {
            assert!(read.unwrap_err().is_wrong(), "lie {number}");
        }
        stage.settled().await;
        assert_eq!((script.opened(), stage.arriving()), (vec![0], 0), "lie {number}");
        assert_eq!(stage.metrics.blobs_wrong.get(), 1, "lie {number}");
        assert!(stage.found(&script.digest).await.is_none(), "lie {number}");
        assert!(stage.pull(&script).await.unwrap() == blob, "lie {number}");
    }
}

#[tokio::test]
async fn a_blob_may_have_a_sha512_or_no_bytes_at_all() {
    let stage = Stage::new();
    let blob = bytes(100_000);
    let empty: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    let mut hasher: Hasher = empty.hasher();
    hasher.update(&blob);
    let script = Script::named(&blob, hasher.finish(), Vec::new());
    assert!(stage.pull(&script).await.unwrap() == blob);
    stage.settled().await;
    assert!(stage.path(&script.digest).to_str().unwrap().contains("/sha512/"));
    let none = stage.fill(b"").await;
    let stage = stage.restarted();
    assert!(stage.has(&script).await && stage.has(&none).await);
}

#[tokio::test]
async fn half_of_the_readers_may_leave() {
    let (stage, blob) = (Stage::with(BlobSettings { finish: false, ..SETTINGS }), bytes(2 * MIB));
    let script = Script::steps(&blob, vec![Step::To(MIB), Step::Wait, Step::To(blob.len())]);
    let mut readers = JoinSet::new();
    let leavers: Vec<_> =
        (0..20).map(|number| (number % 2, readers.spawn(stage.reader(&script, 0, None)))).collect();
    tokio::task::yield_now().await;
    leavers.iter().filter(|(odd, _)| *odd == 1).for_each(|(_, reader)| reader.abort());
    script.go_on();
    let mut stayed = 0;
    while let Some(read) = readers.join_next().await {
        if let Ok(read) = read {
            assert!(read.unwrap() == blob);
            stayed += 1;
        }
    }
    assert_eq!(stayed, 10);
    stage.settled().await;
    assert!(stage.has(&script).await);
    assert_eq!(script.opened(), [0]);
}

#[tokio::test]
async fn without_readers_a_download_goes_on_or_ends_as_it_is_told() {
    for finish in [true, false] {
        let (stage, blob) = (Stage::with(BlobSettings { finish, ..SETTINGS }), bytes(2 * MIB));
        let script = Script::steps(&blob, vec![Step::To(MIB), Step::Wait, Step::To(blob.len())]);
        let mut reader = stage.join(&script);
        assert!(reader.ready(1000).await.unwrap());
        comes_to(&stage.metrics.blob_arrivals, 1).await;
        drop(reader);
        if finish {
            script.go_on();
        }
        stage.settled().await;
        assert_eq!((script.is_open(), stage.arriving()), (false, 0));
        assert_eq!(stage.has(&script).await, finish);
        assert_eq!(stage.metrics.blob_readers.get(), 0);
        script.go_on();
        assert!(finish || stage.pull(&script).await.unwrap() == blob);
    }
}

#[tokio::test]
async fn another_repository_joins_only_if_it_is_allowed() {
    let (stage, blob) = (Stage::new(), bytes(1000));
    let script = Script::steps(&blob, vec![Step::Wait, Step::To(1000)]);
    let _first = stage.join(&script);
    let other: Repository = "other".parse().unwrap();
    let join = |allowed| stage.blobs.join(&script.digest, &other, allowed, &script.feed());
    assert!(matches!(join(false), Joined::Foreign));
    assert!(matches!(join(true), Joined::Joined(_)));
    let follow = |allowed| stage.blobs.follow(&script.digest, &other, allowed);
    assert!(matches!(follow(false), Joined::Foreign));
    assert!(matches!(follow(true), Joined::Joined(_)));
    script.go_on();
    stage.settled().await;
    assert!(matches!(join(true), Joined::Here) && matches!(follow(true), Joined::Closed));
}

#[tokio::test]
async fn what_is_absent_or_refused_is_told_before_the_first_byte() {
    let (stage, blob) = (Stage::new(), bytes(1000));
    let script = Script::with(&blob, vec![Stream::Absent, Stream::Refused { transient: true }]);
    assert!(!stage.join(&script).ready(0).await.unwrap());
    assert!(stage.join(&script).ready(0).await.is_err());
    assert!(stage.join(&script).ready(0).await.unwrap());
    assert_eq!(script.opened(), [0, 0, 0]);
    assert_eq!(script.open.load(Ordering::SeqCst), 0);
}
