//! What lies on the disk: across restarts, damaged, and too much.

use std::fs::{self, FileTimes, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use onetag_oci::Digest;

use super::super::disk::Call;
use super::super::{BlobBody, BlobSettings, Part};
use super::script::{Script, Step};
use super::{MIB, SETTINGS, Stage, bytes, comes_to, eventually, read};

#[tokio::test]
async fn a_restart_finds_the_blobs_and_clears_what_was_arriving() {
    let stage = Stage::new();
    let script = stage.fill(&bytes(MIB)).await;
    fs::write(stage.directory.path().join("arriving/7"), "half").unwrap();
    for stray in ["sha256/README", "sha256/ab/cd", "sha1/ab/cd", "stray"] {
        let path = stage.directory.path().join(stray);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "not a blob").unwrap();
    }
    let stage = stage.restarted();
    assert_eq!((stage.arriving(), stage.metrics.blob_cache_files.get()), (0, 1));
    assert_eq!(stage.blobs.size(&script.digest), Some(MIB as u64));
    assert!(stage.has(&script).await);
    assert_eq!(script.opened(), [0]);
}

#[tokio::test]
async fn a_damaged_file_is_never_served_and_goes_away() {
    let damage: [fn(&fs::File); 5] = [
        |file| file.write_all_at(&[!bytes(1)[0]], 0).unwrap(),
        |file| file.write_all_at(b"??", 500_000).unwrap(),
        |file| file.write_all_at(b"?", MIB as u64 - 1).unwrap(),
        |file| file.set_len(MIB as u64 - 1).unwrap(),
        |file| file.write_all_at(b"?", MIB as u64).unwrap(),
    ];
    for (number, damage) in damage.into_iter().enumerate() {
        for restart in [true, false] {
            let mut stage = Stage::new();
            let script = stage.fill(&bytes(MIB)).await;
            damage(&OpenOptions::new().write(true).open(stage.path(&script.digest)).unwrap());
            if restart {
                stage = stage.restarted();
            }
            assert!(stage.found(&script.digest).await.is_none(), "{number} {restart}");
            assert!(!stage.path(&script.digest).exists(), "{number} {restart}");
            assert_eq!(stage.metrics.blobs_damaged.get(), 1);
            assert!(stage.pull(&script).await.unwrap() == script.blob);
            stage.settled().await;
            assert!(stage.has(&script).await, "{number} {restart}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_written_to_while_it_is_open_is_verified_anew() {
    let stage = Stage::new();
    let script = stage.fill(&bytes(MIB)).await;
    let (held, _) = stage.found(&script.digest).await.unwrap();
    let file = OpenOptions::new().write(true).open(stage.path(&script.digest)).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(5))).unwrap();
    assert!(stage.has(&script).await, "its bytes are right");
    file.write_all_at(b"?", 7).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(9))).unwrap();
    assert!(stage.found(&script.digest).await.is_none());
    drop(held);
}

#[tokio::test]
async fn a_hundred_callers_of_an_unverified_file_share_one_hashing_and_one_file() {
    let stage = Stage::new();
    let script = stage.fill(&bytes(4 * MIB)).await;
    let stage = stage.restarted();
    let found = join_all((0..100).map(|_| stage.found(&script.digest))).await;
    let first = &found[0].as_ref().unwrap().0;
    assert!(found.iter().all(|other| Arc::ptr_eq(first, &other.as_ref().unwrap().0)));
}

#[tokio::test]
async fn a_deleted_file_is_missing() {
    let stage = Stage::new();
    let script = stage.fill(&bytes(1000)).await;
    fs::remove_file(stage.path(&script.digest)).unwrap();
    assert!(stage.found(&script.digest).await.is_none());
    assert_eq!((stage.blobs.size(&script.digest), stage.metrics.blob_disk_errors.get()), (None, 0));
}

#[tokio::test]
async fn what_was_used_longest_ago_goes_first_and_its_reader_keeps_it() {
    let stage = Stage::with(BlobSettings { max_bytes: 1 << 20, ..SETTINGS });
    let mut scripts = Vec::new();
    for number in 0..4_u8 {
        scripts.push(stage.fill(&[&[number][..], &bytes(200_000)].concat()).await);
    }
    let (file, size) = stage.found(&scripts[1].digest).await.unwrap();
    let part = Part { digest: scripts[1].digest.clone(), first: 0, end: Some(size), feed: scripts[1].feed() };
    let reading = BlobBody::of_file(&stage.blobs, file, part);
    stage.found(&scripts[0].digest).await.unwrap();
    stage.fill(&bytes(500_000)).await;
    let left: Vec<_> = scripts.iter().map(|script| stage.path(&script.digest).exists()).collect();
    assert_eq!(left, [true, true, false, false]);
    assert_eq!(stage.metrics.blobs_evicted.get(), 2);
    stage.fill(&bytes(900_000)).await;
    assert!(!stage.path(&scripts[1].digest).exists());
    assert!(read(reading).await.unwrap() == scripts[1].blob);
}

#[tokio::test]
async fn what_is_only_announced_removes_nothing() {
    let stage = Stage::with(BlobSettings { max_bytes: 10 << 20, ..SETTINGS });
    let old = stage.fill(&bytes(MIB)).await;
    let blob = bytes(10 * MIB - 10_000);
    let script = Script::steps(&blob, vec![Step::To(50_000), Step::Wait, Step::To(blob.len())]);
    let reading = stage.reader(&script, 0, None);
    stage.join(&script).ready(0).await.unwrap();
    assert!(stage.path(&old.digest).exists());
    script.go_on();
    assert!(reading.await.unwrap() == blob);
    stage.settled().await;
    assert!(!stage.path(&old.digest).exists() && stage.has(&script).await);
    assert_eq!(stage.metrics.blobs_evicted.get(), 1);
}

#[tokio::test]
async fn a_blob_that_is_fetched_anew_is_not_removed_in_the_place_of_the_old_one() {
    // The old one has left the index, and its removal hangs; then the new one comes.
    let (removing, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (told, until) = (Arc::clone(&removing), Arc::clone(&go_on));
    let before = move |call| {
        while call == Call::Remove && !until.load(Ordering::SeqCst) {
            told.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    let settings = BlobSettings { max_bytes: MIB as u64, ..SETTINGS };
    let directory = tempfile::tempdir().unwrap();
    let stage = Stage::on(directory, settings, Duration::from_millis(200), Box::new(before));
    let old = stage.fill(&bytes(400_000)).await;
    let large = Script::of(&bytes(700_000));
    assert!(stage.pull(&large).await.unwrap() == large.blob);
    assert!(removing.load(Ordering::SeqCst) && stage.blobs.size(&old.digest).is_none());
    eventually(|| stage.blobs.disk.admits()).await;
    stage.blobs.disk.works();
    let anew = Script::of(&old.blob);
    assert!(stage.pull(&anew).await.unwrap() == anew.blob);
    // Either it is in its place by now, or it waits for the removal no longer.
    comes_to(&stage.metrics.blob_arrivals, 0).await;
    go_on.store(true, Ordering::SeqCst);
    eventually(|| stage.metrics.blobs_evicted.get() == 1).await;
    eventually(|| stage.blobs.size(&anew.digest).is_some()).await;
    stage.settled().await;
    assert!(stage.path(&anew.digest).exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_removed_stays_in_the_account() {
    let stuck = |call| if call == Call::Remove { Err(ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) };
    let settings = BlobSettings { max_bytes: MIB as u64, ..SETTINGS };
    let directory = tempfile::tempdir().unwrap();
    let stage = Stage::on(directory, settings, Duration::from_secs(5), Box::new(stuck));
    let old = stage.fill(&bytes(400_000)).await;
    let large = Script::of(&bytes(700_000));
    assert!(stage.pull(&large).await.unwrap() == large.blob);
    stage.settled().await;
    assert_eq!((stage.blobs.size(&old.digest), stage.blobs.size(&large.digest)), (Some(400_000), None));
    assert_eq!((stage.metrics.blobs_evicted.get(), stage.metrics.blob_disk_errors.get()), (0, 1));
}

#[tokio::test]
async fn a_move_that_may_not_outlive_a_power_loss_leaves_nothing() {
    let fails = |call| if call == Call::SyncFolder { Err(io::Error::other("planted")) } else { Ok(()) };
    let directory = tempfile::tempdir().unwrap();
    let stage = Stage::on(directory, SETTINGS, Duration::from_secs(5), Box::new(fails));
    let script = Script::of(&bytes(MIB));
    assert!(stage.pull(&script).await.unwrap() == script.blob);
    stage.settled().await;
    assert_eq!((stage.path(&script.digest).exists(), stage.blobs.size(&script.digest)), (false, None));
    assert_eq!((stage.metrics.blob_cache_bytes.get(), stage.metrics.blob_disk_errors.get()), (0, 1));
}

#[tokio::test]
async fn the_order_of_use_outlives_a_restart() {
    let stage = Stage::new();
    let (old, new) = (stage.fill(&[1; 5000]).await, stage.fill(&[2; 5000]).await);
    let age = |digest: &Digest, seconds| {
        let file = OpenOptions::new().write(true).open(stage.path(digest)).unwrap();
        file.set_times(FileTimes::new().set_accessed(SystemTime::now() - Duration::from_secs(seconds)))
            .unwrap();
    };
    age(&old.digest, 500);
    age(&new.digest, 900);
    let accessed = |stage: &Stage| fs::metadata(stage.path(&old.digest)).unwrap().accessed().unwrap();
    let before = accessed(&stage);
    assert!(stage.has(&old).await);
    eventually(|| accessed(&stage) > before + Duration::from_secs(400)).await;
    let Stage { directory, .. } = stage;
    let stage = Stage::over(directory, BlobSettings { max_bytes: 12 << 10, ..SETTINGS }, |_| true);
    assert_eq!((stage.blobs.size(&old.digest), stage.blobs.size(&new.digest)), (Some(5000), None));
}

#[tokio::test]
async fn a_file_cut_short_under_its_reader_is_replaced_by_the_upstream() {
    let stage = Stage::new();
    let script = stage.fill(&bytes(4 * MIB)).await;
    let (file, size) = stage.found(&script.digest).await.unwrap();
    let part = Part { digest: script.digest.clone(), first: 0, end: Some(size), feed: script.feed() };
    let body = BlobBody::of_file(&stage.blobs, file, part).begun().await.unwrap();
    OpenOptions::new().write(true).open(stage.path(&script.digest)).unwrap().set_len(MIB as u64 + 7).unwrap();
    assert!(read(body).await.unwrap() == script.blob);
    assert_eq!(script.opened(), [0, 0]);
}
