//! Damage of the database.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use testkit::Registry;

use super::damage::truncate;
use crate::Plan;
use crate::dice::Dice;
use crate::disk::pull::{Tally, pull_all};
use crate::disk::stock::{Stock, Tagged, things};
use crate::disk_full::stop;
use crate::verdict::Verdict;

const TAGS: usize = 16;
const LAYER: usize = 2_000;

/// One damage in so many is that the end is missing; all others are a bit.
const TRUNCATED: usize = 10;

const ARGS: &[&str] = &["--log-level", "error"];

pub(super) async fn run(plan: &Plan, mut dice: Dice, verdict: &mut Verdict) -> Tally {
    let data = tempfile::tempdir().expect("a directory");
    let registry = Arc::new(Registry::start().await);
    let mut stock = Stock::new(&registry, dice.player(0));
    let tags: Vec<Tagged> = (0..TAGS).map(|_| stock.tag(LAYER)).collect();
    let serve = || plan.subject.serve(&registry.url(), Some(data.path()), ARGS);
    let onetag = serve();
    let mut tally = pull_all(&onetag, &things(&tags)).await.about("before all");
    stop(onetag);
    let file = data.path().join("onetag.redb");
    let right = fs::read(&file).expect("the database");
    let mut begun_anew = 0;
    for number in 0..plan.arguments.starts {
        fs::write(&file, &right).expect("the database");
        let what = damage(&file, &right, &mut dice);
        let mut onetag = serve();
        // A tag leads to its digest, so a digest that was lost is there once its tag was pulled.
        let pulled = pull_all(&onetag, &things(&tags)).await;
        tally.add(pulled.about(&format!("start {number}, {what}")));
        onetag.kill();
        onetag.wait(Duration::from_secs(5));
        let aside = data.path().join("onetag.redb.damaged");
        begun_anew += usize::from(fs::remove_file(aside).is_ok());
    }
    verdict.figure("damaged databases", plan.arguments.starts);
    verdict.figure("begun anew", begun_anew);
    tally
}

/// Damages the database: half of the time where there is something, so that it hurts.
fn damage(file: &Path, right: &[u8], dice: &mut Dice) -> String {
    if dice.once_in(TRUNCATED) {
        truncate(file, dice);
        let size = fs::metadata(file).expect("a file").len();
        return format!("cut to {size} bytes");
    }
    let mut place = dice.below(right.len());
    if dice.once_in(2) {
        while right[place] == 0 {
            place = dice.below(right.len());
        }
    }
    let bit = 1 << dice.below(8);
    let mut content = right.to_vec();
    content[place] ^= bit;
    fs::write(file, content).expect("the database");
    format!("bit {bit} of byte {place}")
}
