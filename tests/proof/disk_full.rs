//! The disk has no room left, neither for blobs nor for records: no pull fails, and once there is room again, things
//! are kept again (goal G7, threat T30).

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::{Onetag, Registry};

use crate::Plan;
use crate::dice::Dice;
use crate::disk::mount::Mounted;
use crate::disk::pull::{Tally, pull_all, pull_any};
use crate::disk::stock::{Stock, Tagged, digests, things};
use crate::subject::Metrics;
use crate::thing::Thing;
use crate::verdict::Verdict;

const MIB: usize = 1 << 20;

/// The size of the disk, in MiB, and of the file that is removed later.
const DISK: u64 = 64;
const FILLER: u64 = 24;

/// More than fits.
const BLOBS: usize = 9;
const PULLS: usize = 60;
const TASKS: usize = 8;

/// Tags that are pulled while the disk is full, at least so many.
const TAGS: usize = 60;
const EARLY: usize = 20;
const LATE: usize = 20;
const LAYER: usize = 10_000;

/// Once there is room, things are kept again within so long.
const RESUMES: Duration = Duration::from_secs(30);

const ARGS: &[&str] = &["--log-level", "error"];

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(disk) = Mounted::small(DISK) else {
        verdict.figure("skipped", "there is no right to mount a file system");
        return verdict;
    };
    let dice = Dice::new(plan.arguments.seed, 6);
    let registry = Arc::new(Registry::start().await);
    let data = disk.path().join("data");
    let serve = || plan.subject.serve(&registry.url(), Some(&data), ARGS);
    let mut stock = Stock::new(&registry, dice.player(0));
    verdict.figure("seed", plan.arguments.seed);

    let onetag = serve();
    let early: Vec<Tagged> = (0..EARLY).map(|_| stock.tag(LAYER)).collect();
    let mut tally = pull_all(&onetag, &things(&early)).await.about("before all");
    stop(onetag);

    // What is pulled now has to come from the disk, not from memory.
    let filler = disk.fill("filler", FILLER << 20);
    let onetag = serve();
    tally.add(blobs_that_do_not_fit(&onetag, &mut stock, dice.player(1)).await.about("blobs"));
    let stuffing = disk.fill("stuffing", u64::MAX);
    let mut full = FullDisk { onetag: &onetag, early: &early, stock: &mut stock };
    tally.add(full.pulls().await.about("full"));
    let metrics = Metrics::of(&onetag).await;
    let errors = |name| metrics.count(name);
    let (of_blobs, of_records) =
        (errors("onetag_blob_disk_errors_total"), errors("onetag_store_errors_total"));
    verdict.figure("disk errors", format!("{of_blobs} of blobs, {of_records} of records"));
    verdict.bound(of_blobs > 0 && of_records > 0, || "the disk was not full for both".to_owned());
    let mut onetag = onetag;
    onetag.kill();
    onetag.wait(Duration::from_secs(5));
    let onetag = serve();
    let mut full = FullDisk { onetag: &onetag, early: &early, stock: &mut stock };
    tally.add(full.pulls().await.about("started on a full disk"));
    // Another one, for which there is not even room for an empty database.
    let fresh = plan.subject.serve(&registry.url(), Some(&disk.path().join("fresh")), ARGS);
    tally.add(pull_all(&fresh, &things(&early)).await.about("begun on a full disk"));
    let said = fresh.stderr_text();
    verdict.bound(said.contains("the disk is full"), || format!("a start on a full disk says {said:?}"));
    stop(fresh);

    for file in [filler, stuffing] {
        fs::remove_file(file).expect("it goes");
    }
    let (resumed, pulled) = resumes(&onetag, &mut stock).await;
    tally.add(pulled.about("room again"));
    match resumed {
        Some(after) => verdict.figure("kept again after", format!("{:.1} s", after.as_secs_f64())),
        None => verdict.bound(false, || format!("nothing is kept again after {RESUMES:?}")),
    }
    let late: Vec<Tagged> = (0..LATE).map(|_| stock.tag(LAYER)).collect();
    tally.add(pull_all(&onetag, &things(&late)).await.about("late"));
    stop(onetag);
    registry.go_down().await;
    let onetag = serve();
    tally.add(pull_all(&onetag, &things(&late)).await.about("after all"));
    tally.add(pull_all(&onetag, &digests(&early)).await.about("early, after all"));
    stop(onetag);
    tally.judge(&mut verdict);
    verdict
}

pub(crate) fn stop(mut onetag: Onetag) {
    onetag.terminate();
    onetag.wait(Duration::from_secs(20));
}

async fn blobs_that_do_not_fit(onetag: &Onetag, stock: &mut Stock, mut dice: Dice) -> Tally {
    let blobs: Vec<Arc<Thing>> = (0..BLOBS).map(|_| stock.blob(10 * MIB + dice.below(30 * MIB))).collect();
    pull_any(onetag, &blobs, PULLS, TASKS, &dice).await
}

/// A process whose disk is full.
struct FullDisk<'a> {
    onetag: &'a Onetag,
    early: &'a [Tagged],
    stock: &'a mut Stock,
}

impl FullDisk<'_> {
    /// New things, and those from before the disk was full. Merged indexes are nowhere else but on it.
    async fn pulls(&mut self) -> Tally {
        let new: Vec<Tagged> = (0..TAGS).map(|_| self.stock.tag(LAYER)).collect();
        let mut tally = pull_all(self.onetag, &things(&new)).await;
        tally.add(pull_all(self.onetag, &digests(self.early)).await);
        tally.add(pull_all(self.onetag, &things(self.early)).await);
        tally
    }
}

/// Pulls new things until they are kept, as the metrics tell; when that was.
async fn resumes(onetag: &Onetag, stock: &mut Stock) -> (Option<Duration>, Tally) {
    let begin = Instant::now();
    let mut tally = Tally::default();
    let kept = |metrics: &Metrics| {
        let not = ["store_errors_total", "records_dropped_total"]
            .map(|name| metrics.count(&format!("onetag_{name}")));
        (metrics.count("onetag_blob_cache_files"), not)
    };
    let mut before = kept(&Metrics::of(onetag).await);
    while begin.elapsed() < RESUMES {
        let tagged = stock.tag(LAYER);
        tally.add(pull_all(onetag, &things(&[tagged])).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let after = kept(&Metrics::of(onetag).await);
        if after.0 > before.0 && after.1 == before.1 {
            return (Some(begin.elapsed()), tally);
        }
        before = after;
    }
    (None, tally)
}
