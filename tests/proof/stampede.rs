//! Many callers ask for the same cold key at once, and half of them leave: each object is fetched once, and whoever
//! stays gets it (goal G3, threat T44).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use testkit::oracle::Content;
use testkit::{Fault, Image, Index, Kind, Match, Onetag, Registry};
use tokio::task::JoinSet;

use crate::Plan;
use crate::dice::Dice;
use crate::subject::{ACCEPT, Caller, Metrics};
use crate::thing::{Document, Route, Thing};
use crate::verdict::Verdict;

/// The registry takes so long for each answer, so that all callers come before the first is there.
const DELAY: Duration = Duration::from_millis(150);

/// Callers leave within so long: while their key is fetched, and after.
const LEAVING: usize = 250;

/// So many callers are there at a time, whatever keys they ask for.
const AT_ONCE: usize = 1_000;

const REPOSITORIES: usize = 5;

/// Many answers under way, and each whole request patient enough for a slow machine.
const ARGS: &[&str] = &["--log-level", "error", "--max-connections", "5000"];

/// A key with the paths that it leads to at the registry.
struct Key {
    thing: Thing,
    objects: Vec<String>,
}

/// What became of the callers.
#[derive(Default)]
struct Callers {
    right: usize,
    left: usize,
    wrong: Vec<String>,
}

pub(crate) async fn run(plan: &Plan) -> Verdict {
    let arguments = &plan.arguments;
    let data = tempfile::tempdir().expect("a directory");
    let registry = Registry::start().await;
    let onetag = plan.subject.serve(&registry.url(), Some(data.path()), ARGS);
    let blobs = Metrics::of(&onetag).await.keeps_blobs();
    let mut dice = Dice::new(arguments.seed, 3);
    let keys: Vec<_> =
        (0..arguments.keys).map(|number| Arc::new(key(&registry, number, blobs, &mut dice))).collect();
    registry.fail(Match::all(), Fault::Delay(DELAY));

    let mut callers = Callers::default();
    for together in keys.chunks((AT_ONCE / arguments.callers.max(1)).max(1)) {
        callers.add(stampede(&onetag, together, arguments.callers, &mut dice).await);
    }
    let mut verdict = Verdict::default();
    verdict.figure("seed", arguments.seed);
    verdict.figure("keys", keys.len());
    verdict.figure("callers", keys.len() * arguments.callers);
    verdict.figure("left", callers.left);
    verdict.figure("right", callers.right);
    verdict.none("wrong or failed", callers.wrong.len());
    verdict.bound(callers.right > 0 && callers.left > 0, || "nobody stayed, or nobody left".to_owned());
    callers.wrong.into_iter().for_each(|wrong| verdict.bound(false, || wrong));
    count_fetches(&mut verdict, &registry, &keys);
    verdict.figure("blobs", if blobs { "among the keys" } else { "left out, there is no cache of them" });
    verdict
}

/// A new key of one sort or another, and its content pushed.
fn key(registry: &Registry, number: usize, blobs: bool, dice: &mut Dice) -> Key {
    let repository = format!("team/app{}", number % REPOSITORIES);
    let mut image = |platform: &str, seed| {
        let layer = dice.bytes(100_000 + seed);
        Image::builder(platform).layer_bytes(layer).seed(seed as u64).build()
    };
    let (amd64, arm64) = (image("linux/amd64", 2 * number), image("linux/arm64", 2 * number + 1));
    let manifest = |reference: &str| format!("/v2/{repository}/manifests/{reference}");
    let blob = |digest: &str| format!("/v2/{repository}/blobs/{digest}");
    let tag = format!("v{number}");
    registry.push(&repository, "", &amd64);
    match number % if blobs { 4 } else { 3 } {
        0 => {
            registry.push(&repository, &tag, &amd64);
            registry.push(&repository, &format!("{tag}-arm"), &arm64);
            let configs = [blob(&amd64.config_digest()), blob(&arm64.config_digest())];
            let objects =
                [manifest(&tag), manifest(&format!("{tag}-arm"))].into_iter().chain(configs).collect();
            let members = [Content::from(amd64), Content::from(arm64)];
            let document = Document::merged(&[(None, &members[0]), (Some("arm"), &members[1])]);
            Key { thing: Thing::manifest(Route::Tag, &repository, &tag, document), objects }
        }
        1 => {
            let document = Document::new(&amd64.media_type, amd64.manifest.clone());
            let digest = document.digest.clone();
            let objects = vec![manifest(&digest)];
            Key { thing: Thing::manifest(Route::Digest, &repository, &digest, document), objects }
        }
        2 => {
            let whole = Index::oci().image(&amd64).image(&arm64).build();
            registry.push_index(&repository, &tag, &whole);
            let document = Document::new(&whole.media_type, whole.manifest);
            let objects = vec![manifest(&tag)];
            Key { thing: Thing::manifest(Route::Tag, &repository, &tag, document), objects }
        }
        _ => {
            let thing = Thing::blob(&repository, &amd64.layers[0].bytes);
            let objects = vec![thing.path()];
            Key { thing, objects }
        }
    }
}

/// All callers of these keys at once, each on a connection of its own.
async fn stampede(onetag: &Onetag, keys: &[Arc<Key>], each: usize, dice: &mut Dice) -> Callers {
    let mut all = JoinSet::new();
    for number in 0..keys.len() * each {
        let key = Arc::clone(&keys[number % keys.len()]);
        let leaves = dice.once_in(2).then(|| Duration::from_millis(dice.below(LEAVING) as u64));
        let mut caller = Caller::of(onetag);
        all.spawn(async move {
            let path = key.thing.path();
            let headers = [ACCEPT];
            let asking = caller.ask("GET", &path, &headers);
            let answer = match leaves {
                // To drop the request is to close its connection.
                Some(after) => tokio::time::timeout(after, asking).await.ok()?,
                None => asking.await,
            };
            Some(match answer {
                Ok(answer) if key.thing.is_now(&answer, false) => Ok(()),
                Ok(answer) => Err(format!("{path}: {} with {} bytes", answer.status, answer.body.len())),
                Err(error) => Err(format!("{path}: {error}")),
            })
        });
    }
    let mut callers = Callers::default();
    for answer in all.join_all().await {
        match answer {
            None => callers.left += 1,
            Some(Ok(())) => callers.right += 1,
            Some(Err(wrong)) => callers.wrong.push(wrong),
        }
    }
    callers
}

/// Each object of a key was asked for once with its body, and nothing at all twice.
fn count_fetches(verdict: &mut Verdict, registry: &Registry, keys: &[Arc<Key>]) {
    let mut fetches: HashMap<String, usize> = HashMap::new();
    let is_content = |kind| matches!(kind, Kind::ManifestByTag | Kind::ManifestByDigest | Kind::Blob);
    for request in
        registry.requests().iter().filter(|request| request.method == "GET" && is_content(request.kind))
    {
        *fetches.entry(request.path.clone()).or_default() += 1;
    }
    let most = fetches.values().copied().max().unwrap_or_default();
    verdict.figure("most fetches of one object", most);
    for (path, count) in fetches.iter().filter(|(_, count)| **count > 1) {
        verdict.bound(false, || format!("{path} was fetched {count} times"));
    }
    let objects: Vec<&String> = keys.iter().flat_map(|key| &key.objects).collect();
    verdict.figure("objects", objects.len());
    for object in objects.iter().filter(|object| !fetches.contains_key(**object)) {
        verdict.bound(false, || format!("{object} was never fetched"));
    }
}

impl Callers {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.left += other.left;
        self.wrong.extend(other.wrong);
    }
}
