//! The registry is in trouble of each sort, for longer than anything is fresh: what is warm is served all the same,
//! and what moved meanwhile is seen soon after (goal G2).

mod times;
mod trouble;
mod upstream;
mod warm;

use std::time::{Duration, Instant};

use testkit::Onetag;
use tokio::task::JoinSet;

use self::times::Times;
use self::trouble::Trouble;
use self::upstream::Upstream;
use self::warm::Warm;
use crate::Plan;
use crate::dice::Dice;
use crate::subject::{ACCEPT, Caller, Metrics};
use crate::thing::Route;
use crate::verdict::Verdict;

const CALLERS: usize = 20;

/// The pulls of one mode are spread over so long, so that each tag is renewed again and again meanwhile.
const SPREAD: Duration = Duration::from_millis(2_200);

/// Before the outage there are fewer: they are only what it is compared with.
const BEFORE: usize = 4;

const ARGS: &[&str] = &[
    "--tag-ttl",
    "1s",
    "--connect-timeout",
    "2s",
    "--header-timeout",
    "2s",
    "--idle-body-timeout",
    "2s",
    "--log-level",
    "error",
];

/// A tag that moved is seen this long after the return.
const SEEN: Duration = Duration::from_secs(30);

/// The median may grow so many times, or to so much.
const SLOWER: u32 = 20;
const SLOW: Duration = Duration::from_millis(50);

/// What came of one mode.
struct Mode {
    trouble: Trouble,
    before: Times,
    during: Times,
    failed: Vec<String>,
    /// Requests to the registry that were made or refused during the outage.
    asked: f64,
    blobs: bool,
    seen: Option<Duration>,
}

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.figure("seed", plan.arguments.seed);
    // Whoever waits for the return of one registry disturbs the measurements of the next one little.
    let mut returns = JoinSet::new();
    for trouble in Trouble::ALL {
        let Some(upstream) = Upstream::start(trouble).await else {
            verdict.detail(format!("{trouble:<10} skipped: there is no docker-registry"));
            continue;
        };
        returns.spawn(outage(plan, trouble, upstream).await);
    }
    let mut modes = returns.join_all().await;
    modes.sort_by_key(|mode| mode.trouble);
    judge(&mut verdict, &modes);
    verdict
}

/// One mode up to the return of the registry; the rest is to be waited for.
async fn outage(
    plan: &Plan,
    trouble: Trouble,
    mut upstream: Upstream,
) -> impl Future<Output = Mode> + Send + 'static {
    let data = tempfile::tempdir().expect("a directory");
    let onetag = plan.subject.serve(upstream.url(), Some(data.path()), ARGS);
    let blobs = Metrics::of(&onetag).await.keeps_blobs();
    let warm = Warm::push(&upstream, blobs);
    let mut failed = warm_up(&onetag, &warm).await;
    let dice = Dice::new(plan.arguments.seed, trouble as u64);
    let pulls = plan.arguments.pulls;
    let (before, early) = pull(&onetag, &warm, pulls / BEFORE, SPREAD / 4, &dice).await;
    failed.extend(early);
    let count = |metrics: Metrics| metrics.sum("onetag_upstream_requests_total", "");
    let asked = count(Metrics::of(&onetag).await);
    upstream.enter(trouble).await;
    let (during, late) = pull(&onetag, &warm, pulls, SPREAD, &dice).await;
    failed.extend(late);
    let asked = count(Metrics::of(&onetag).await) - asked;
    upstream.leave(trouble).await;
    async move {
        let seen = warm.moves_and_is_seen(&upstream, Caller::of(&onetag), SEEN).await;
        drop((onetag, data));
        Mode { trouble, before, during, failed, asked, blobs, seen }
    }
}

/// Pulls everything once; what was not right.
async fn warm_up(onetag: &Onetag, warm: &Warm) -> Vec<String> {
    let mut caller = Caller::of(onetag);
    let mut failed = Vec::new();
    for thing in &warm.things {
        let answer = caller.ask("GET", &thing.path(), &[ACCEPT]).await;
        if !answer.is_ok_and(|answer| thing.is_now(&answer, false)) {
            failed.push(format!("before all: {}", thing.path()));
        }
    }
    failed
}

/// So many pulls by all callers, spread over `spread`: how long each took, and what was not right.
async fn pull(
    onetag: &Onetag,
    warm: &Warm,
    pulls: usize,
    spread: Duration,
    dice: &Dice,
) -> (Times, Vec<String>) {
    let each = pulls.div_ceil(CALLERS);
    let pause = spread / u32::try_from(each).unwrap_or(u32::MAX);
    let callers = (0..CALLERS).map(|number| {
        let (mut caller, things) = (Caller::of(onetag), warm.things.clone());
        let mut dice = dice.player(number as u64);
        async move {
            let (mut times, mut failed) = (Times::default(), Vec::new());
            for _ in 0..each {
                tokio::time::sleep(pause * u32::try_from(dice.below(200)).unwrap_or(100) / 100).await;
                let thing = dice.pick(&things);
                let head = thing.route != Route::Blob && dice.once_in(5);
                let method = if head { "HEAD" } else { "GET" };
                let begin = Instant::now();
                let answer = caller.ask(method, &thing.path(), &[ACCEPT]).await;
                times.add(begin.elapsed());
                match answer {
                    Ok(answer) if thing.is_now(&answer, head) => {}
                    Ok(answer) => failed.push(format!("{method} {}: {}", thing.path(), answer.status)),
                    Err(error) => failed.push(format!("{method} {}: {error}", thing.path())),
                }
            }
            (times, failed)
        }
    });
    let all: JoinSet<_> = callers.collect();
    all.join_all().await.into_iter().fold(Default::default(), |(mut times, mut failed), (more, and)| {
        times.extend(more);
        failed.extend(and);
        (times, failed)
    })
}

fn judge(verdict: &mut Verdict, modes: &[Mode]) {
    verdict.figure("modes", modes.len());
    verdict.figure("pulls", modes.iter().map(|mode| mode.during.count()).sum::<usize>());
    verdict.none("failed", modes.iter().map(|mode| mode.failed.len()).sum());
    let blobs = modes.iter().all(|mode| mode.blobs);
    verdict.figure("blobs", if blobs { "pulled" } else { "left out, there is no cache of them" });
    for mode in modes {
        let Mode { trouble, before, during, failed, asked, seen, .. } = mode;
        let (old, new) = (before.at(50), during.at(50));
        let ratio = |part| during.at(part).as_secs_f64() / before.at(part).as_secs_f64();
        let seen_after = seen.map_or("never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
        verdict.detail(format!(
            "{trouble:<10} p50 {:.2} ms (x {:.2})  p99 {:.2} ms (x {:.2})  asked {asked}  move seen after {seen_after}",
            new.as_secs_f64() * 1e3,
            ratio(50),
            during.at(99).as_secs_f64() * 1e3,
            ratio(99),
        ));
        failed.iter().take(2).for_each(|what| verdict.bound(false, || format!("{trouble}: {what}")));
        verdict.bound(*asked > 0.0, || format!("{trouble}: nothing was renewed, so nothing was proved"));
        verdict.bound(new <= SLOW.max(old * SLOWER), || format!("{trouble}: the median grew to {new:?}"));
        verdict.bound(seen.is_some(), || format!("{trouble}: what moved is not seen after {SEEN:?}"));
    }
}
