//! A disk in trouble never fails a pull (threat T30).

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use super::super::verified::TAIL;
use super::super::{BlobError, BlobSettings, Joined};
use super::script::{Script, Step, Stream};
use super::{MIB, SETTINGS, Stage, bytes, eventually, repository};

/// A cache whose disk is full from this offset on.
fn full_at(offset: u64) -> Stage {
    Stage::over(tempfile::tempdir().unwrap(), SETTINGS, move |at| at < offset)
}

fn is_closed(stage: &Stage) -> bool {
    let other = Script::of(b"another");
    matches!(stage.blobs.join(&other.digest, &repository(), false, &other.feed()), Joined::Closed)
}

#[tokio::test]
async fn each_reader_goes_on_by_itself_where_a_write_failed() {
    let size = 2 * MIB as u64;
    for full in [0, 1, TAIL, 700_000, size - TAIL, size - TAIL + 10, 2_090_000] {
        for total in [Some(size), None] {
            let (stage, blob) = (full_at(full), bytes(2 * MIB));
            let whole = vec![Step::To(50_000), Step::Wait, Step::To(2 * MIB)];
            let script = Script::with(&blob, vec![Stream::Of(whole, total)]);
            let parts = [(0, None), (0, None), (400_000, Some(900_000)), (size - 10, Some(size))];
            let readers: Vec<_> =
                parts.iter().map(|(first, end)| stage.reader(&script, *first, *end)).collect();
            script.go_on();
            for ((first, end), read) in parts.into_iter().zip(join_all(readers).await) {
                let (first, end) =
                    (usize::try_from(first).unwrap(), usize::try_from(end.unwrap_or(size)).unwrap());
                assert!(read.unwrap() == blob[first..end], "full at {full}, {total:?}, {first}");
            }
            stage.settled().await;
            let written = script.opened()[1];
            assert!(written <= full + 300_000 && script.opened()[1..].iter().all(|from| *from == written));
            assert_eq!((stage.metrics.blob_disk_errors.get(), stage.arriving()), (1, 0));
            assert!(stage.found(&script.digest).await.is_none() && is_closed(&stage));
        }
    }
}

#[tokio::test]
async fn what_follows_a_failed_write_is_verified_all_the_same() {
    let (stage, mut lie) = (full_at(700_000), bytes(2 * MIB));
    lie[1_500_000] ^= 1;
    let total = Some(2 * MIB as u64);
    let script = Script::with(
        &bytes(2 * MIB),
        vec![
            Stream::Of(vec![Step::To(2 * MIB)], total),
            Stream::Of(vec![Step::Bytes(lie[700_000..].to_vec())], total),
        ],
    );
    // What is written ends with a frame of the script.
    let read = stage.pull(&script).await;
    assert!(matches!(read, Err(BlobError::Digest(_))), "{:?}", read.map(|bytes| bytes.len()));
    assert_eq!(script.opened(), [0, 700_000]);
    assert_eq!(stage.metrics.blobs_wrong.get(), 1);
}

#[tokio::test]
async fn without_a_file_the_open_stream_is_used() {
    let (stage, blob) = (Stage::new(), bytes(MIB));
    fs::remove_dir(stage.directory.path().join("arriving")).unwrap();
    fs::write(stage.directory.path().join("arriving"), "in the way").unwrap();
    let script = Script::of(&blob);
    assert!(stage.pull(&script).await.unwrap() == blob);
    assert_eq!(script.opened(), [0]);
    assert!(is_closed(&stage));
}

#[tokio::test]
async fn a_directory_that_was_deleted_is_made_anew() {
    let stage = Stage::new();
    let lost = stage.fill(&bytes(1000)).await;
    fs::remove_dir_all(stage.directory.path()).unwrap();
    assert!(!stage.has(&lost).await);
    let script = stage.fill(&bytes(MIB)).await;
    assert!(stage.has(&script).await);
}

#[tokio::test]
async fn a_blob_that_cannot_be_moved_to_its_place_reaches_its_readers() {
    let (stage, blob) = (Stage::new(), bytes(MIB));
    fs::write(stage.directory.path().join("sha256"), "in the way").unwrap();
    let script = Script::of(&blob);
    assert!(stage.pull(&script).await.unwrap() == blob);
    stage.settled().await;
    assert_eq!((stage.arriving(), stage.metrics.blob_disk_errors.get()), (0, 1));
    assert!(stage.found(&script.digest).await.is_none());
}

#[tokio::test]
async fn what_is_larger_than_the_cache_passes_it() {
    let settings = BlobSettings { max_bytes: 500_000, ..SETTINGS };
    for total in [Some(MIB as u64), None] {
        let (stage, blob) = (Stage::with(settings), bytes(MIB));
        let small = stage.fill(&bytes(300_000)).await;
        let script = Script::with(&blob, vec![Stream::Of(vec![Step::To(MIB)], total)]);
        assert!(stage.pull(&script).await.unwrap() == blob);
        stage.settled().await;
        let opened = if total.is_some() { 1 } else { 2 };
        assert_eq!((script.opened().len(), stage.metrics.blob_disk_errors.get()), (opened, 0));
        assert!(stage.found(&script.digest).await.is_none());
        // What does not tell its size takes room until it is found to be too large.
        assert_eq!(stage.has(&small).await, total.is_some());
        assert!(!is_closed(&stage));
    }
}

#[tokio::test]
async fn arrivals_together_take_no_more_than_the_cache_may_have() {
    let stage = Stage::with(BlobSettings { max_bytes: 1_000_000, ..SETTINGS });
    let [one, two] = [600_000, 600_001]
        .map(|size| Script::steps(&bytes(size), vec![Step::To(100_000), Step::Wait, Step::To(size)]));
    let first = stage.reader(&one, 0, None);
    stage.join(&one).opened().await.unwrap();
    let second = stage.reader(&two, 0, None);
    one.go_on();
    two.go_on();
    assert!(first.await.unwrap() == one.blob);
    assert!(second.await.unwrap() == two.blob);
    stage.settled().await;
    assert_eq!((stage.has(&one).await, stage.has(&two).await), (true, false));
}

#[tokio::test]
async fn a_disk_that_works_again_is_used_again_after_a_while() {
    let broken = Arc::new(AtomicBool::new(true));
    let works = Arc::clone(&broken);
    let stage = Stage::over(tempfile::tempdir().unwrap(), SETTINGS, move |_| !works.load(Ordering::SeqCst));
    let script = Script::of(&bytes(1000));
    assert!(stage.pull(&script).await.is_ok());
    broken.store(false, Ordering::SeqCst);
    assert!(is_closed(&stage));
    eventually(|| !is_closed(&stage)).await;
    stage.settled().await;
    assert!(stage.pull(&script).await.is_ok());
    stage.settled().await;
    assert!(stage.has(&script).await);
}
