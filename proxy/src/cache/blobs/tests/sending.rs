//! What is sent straight from a file.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::net::{TcpListener, TcpStream};

use super::super::disk::Call;
use super::super::{BlobBody, Part};
use super::script::Script;
use super::{MIB, SETTINGS, Stage, bytes, read};
use crate::sendfile::{FileSender, MAX_PART};

const PATIENCE: Duration = Duration::from_millis(200);

impl Stage {
    /// A blob that is here, for a connection that files can be sent by.
    async fn sent(&self, script: &Arc<Script>, files: &Arc<FileSender>) -> BlobBody {
        let (file, size) = self.found(&script.digest).await.expect("it is here");
        let part = Part { digest: script.digest.clone(), first: 0, end: Some(size), feed: script.feed() };
        let body = BlobBody::of_file(&self.blobs, file, part);
        body.send_files(files);
        body
    }
}

/// A blob without a byte that a stand-in has.
fn without_zeros(size: usize) -> Vec<u8> {
    bytes(size).into_iter().map(|byte| byte.max(1)).collect()
}

async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, client)
}

#[tokio::test]
async fn what_is_large_is_not_read_where_it_can_be_sent() {
    let (stage, blob) = (Stage::new(), without_zeros(MAX_PART + 100_000));
    let small = without_zeros(60_000);
    let (large, short) = (stage.fill(&blob).await, stage.fill(&small).await);
    let files = Arc::default();
    assert!(read(stage.sent(&large, &files).await).await.unwrap() == vec![0; blob.len()], "it is read");
    assert!(read(stage.sent(&short, &files).await).await.unwrap() == small);
}

#[tokio::test]
async fn a_disk_in_trouble_is_read_so_that_the_upstream_can_take_over() {
    let directory = tempfile::tempdir().unwrap();
    let peeks = Arc::new(AtomicBool::new(true));
    let until = Arc::clone(&peeks);
    let before = move |call| match call {
        Call::Peek if !until.load(Ordering::SeqCst) => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    };
    let stage = Stage::on(directory, SETTINGS, PATIENCE, Box::new(before));
    let blob = without_zeros(MIB);
    let script = stage.fill(&blob).await;
    peeks.store(false, Ordering::SeqCst);
    assert!(read(stage.sent(&script, &Arc::default()).await).await.unwrap() == blob, "not in memory");
    peeks.store(true, Ordering::SeqCst);
    stage.blobs.disk_failed("told by the test", &io::Error::other("it failed"));
    assert!(read(stage.sent(&script, &Arc::default()).await).await.unwrap() == blob, "it failed lately");
}

#[tokio::test]
async fn t30_a_part_that_hangs_ends_its_own_answer_alone_and_is_told() {
    let hangs = Arc::new(AtomicBool::new(true));
    let until = Arc::clone(&hangs);
    let before = move |call| {
        while call == Call::Send && until.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    let stage = Stage::on(tempfile::tempdir().unwrap(), SETTINGS, PATIENCE, Box::new(before));
    let blob = without_zeros(MIB);
    let script = stage.fill(&blob).await;
    let files = Arc::new(FileSender::default());
    let mut body = stage.sent(&script, &files).await;
    let stand_in = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let (mut server, _client) = connection().await;
    let slices = [IoSlice::new(&stand_in)];
    // The one thread of this test is free meanwhile.
    let other = async {
        assert!(stage.has(&script).await);
    };
    let sent = poll_fn(|cx| files.poll_write(cx, &mut server, &slices));
    let (sent, ()) = tokio::join!(tokio::time::timeout(PATIENCE * 20, sent), other);
    assert!(sent.expect("it is given up").is_err());
    assert_eq!(stage.metrics.blob_disk_errors.get(), 1);
    assert!(read(stage.sent(&script, &files).await).await.unwrap() == blob, "who asks again is served");
    hangs.store(false, Ordering::SeqCst);
}

#[tokio::test]
async fn a_client_that_has_gone_is_no_failure_of_the_disk() {
    let (stage, blob) = (Stage::new(), without_zeros(MAX_PART));
    let script = stage.fill(&blob).await;
    let files = Arc::new(FileSender::default());
    let (mut server, client) = connection().await;
    drop(client);
    let gone = async {
        loop {
            let mut body = stage.sent(&script, &files).await;
            let stand_in = body.frame().await.unwrap().unwrap().into_data().unwrap();
            let mut left = &stand_in[..];
            while !left.is_empty() {
                let slices = [IoSlice::new(left)];
                match poll_fn(|cx| files.poll_write(cx, &mut server, &slices)).await {
                    Ok(sent) => left = &left[sent..],
                    Err(error) => return error,
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE * 50, gone).await.expect("it is noticed");
    assert_eq!(stage.metrics.blob_disk_errors.get(), 0);
}
