//! The disk turns read-only under the running process, as after an error of the disk itself: no pull fails. And a start
//! on such a disk is told (goal G7, threat T30).

use std::sync::Arc;

use testkit::Registry;

use crate::Plan;
use crate::dice::Dice;
use crate::disk::mount::Mounted;
use crate::disk::pull::{pull_all, pull_any};
use crate::disk::stock::{Stock, Tagged, digests, things};
use crate::disk_full::stop;
use crate::subject::Metrics;
use crate::verdict::Verdict;

/// The size of the disk, in MiB.
const DISK: u64 = 96;

const TAGS: usize = 40;
const LAYER: usize = 50_000;
const BLOB: usize = 3 << 20;

/// Pulls of everything in any order.
const PULLS: usize = 600;
const TASKS: usize = 8;

const ARGS: &[&str] = &["--log-level", "error", "--tag-ttl", "1s"];

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(disk) = Mounted::fragile(DISK) else {
        verdict.figure("skipped", "there is no right to mount a file system");
        return verdict;
    };
    let dice = Dice::new(plan.arguments.seed, 7);
    let registry = Arc::new(Registry::start().await);
    let data = disk.path().join("data");
    let serve = || plan.subject.serve(&registry.url(), Some(&data), ARGS);
    let mut stock = Stock::new(&registry, dice.player(0));
    verdict.figure("seed", plan.arguments.seed);

    let onetag = serve();
    let early: Vec<Tagged> = (0..TAGS).map(|_| stock.tag(LAYER)).collect();
    let mut tally = pull_all(&onetag, &things(&early)).await.about("before all");
    stop(onetag);
    // One half is in memory when the disk fails, the other is not.
    let onetag = serve();
    let warm = things(&early[..TAGS / 2]);
    tally.add(pull_all(&onetag, &warm).await.about("warm"));
    disk.fail();

    let new: Vec<Tagged> = (0..TAGS).map(|_| stock.tag(LAYER)).collect();
    let blobs = [stock.blob(BLOB), stock.blob(BLOB)];
    tally.add(pull_all(&onetag, &things(&new)).await.about("new"));
    tally.add(pull_all(&onetag, &blobs).await.about("new"));
    tally.add(pull_all(&onetag, &digests(&early)).await.about("early"));
    let all = [things(&early), things(&new), blobs.to_vec()].concat();
    tally.add(pull_any(&onetag, &all, PULLS, TASKS, &dice.player(1)).await.about("any"));
    let metrics = Metrics::of(&onetag).await;
    let errors = |name| metrics.count(name);
    let (of_blobs, of_records) =
        (errors("onetag_blob_disk_errors_total"), errors("onetag_store_errors_total"));
    verdict.figure("disk errors", format!("{of_blobs} of blobs, {of_records} of records"));
    verdict.bound(of_blobs > 0 && of_records > 0, || "the disk did not fail for both".to_owned());
    // What was kept before can still be read.
    registry.go_down().await;
    let kept = things(&early);
    tally.add(pull_all(&onetag, &kept).await.about("early, and the registry is down"));
    stop(onetag);
    // So it can by another process, as where a supervisor starts it again.
    let onetag = serve();
    tally.add(pull_all(&onetag, &kept).await.about("a start on it, and the registry is down"));
    stop(onetag);
    tally.judge(&mut verdict);
    verdict
}
