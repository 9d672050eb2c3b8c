//! Damage of blobs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use testkit::{Onetag, Registry};

use super::damage::Damage;
use crate::Plan;
use crate::dice::Dice;
use crate::disk::files;
use crate::disk::pull::{How, Tally, pull, pull_all};
use crate::disk::stock::Stock;
use crate::disk_full::stop;
use crate::subject::{Caller, Metrics};
use crate::thing::Thing;
use crate::verdict::Verdict;

/// So many blobs there are, and so many are damaged before all are pulled.
const BLOBS: usize = 120;
const AT_ONCE: usize = 50;

/// Sizes from 1 KiB to 2 MiB, small ones as often as large ones; of each two blobs, the sizes are the same.
const SMALLEST: usize = 1 << 10;
const DOUBLINGS: usize = 11;

const ARGS: &[&str] = &["--log-level", "error"];

pub(super) async fn run(plan: &Plan, mut dice: Dice, verdict: &mut Verdict) -> Tally {
    let data = tempfile::tempdir().expect("a directory");
    let registry = Arc::new(Registry::start().await);
    let mut stock = Stock::new(&registry, dice.player(0));
    let things = blobs(&mut stock, &mut dice);
    let by_file: HashMap<PathBuf, Arc<Thing>> = things
        .iter()
        .map(|thing| (files::of_blob(data.path(), &thing.digest()), Arc::clone(thing)))
        .collect();
    let all: Vec<PathBuf> = files_of(&things, data.path());
    let serve = || plan.subject.serve(&registry.url(), Some(data.path()), ARGS);
    let mut onetag = serve();
    let mut tally = pull_all(&onetag, &things).await.about("before all");
    let (mut damage, mut damaged, mut found) = (Damage::default(), 0, 0);
    while damage.all() < plan.arguments.flips {
        settle(&onetag).await;
        let running = damage.all() / AT_ONCE % 2 == 1;
        let before = if running { found_damaged(&onetag).await } else { 0 };
        let count = AT_ONCE.min(plan.arguments.flips - damage.all());
        let struck = if running {
            damage.strike(&all, count, &mut dice)
        } else {
            stop(onetag);
            let struck = damage.strike(&all, count, &mut dice);
            onetag = serve();
            struck
        };
        let what = if running { "damaged while it ran" } else { "damaged while it was stopped" };
        let mut caller = Caller::of(&onetag);
        for file in &struck {
            let thing = &by_file[file];
            let first = How::any(thing, &mut dice);
            for how in [first, How::Get] {
                let mut one = Tally::default();
                one.note(pull(&mut caller, thing, how).await);
                tally.add(one.about(what));
            }
        }
        tally.add(pull_all(&onetag, &things).await.about(what));
        damaged += struck.len();
        found += found_damaged(&onetag).await - before;
    }
    settle(&onetag).await;
    stop(onetag);
    verdict.figure(
        "blobs",
        format!("{} flips, {} truncations, {} swaps", damage.flips, damage.truncations, damage.swaps),
    );
    verdict.figure("damaged files", damaged);
    verdict.figure("found", found);
    verdict.bound(found == damaged, || format!("{damaged} files were damaged, {found} were found to be"));
    let wrong = files::wrong_blobs(data.path());
    verdict.none("damaged at the end", wrong.len());
    verdict.bound(files::blobs(data.path()).len() == BLOBS, || "some blobs were not fetched anew".to_owned());
    tally
}

fn blobs(stock: &mut Stock, dice: &mut Dice) -> Vec<Arc<Thing>> {
    let mut size = 0;
    (0..BLOBS)
        .map(|number| {
            if number % 2 == 0 {
                let least = SMALLEST << dice.below(DOUBLINGS);
                size = least + dice.below(least);
            }
            stock.blob(size)
        })
        .collect()
}

fn files_of(things: &[Arc<Thing>], data: &std::path::Path) -> Vec<PathBuf> {
    things.iter().map(|thing| files::of_blob(data, &thing.digest())).collect()
}

async fn found_damaged(onetag: &Onetag) -> usize {
    Metrics::of(onetag).await.count("onetag_blobs_damaged_total")
}

/// Waits until all has arrived: a client has a blob before its file is in its place.
async fn settle(onetag: &Onetag) {
    for _ in 0..500 {
        let metrics = Metrics::of(onetag).await;
        let is_done = metrics.count("onetag_blob_arrivals") == 0;
        if is_done && metrics.count("onetag_blob_cache_files") == BLOBS {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
