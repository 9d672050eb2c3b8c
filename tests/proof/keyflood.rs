//! A flood of tags that do not exist: memory is bounded, what is hot stays a hit, and no metric grows a series (goal
//! G4, threats T20 and T39).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::oracle::Content;
use testkit::{Image, Onetag, Registry};
use tokio::task::JoinSet;

use crate::Plan;
use crate::dice::Dice;
use crate::subject::{ACCEPT, Caller, Metrics, peak_memory};
use crate::thing::{Document, Route, Thing};
use crate::verdict::Verdict;

const MIB: usize = 1 << 20;

/// The cap of all caches, in MiB.
const MEMORY: usize = 32;
/// The most that the process may have had in use, in MiB: the caches with a quarter more, and the program itself.
const BOUND: usize = MEMORY + MEMORY / 4 + 64;

const HOT: &str = "team/hot";
const HOT_TAGS: usize = 20;

/// Between two pulls of what is hot.
const HOT_PAUSE: Duration = Duration::from_millis(10);

const FLOODERS: usize = 32;

/// One random tag in so many is in a repository that does not exist either, which costs a request for each suffix.
const STRANGE: usize = 200;

/// Hot tags are not renewed by the clock, so that each request for them is one that the flood caused.
const ARGS: &[&str] = &["--memory", "32MiB", "--tag-ttl", "1h", "--log-level", "error"];

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let arguments = &plan.arguments;
    let data = tempfile::tempdir().expect("a directory");
    let registry = Arc::new(Registry::start().await);
    let onetag = plan.subject.serve(&registry.url(), Some(data.path()), ARGS);
    let hot = push_hot(&registry);
    registry.push("team/app", "latest", &Image::builder("linux/amd64").build());
    let mut verdict = Verdict::default();
    let warm = pull_hot(&onetag, &hot, &AtomicBool::new(true)).await;
    verdict.bound(warm.1 == 0, || "the hot tags are wrong before all".to_owned());
    // The suffixes of both repositories are learned in the background.
    tokio::time::sleep(Duration::from_millis(500)).await;
    flood(&onetag, 100, &Dice::new(arguments.seed, 4)).await;
    let series = Metrics::of(&onetag).await.series();
    let asked = watch(&registry);

    let begin = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let forgetting = tokio::spawn(forget(Arc::clone(&registry), Arc::clone(&over)));
    let stop = Arc::clone(&over);
    let (dice, flooded) = (Dice::new(arguments.seed, 5), arguments.flood);
    let ((pulls, wrong), otherwise) = tokio::join!(pull_hot(&onetag, &hot, &over), async {
        let otherwise = flood(&onetag, flooded, &dice).await;
        stop.store(true, Ordering::Relaxed);
        otherwise
    });
    let took = begin.elapsed().as_secs_f64();
    forgetting.await.expect("it does not panic");

    verdict.figure("seed", arguments.seed);
    verdict.figure("tags", flooded);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    verdict.figure("per second", (flooded as f64 / took).round());
    verdict.none("answered otherwise", otherwise);
    let peak = peak_memory(&onetag) / MIB;
    verdict.figure("peak memory", format!("{peak} of {BOUND} MiB"));
    verdict.bound(peak <= BOUND, || format!("{peak} MiB are more than {BOUND} MiB"));
    verdict.figure("hot pulls", pulls);
    verdict.none("hot wrong", wrong);
    verdict.none("hot asked of the registry", asked.load(Ordering::Relaxed));
    let after = Metrics::of(&onetag).await.series();
    verdict.figure("series", format!("{series}, then {after}"));
    verdict.bound(series == after, || format!("{series} series became {after}"));
    verdict
}

fn push_hot(registry: &Registry) -> Vec<Thing> {
    let push = |number: usize| {
        let image = |platform| Image::builder(platform).docker().seed(number as u64).build();
        let (base, member) = (image("linux/amd64"), image("linux/arm64"));
        registry.push(HOT, &format!("v{number}"), &base);
        registry.push(HOT, &format!("v{number}-arm"), &member);
        let (base, member): (Content, Content) = (base.into(), member.into());
        let document = Document::merged(&[(None, &base), (Some("arm"), &member)]);
        Thing::manifest(Route::Tag, HOT, &format!("v{number}"), document)
    };
    (0..HOT_TAGS).map(push).collect()
}

/// Counts the requests for what is hot from now on.
fn watch(registry: &Registry) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    registry.fail_by(move |request| {
        if request.path.contains(HOT) && request.path.contains("/manifests/") {
            count.fetch_add(1, Ordering::Relaxed);
        }
        None
    });
    asked
}

/// What was asked for is of no interest, and too much to keep.
async fn forget(registry: Arc<Registry>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        registry.forget_requests();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Pulls the hot tags in turn until it is over, each once at least: how many pulls there were, and how many were wrong.
async fn pull_hot(onetag: &Onetag, hot: &[Thing], over: &AtomicBool) -> (usize, usize) {
    let mut caller = Caller::of(onetag);
    let (mut pulls, mut wrong) = (0, 0);
    while pulls < hot.len() || !over.load(Ordering::Relaxed) {
        let thing = &hot[pulls % hot.len()];
        let answer = caller.ask("GET", &thing.path(), &[ACCEPT]).await;
        wrong += usize::from(!answer.is_ok_and(|answer| thing.is_now(&answer, false)));
        pulls += 1;
        tokio::time::sleep(HOT_PAUSE).await;
    }
    (pulls, wrong)
}

/// Asks for so many random tags; how many answers were not a plain 404.
async fn flood(onetag: &Onetag, tags: usize, dice: &Dice) -> usize {
    let flooders = (0..FLOODERS).map(|number| {
        let (mut caller, mut dice) = (Caller::of(onetag), dice.player(number as u64));
        let share = tags / FLOODERS + usize::from(number < tags % FLOODERS);
        async move {
            let mut otherwise = 0;
            for _ in 0..share {
                let answer = caller.ask("GET", &random(&mut dice), &[ACCEPT]).await;
                otherwise += usize::from(!answer.is_ok_and(|answer| answer.status == 404));
            }
            otherwise
        }
    });
    flooders.collect::<JoinSet<_>>().join_all().await.into_iter().sum()
}

/// The path of a tag that nobody ever pushed; tags have up to 128 characters.
fn random(dice: &mut Dice) -> String {
    let name = format!("{:016x}", dice.next());
    let repository = if dice.once_in(STRANGE) { format!("team/{name}") } else { "team/app".to_owned() };
    format!("/v2/{repository}/manifests/{}", name.repeat(1 + dice.below(8)))
}
