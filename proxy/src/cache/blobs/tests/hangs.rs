//! A disk that hangs holds up no pull for long (threat T30).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::super::disk::Call;
use super::super::{BlobSettings, Found, Joined};
use super::script::Script;
use super::{MIB, SETTINGS, Stage, bytes, comes_to, eventually, repository};

/// How long the disk is waited for here.
const PATIENCE: Duration = Duration::from_millis(200);

/// Far less than a pull would take if it waited for a disk that hangs for ever.
const SOON: Duration = Duration::from_secs(5);

/// A disk on which some calls hang for as long as this lives.
struct Hanging {
    stage: Stage,
    hangs: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Hanging {
    fn at(chosen: impl Fn(Call) -> bool + Send + Sync + 'static) -> Self {
        let (hangs, calls) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (until, counted) = (Arc::clone(&hangs), Arc::clone(&calls));
        let before = move |call| {
            if call == Call::Peek && until.load(Ordering::SeqCst) {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            if chosen(call) && until.load(Ordering::SeqCst) {
                counted.fetch_add(1, Ordering::SeqCst);
                while until.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            Ok(())
        };
        let directory = tempfile::tempdir().unwrap();
        let stage = Stage::on(directory, SETTINGS, PATIENCE, Box::new(before));
        Self { stage, hangs, calls }
    }

    /// Hangs from now on, or no more.
    fn set(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.set(false);
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.expect("it hangs")
}

#[tokio::test]
async fn a_write_that_hangs_is_given_up_for_all_readers_and_those_to_come() {
    let (blob, disk) = (bytes(3 * MIB), Hanging::at(|call| matches!(call, Call::Write(at) if at > 1 << 20)));
    let script = Script::of(&blob);
    let readers: Vec<_> = (0..5).map(|_| disk.stage.reader(&script, 0, None)).collect();
    for read in soon(join_all(readers)).await {
        assert!(read.unwrap() == blob);
    }
    assert_eq!((disk.calls(), disk.stage.metrics.blob_disk_errors.get()), (1, 1));
    // All goes on after what was written whole.
    assert!(script.opened()[1..].iter().all(|from| *from > 700_000), "{:?}", script.opened());
    let joined = disk.stage.blobs.join(&script.digest, &repository(), false, &script.feed());
    assert!(matches!(joined, Joined::Closed), "nobody joins what is dead");
    // Where the disk goes on after all, the late write hurts nobody.
    disk.set(false);
    eventually(|| disk.stage.blobs.disk.admits()).await;
    disk.stage.blobs.disk.works();
    assert!(soon(disk.stage.pull(&script)).await.unwrap() == blob);
    disk.stage.settled().await;
    assert!(disk.stage.has(&script).await);
}

#[tokio::test]
async fn a_file_whose_making_hangs_leaves_the_open_stream() {
    let (blob, disk) = (bytes(MIB), Hanging::at(|call| call == Call::Make));
    let script = Script::of(&blob);
    assert!(soon(disk.stage.pull(&script)).await.unwrap() == blob);
    assert_eq!(script.opened(), [0]);
    assert_eq!((disk.calls(), disk.stage.metrics.blob_disk_errors.get()), (1, 1));
}

#[tokio::test]
async fn a_read_that_hangs_is_replaced_by_the_upstream() {
    let (blob, disk) = (bytes(MIB), Hanging::at(|call| call == Call::Read));
    disk.set(false);
    let script = disk.stage.fill(&blob).await;
    disk.set(true);
    assert!(soon(disk.stage.has(&script)).await);
    assert_eq!(script.opened(), [0, 0]);
    assert_eq!((disk.calls(), disk.stage.metrics.blob_disk_errors.get()), (1, 1));
}

#[tokio::test]
async fn behind_an_arrival_a_read_that_hangs_is_replaced_too() {
    let (blob, disk) = (bytes(MIB), Hanging::at(|call| call == Call::Read));
    let script = Script::of(&blob);
    assert!(soon(disk.stage.pull(&script)).await.unwrap() == blob);
    assert_eq!(script.opened(), [0, 0]);
}

#[tokio::test]
async fn an_opening_that_hangs_is_waited_for_once() {
    let disk = Hanging::at(|call| call == Call::Open);
    disk.set(false);
    let (one, other) = (disk.stage.fill(&bytes(MIB)).await, disk.stage.fill(&bytes(1000)).await);
    disk.set(true);
    assert!(!matches!(soon(disk.stage.blobs.find(&one.digest)).await, Found::Here { .. }));
    assert_eq!((disk.calls(), disk.stage.metrics.blob_disk_errors.get()), (1, 1));
    let began = Instant::now();
    for script in [&one, &other] {
        assert!(matches!(disk.stage.blobs.find(&script.digest).await, Found::Missing));
    }
    assert!(began.elapsed() < PATIENCE / 2 && disk.calls() == 1, "{:?}", began.elapsed());
    assert!(disk.stage.blobs.size(&one.digest).is_some(), "it is not forgotten");
}

#[tokio::test]
async fn a_file_that_is_open_is_found_while_the_disk_is_left_alone() {
    let stage = Stage::new();
    let script = stage.fill(&bytes(MIB)).await;
    let (file, _) = stage.found(&script.digest).await.unwrap();
    stage.blobs.disk_failed("for a test", &std::io::ErrorKind::TimedOut.into());
    assert!(stage.found(&script.digest).await.is_some());
    let open = Arc::downgrade(&file);
    drop(file);
    eventually(|| open.strong_count() == 0).await;
    assert!(stage.found(&script.digest).await.is_none());
}

#[tokio::test]
async fn a_disk_that_takes_nothing_new_is_read_all_the_same() {
    let stage = Stage::new();
    let script = stage.fill(&bytes(MIB)).await;
    stage.blobs.disk_failed("for a test", &std::io::ErrorKind::ReadOnlyFilesystem.into());
    assert!(stage.found(&script.digest).await.is_some());
}

#[tokio::test]
async fn after_a_failure_one_caller_tries_the_disk_for_all() {
    let disk = Hanging::at(|call| call == Call::Open);
    disk.set(false);
    let mut scripts = Vec::new();
    for number in 0..20_u8 {
        scripts.push(disk.stage.fill(&[number; 1000]).await);
    }
    disk.set(true);
    let look = || join_all(scripts.iter().map(|script| disk.stage.blobs.find(&script.digest)));
    soon(look()).await;
    let before = disk.calls();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    soon(look()).await;
    assert_eq!(disk.calls(), before + 1);
    disk.set(false);
    eventually(|| disk.stage.blobs.disk.admits()).await;
    disk.stage.blobs.disk.works();
    assert!(look().await.iter().all(|found| matches!(found, Found::Here { .. })));
}

#[tokio::test]
async fn a_move_that_hangs_hurts_no_reader_and_ends_the_arrival() {
    for stuck in [Call::Keep, Call::SyncFolder] {
        let (blob, disk) = (bytes(MIB), Hanging::at(move |call| call == stuck));
        let script = Script::of(&blob);
        assert!(soon(disk.stage.pull(&script)).await.unwrap() == blob);
        soon(comes_to(&disk.stage.metrics.blob_arrivals, 0)).await;
        assert_eq!(disk.stage.metrics.blob_disk_errors.get(), 1, "{stuck:?}");
        // It may yet succeed.
        disk.set(false);
        eventually(|| disk.stage.blobs.size(&script.digest).is_some()).await;
        disk.stage.settled().await;
    }
}

#[tokio::test]
async fn room_that_cannot_be_made_in_time_lets_the_blob_pass() {
    let directory = tempfile::tempdir().unwrap();
    let release = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&release);
    let before = move |call| {
        while call == Call::Remove && !until.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    let settings = BlobSettings { max_bytes: MIB as u64, ..SETTINGS };
    let stage = Stage::on(directory, settings, PATIENCE, Box::new(before));
    stage.fill(&bytes(900_000)).await;
    let script = Script::of(&bytes(800_000));
    assert!(soon(stage.pull(&script)).await.unwrap() == script.blob);
    assert_eq!(stage.metrics.blob_disk_errors.get(), 1);
    release.store(true, Ordering::SeqCst);
    stage.settled().await;
}
