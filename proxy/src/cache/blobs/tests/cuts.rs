//! Streams that are cut, or drip.

use std::time::{Duration, Instant};

use super::super::BlobError;
use super::script::{Script, Step, Stream};
use super::{MIB, Stage, bytes};

const CUT: Step = Step::Fail { transient: true };

#[tokio::test]
async fn a_cut_download_is_resumed_where_it_was_cut() {
    let (stage, blob) = (Stage::new(), bytes(MIB));
    let total = Some(MIB as u64);
    let streams = vec![
        Stream::Of(vec![Step::To(300_000), CUT], total),
        Stream::Refused { transient: true },
        Stream::Refused { transient: true },
        Stream::Of(vec![CUT], total),
        Stream::Of(vec![Step::To(MIB - 1), CUT], total),
    ];
    let script = Script::with(&blob, streams);
    assert!(stage.pull(&script).await.unwrap() == blob);
    stage.settled().await;
    assert!(stage.has(&script).await);
    assert_eq!(script.opened(), [0, 300_000, 300_000, 300_000, 300_000, MIB as u64 - 1]);
}

#[tokio::test]
async fn a_cut_after_the_last_byte_is_none() {
    let (stage, blob) = (Stage::new(), bytes(MIB));
    let script = Script::steps(&blob, vec![Step::To(MIB), Step::Fail { transient: false }]);
    assert!(stage.pull(&script).await.unwrap() == blob);
    assert_eq!(script.opened(), [0]);
}

#[tokio::test]
async fn a_download_without_a_known_length_is_resumed_too() {
    let (stage, blob) = (Stage::new(), bytes(MIB));
    let script = Script::with(&blob, vec![Stream::Of(vec![Step::To(300_000), CUT], None)]);
    assert!(stage.pull(&script).await.unwrap() == blob);
    assert_eq!(script.opened(), [0, 300_000]);
}

#[tokio::test]
async fn what_asking_again_does_not_help_fails_at_once() {
    let total = Some(MIB as u64);
    let begun = || Stream::Of(vec![Step::To(300_000), CUT], total);
    let cases = [
        (vec![Stream::Of(vec![CUT], total)], vec![0]),
        (vec![Stream::Of(vec![Step::To(9), Step::Fail { transient: false }], total)], vec![0]),
        (vec![begun(), Stream::Refused { transient: false }], vec![0, 300_000]),
        (vec![begun(), Stream::Absent], vec![0, 300_000]),
        (vec![begun(), Stream::Of(vec![Step::To(MIB)], Some(5))], vec![0, 300_000]),
    ];
    for (streams, opened) in cases {
        let (stage, blob) = (Stage::new(), bytes(MIB));
        let script = Script::with(&blob, streams);
        assert!(stage.pull(&script).await.is_err());
        stage.settled().await;
        assert_eq!((script.opened(), stage.arriving()), (opened, 0));
        assert!(stage.found(&script.digest).await.is_none());
    }
}

#[tokio::test]
async fn a_rest_of_other_bytes_is_found_out() {
    let (stage, blob) = (Stage::new(), bytes(MIB));
    let total = Some(MIB as u64);
    let streams = vec![
        Stream::Of(vec![Step::To(300_000), CUT], total),
        Stream::Of(vec![Step::Bytes(vec![0; MIB - 300_000])], total),
    ];
    let script = Script::with(&blob, streams);
    assert!(matches!(stage.pull(&script).await, Err(BlobError::Digest(_))));
}

#[tokio::test]
async fn a_stream_that_drips_is_given_up_also_across_cuts() {
    let total = Some(MIB as u64);
    let drip =
        |count: usize| (1..count).flat_map(|at| [Step::Pause(Duration::from_millis(30)), Step::To(at)]);
    let cuts = (1..1000).map(|at| {
        let steps = vec![Step::Pause(Duration::from_millis(30)), Step::To(at), CUT];
        Stream::Of(steps, total)
    });
    for streams in [vec![Stream::Of(drip(1000).collect(), total)], cuts.collect()] {
        let (stage, blob) = (Stage::new(), bytes(MIB));
        let (script, began) = (Script::with(&blob, streams), Instant::now());
        let read = stage.pull(&script).await;
        assert!(matches!(read, Err(BlobError::Slow { .. })), "{:?}", read.map(|bytes| bytes.len()));
        assert!(began.elapsed() < Duration::from_secs(5));
        stage.settled().await;
        assert!(!script.is_open() && stage.found(&script.digest).await.is_none());
    }
}

#[tokio::test]
async fn a_stream_that_comes_slowly_but_steadily_is_kept() {
    let (stage, blob) = (Stage::new(), bytes(100_000));
    let steps = (1..=20).flat_map(|part| [Step::Pause(Duration::from_millis(40)), Step::To(part * 5000)]);
    let script = Script::steps(&blob, steps.collect());
    assert!(stage.pull(&script).await.unwrap() == blob);
    stage.settled().await;
    assert!(stage.has(&script).await);
}
