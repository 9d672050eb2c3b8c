//! The process is killed in the midst of its work, again and again. What a client has got of an index that exists
//! nowhere else is served after it, and nothing wrong ever (goal G6, threat T32).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::{Fault, Kind, Match, Onetag, Registry, client};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Plan;
use crate::dice::Dice;
use crate::disk::files;
use crate::disk::pull::{How, Pulled, Tally, pull};
use crate::disk::stock::{Stock, Tagged};
use crate::subject::Caller;
use crate::thing::Thing;
use crate::verdict::Verdict;

const MIB: usize = 1 << 20;

const PULLERS: u64 = 12;

/// New in each round.
const TAGS: usize = 8;
const BLOBS: usize = 3;

/// The process lives for so many milliseconds after the first pull; every other one at most, for it is killed as soon as
/// clients have got so many digests: what was promised must be there then, not soon after.
const LIFE: std::ops::Range<usize> = 5..300;
const PROMISES: usize = 4;

/// It is ready again this long after its start.
const READY: Duration = Duration::from_secs(2);

/// A blob takes some tenths of a second.
const BLOB_PIECE: usize = 256 << 10;
const BLOB_PAUSE: Duration = Duration::from_millis(2);

/// Less than all blobs take, so that some make room for others.
const SETTINGS: &str = "[blobs]\nmax_bytes = \"256 MiB\"\n";

/// What a client got, and may ask for from then on by its digest.
type Promised = BTreeMap<String, Arc<Thing>>;

/// What is there to be pulled in one round.
struct Round {
    tags: Vec<Tagged>,
    blobs: Vec<Arc<Thing>>,
}

/// When a process is killed.
struct End {
    after: Duration,
    promises: usize,
}

/// What came of all rounds.
#[derive(Default)]
struct Sum {
    tally: Tally,
    promised: Promised,
    checked: usize,
    lost: Vec<String>,
    cut_downloads: usize,
    left_behind: usize,
    worst: Duration,
    strange: Vec<String>,
}

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let (data, settings) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let file = settings.path().join("onetag.toml");
    std::fs::write(&file, SETTINGS).expect("a file");
    let args = ["--config", file.to_str().expect("a path in UTF-8"), "--log-level", "error"];
    let registry = Arc::new(Registry::start().await);
    let mut dice = Dice::new(plan.arguments.seed, 5);
    let mut stock = Stock::new(&registry, dice.player(0));
    let mut sum = Sum::default();
    let mut before: Option<Round> = None;
    for number in 1..=plan.arguments.kills {
        let round = Round::new(&mut stock, &mut dice);
        let mut onetag = sum.start(plan, &registry, data.path(), &args).await;
        sum.check(&registry, &onetag, data.path(), before.as_ref()).await;
        let slow = Fault::Drip { bytes: BLOB_PIECE, every: BLOB_PAUSE };
        registry.fail(Match::all().kind(Kind::Blob).method("GET"), slow);
        let end = End {
            after: Duration::from_millis((LIFE.start + dice.below(LIFE.len())) as u64),
            promises: if number % 2 == 0 { 1 + dice.below(PROMISES) } else { usize::MAX },
        };
        sum.pull_until_killed(&mut onetag, &round, end, &dice.player(number as u64)).await;
        sum.cut_downloads += files::arriving(data.path()).len();
        for blob in before.iter().flat_map(|before| &before.blobs) {
            stock.forget(blob);
        }
        before = Some(round);
    }
    let mut onetag = sum.start(plan, &registry, data.path(), &args).await;
    sum.check(&registry, &onetag, data.path(), before.as_ref()).await;
    onetag.terminate();
    onetag.wait(Duration::from_secs(10));
    sum.verdict(plan, data.path())
}

impl Round {
    fn new(stock: &mut Stock, dice: &mut Dice) -> Self {
        let tags = (0..TAGS).map(|_| stock.tag(1_000 + dice.below(100_000))).collect();
        let blobs = (0..BLOBS).map(|_| stock.blob(MIB + dice.below(19 * MIB))).collect();
        Self { tags, blobs }
    }
}

impl Sum {
    /// Starts the process and sees what it makes of the directory.
    async fn start(&mut self, plan: &Plan, registry: &Registry, data: &Path, args: &[&str]) -> Onetag {
        let begin = Instant::now();
        let onetag = plan.subject.serve(&registry.url(), Some(data), args);
        let ready = client::get(&format!("{}/readyz", onetag.admin_url()), &[]).await;
        let took = begin.elapsed();
        self.worst = self.worst.max(took);
        if !ready.is_ok_and(|answer| answer.status == 200) {
            self.strange.push("a process is not ready".to_owned());
        }
        self.left_behind += files::arriving(data).len();
        self.strange.extend(files::strange(data).iter().map(|path| format!("there is {}", path.display())));
        onetag
    }

    /// With nothing to be had from the registry: all that was promised is there, and what blobs are there are right.
    async fn check(&mut self, registry: &Registry, onetag: &Onetag, data: &Path, before: Option<&Round>) {
        // It keeps its port, which somebody else could take if it were closed so often.
        registry.heal();
        registry.fail(Match::all(), Fault::Reset);
        let mut caller = Caller::of(onetag);
        let mut kept = Promised::new();
        for (path, thing) in std::mem::take(&mut self.promised) {
            self.checked += 1;
            match pull(&mut caller, &thing, How::Get).await {
                Pulled::Right => drop(kept.insert(path, thing)),
                Pulled::Failed(what) => self.lost.push(what),
                Pulled::Wrong(what) => self.tally.wrong.push(what),
            }
        }
        self.promised = kept;
        let blobs = before.into_iter().flat_map(|before| &before.blobs);
        for blob in blobs.filter(|blob| files::of_blob(data, &blob.digest()).exists()) {
            match pull(&mut caller, blob, How::Get).await {
                // It is there, but not known to be this repository's: only the registry could tell.
                Pulled::Failed(_) => {}
                pulled => self.tally.note(pulled),
            }
        }
        registry.heal();
    }

    /// Clients pull until the process is killed under them.
    async fn pull_until_killed(&mut self, onetag: &mut Onetag, round: &Round, end: End, dice: &Dice) {
        let killed = Arc::new(AtomicBool::new(false));
        let (tell, mut told) = mpsc::unbounded_channel();
        let pullers = (0..PULLERS).map(|number| {
            let puller = Puller {
                caller: Caller::of(onetag),
                // Each begins elsewhere, some with a blob.
                tags: round
                    .tags
                    .iter()
                    .map(|it| (Arc::clone(&it.tag), it.merged.then(|| Arc::clone(&it.digest))))
                    .collect(),
                parts: round
                    .tags
                    .iter()
                    .flat_map(|it| it.parts.iter().cloned())
                    .chain(round.blobs.clone())
                    .collect(),
                blobs: round.blobs.clone(),
                dice: dice.player(number),
                killed: Arc::clone(&killed),
                tell: tell.clone(),
                tally: Tally::default(),
                promised: Promised::default(),
            };
            puller.pull_until_killed()
        });
        let pullers: JoinSet<_> = pullers.collect();
        let enough = async {
            for _ in 0..end.promises {
                told.recv().await;
            }
        };
        // Either is the end.
        let _elapsed = tokio::time::timeout(end.after, enough).await;
        killed.store(true, Ordering::SeqCst);
        onetag.kill();
        onetag.wait(Duration::from_secs(5));
        for (tally, promised) in pullers.join_all().await {
            self.tally.add(tally);
            self.promised.extend(promised);
        }
    }

    fn verdict(self, plan: &Plan, data: &Path) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.figure("seed", plan.arguments.seed);
        verdict.figure("kills", plan.arguments.kills);
        verdict.figure("downloads cut", self.cut_downloads);
        verdict.figure("digests promised", self.promised.len());
        verdict.figure("checked", self.checked);
        verdict.none("lost", self.lost.len());
        verdict.none("left behind", self.left_behind);
        verdict.figure("ready within", format!("{:.2} s", self.worst.as_secs_f64()));
        verdict.figure("blobs at the end", files::blobs(data).len());
        let wrong = files::wrong_blobs(data);
        verdict.none("of those damaged", wrong.len());
        verdict.bound(self.worst <= READY, || format!("a start took {:?}", self.worst));
        verdict.bound(self.cut_downloads > 0, || "no download was under way at any time".to_owned());
        verdict.bound(!self.promised.is_empty(), || "nobody got anything".to_owned());
        self.lost.into_iter().chain(self.strange).for_each(|what| verdict.bound(false, || what));
        self.tally.judge(&mut verdict);
        verdict
    }
}

struct Puller {
    caller: Caller,
    /// Tags, and where they are merged, the same by digest.
    tags: Vec<(Arc<Thing>, Option<Arc<Thing>>)>,
    parts: Vec<Arc<Thing>>,
    blobs: Vec<Arc<Thing>>,
    dice: Dice,
    killed: Arc<AtomicBool>,
    /// Takes the news of each new promise.
    tell: mpsc::UnboundedSender<()>,
    tally: Tally,
    promised: Promised,
}

impl Puller {
    async fn pull_until_killed(mut self) -> (Tally, Promised) {
        loop {
            let (thing, promise) = match self.dice.below(4) {
                0 => (Arc::clone(self.dice.pick(&self.blobs)), None),
                1 => (Arc::clone(self.dice.pick(&self.parts)), None),
                _ => self.dice.pick(&self.tags).clone(),
            };
            let how = How::any(&thing, &mut self.dice);
            let pulled = pull(&mut self.caller, &thing, how).await;
            match pulled {
                // Whatever ends with the process is no failure.
                Pulled::Failed(_) if self.killed.load(Ordering::SeqCst) => {
                    return (self.tally, self.promised);
                }
                Pulled::Right => {
                    // The digest was in the answer, to HEAD as well.
                    if let Some(thing) = promise
                        && self.promised.insert(thing.path(), thing).is_none()
                    {
                        self.tell.send(()).expect("somebody waits for the end");
                    }
                    self.tally.right += 1;
                }
                pulled => self.tally.note(pulled),
            }
        }
    }
}
