//! Files of the data directory are damaged, while nobody uses them and while somebody does: damage is never served, and
//! what is damaged is fetched anew (threat T31).

mod blobs;
mod damage;
mod database;

use crate::Plan;
use crate::dice::Dice;
use crate::disk::pull::Tally;
use crate::verdict::Verdict;

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.figure("seed", plan.arguments.seed);
    let mut tally = Tally::default();
    tally.add(blobs::run(plan, Dice::new(plan.arguments.seed, 8), &mut verdict).await);
    tally.add(database::run(plan, Dice::new(plan.arguments.seed, 9), &mut verdict).await);
    tally.judge(&mut verdict);
    verdict
}
