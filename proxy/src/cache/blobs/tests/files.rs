//! What lies on the disk: across restarts, damaged, and too much.

use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use onetag_oci::Digest;

use super::super::{BlobBody, BlobSettings, Part};
use super::{MIB, SETTINGS, Stage, bytes, eventually, read};

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
