//! Faults of every kind strike the registry at random while clients pull from it and tags move. Whatever arrives
//! complete must be right (goal G1, rule I6).

mod kinds;
mod pull;
mod storm;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::Registry;
use tokio::task::JoinSet;

use self::pull::{Outcome, Puller, Tally};
use self::storm::Storm;
use self::world::World;
use crate::Plan;
use crate::dice::Dice;
use crate::subject::{Caller, Metrics};
use crate::verdict::Verdict;

const PULLERS: u64 = 24;

/// A stall costs little with these, and tags are asked for again all the time.
const ARGS: &[&str] = &[
    "--connect-timeout",
    "300ms",
    "--header-timeout",
    "300ms",
    "--idle-body-timeout",
    "300ms",
    "--tag-ttl",
    "100ms",
    "--stale-while-revalidate",
    "300ms",
    "--negative-ttl",
    "0s",
    "--log-level",
    "error",
];

/// Between two changes of the registry's content.
const CHANGE: Duration = Duration::from_millis(15);

/// Everything must be right this long after the last fault.
const HEALED: Duration = Duration::from_secs(30);

/// The fewest kinds of faults that make a storm.
const KINDS: usize = 24;

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let seed = plan.arguments.seed;
    let data = tempfile::tempdir().expect("a directory");
    let registry = Arc::new(Registry::start().await);
    let onetag = plan.subject.serve(&registry.url(), Some(data.path()), ARGS);
    let keeps_blobs = Metrics::of(&onetag).await.keeps_blobs();
    let world = Arc::new(World::new(Arc::clone(&registry), seed));
    let storm = Storm::new(plan.arguments.faults, keeps_blobs, &world);
    storm.strike(&registry, seed);

    let over = Arc::new(AtomicBool::new(false));
    let mut pullers = JoinSet::new();
    for number in 0..PULLERS {
        let caller = Caller::of(&onetag);
        let puller = Puller::new(caller, Arc::clone(&world), Dice::new(seed, 100 + number));
        pullers.spawn(puller.pull_until(Arc::clone(&over)));
    }
    while !storm.is_over() {
        world.change();
        tokio::time::sleep(CHANGE).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut tally = Tally::default();
    pullers.join_all().await.into_iter().for_each(|part| tally.add(part));
    registry.heal();
    let healed = healing(&world, Caller::of(&onetag)).await;
    verdict(plan, &storm, &tally, healed, keeps_blobs)
}

/// Asks for everything that is there until each answer was right once; how long that took, or what was not.
async fn healing(world: &World, mut caller: Caller) -> Result<Duration, Vec<String>> {
    let begin = Instant::now();
    let mut left = world.all();
    loop {
        let mut still = Vec::new();
        for thing in left {
            let answer = caller.ask("GET", &thing.path(), &[crate::subject::ACCEPT]).await;
            if !answer.is_ok_and(|answer| thing.is_now(&answer, false)) {
                still.push(thing);
            }
        }
        left = still;
        if left.is_empty() {
            return Ok(begin.elapsed());
        }
        if begin.elapsed() > HEALED {
            return Err(left.iter().map(|thing| thing.path()).collect());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn verdict(
    plan: &Plan,
    storm: &Storm,
    tally: &Tally,
    healed: Result<Duration, Vec<String>>,
    keeps_blobs: bool,
) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.figure("seed", plan.arguments.seed);
    verdict.figure("faults", storm.struck());
    let (missed, kinds) = (storm.missed(), kinds::KINDS.len());
    verdict.figure("kinds", kinds - missed.len());
    if !missed.is_empty() {
        verdict.detail(format!("never struck: {}", missed.join(", ")));
    }
    verdict.figure("pulls", tally.pulls());
    verdict.figure("complete", tally.count(Outcome::Right));
    verdict.figure("refused or cut", tally.count(Outcome::Refused));
    verdict.none("smaller", tally.count(Outcome::Smaller));
    verdict.none("wrong bytes", tally.count(Outcome::Wrong));
    verdict.figure("blobs", if keeps_blobs { "verified" } else { "passed on, their bytes not lied about" });
    verdict.bound(kinds - missed.len() >= KINDS, || format!("fewer than {KINDS} kinds of faults struck"));
    for (route, right) in tally.right_by_route() {
        verdict.bound(right > 0, || format!("no {route} was ever complete"));
    }
    tally.complaints().for_each(|complaint| verdict.bound(false, || complaint.to_owned()));
    match healed {
        Ok(time) => verdict.figure("healed after", format!("{:.1} s", time.as_secs_f64())),
        Err(left) => verdict.bound(false, || format!("not right {HEALED:?} after the storm: {left:?}")),
    }
    verdict
}
