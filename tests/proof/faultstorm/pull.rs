//! Clients that pull at random and judge what they get.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::client::Response;

use super::world::World;
use crate::dice::Dice;
use crate::subject::{ACCEPT, Caller};
use crate::thing::{Document, Route, Thing};

/// What a pull came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// Complete, and something that was asked for.
    Right,
    /// An error, or the connection broke before the end.
    Refused,
    /// Complete, and a tag without a platform that it has had all the time.
    Smaller,
    /// Complete, and anything else.
    Wrong,
}

/// What some pulls came to.
#[derive(Default)]
pub(super) struct Tally {
    counts: HashMap<(Route, Outcome), usize>,
    complaints: Vec<String>,
}

pub(super) struct Puller {
    caller: Caller,
    world: Arc<World>,
    dice: Dice,
    tally: Tally,
}

impl Puller {
    pub(super) fn new(caller: Caller, world: Arc<World>, dice: Dice) -> Self {
        Self { caller, world, dice, tally: Tally::default() }
    }

    pub(super) async fn pull_until(mut self, over: Arc<AtomicBool>) -> Tally {
        while !over.load(Ordering::Relaxed) {
            let thing = self.world.any(&mut self.dice);
            match thing.route {
                Route::Blob if self.dice.once_in(3) => self.part(&thing).await,
                Route::Tag | Route::Digest if self.dice.once_in(6) => self.whole(&thing, "HEAD").await,
                _ => self.whole(&thing, "GET").await,
            }
        }
        self.tally
    }

    async fn whole(&mut self, thing: &Thing, method: &str) {
        let Ok(response) = self.caller.ask(method, &thing.path(), &[ACCEPT]).await else {
            return self.tally.note(thing, Outcome::Refused);
        };
        let head = method == "HEAD";
        match response.status {
            200 if thing.has_been(&response, head) => {
                if thing.route == Route::Tag && !head {
                    let media_type = response.header("content-type").unwrap_or_default().to_owned();
                    let document = Document::new(&media_type, response.body);
                    self.world.handed_out(&thing.path(), document);
                }
                self.tally.note(thing, Outcome::Right);
            }
            200 | 206 => self.tally.complain(thing, method, &response),
            _ => self.tally.note(thing, Outcome::Refused),
        }
    }

    /// A part of a blob, never its last byte.
    async fn part(&mut self, thing: &Thing) {
        let bytes = thing.bytes();
        let first = self.dice.below(bytes.len() - 1);
        let last = first + self.dice.below(bytes.len() - 1 - first);
        let range = format!("bytes={first}-{last}");
        let Ok(response) = self.caller.ask("GET", &thing.path(), &[("range", &range)]).await else {
            return self.tally.note(thing, Outcome::Refused);
        };
        let expected = format!("bytes {first}-{last}/{}", bytes.len());
        match response.status {
            206 if response.header("content-range") == Some(&expected)
                && response.body == bytes[first..=last] =>
            {
                self.tally.note(thing, Outcome::Right);
            }
            200 if response.body == bytes => self.tally.note(thing, Outcome::Right),
            200 | 206 => self.tally.complain(thing, &range, &response),
            _ => self.tally.note(thing, Outcome::Refused),
        }
    }
}

impl Tally {
    fn note(&mut self, thing: &Thing, outcome: Outcome) {
        *self.counts.entry((thing.route, outcome)).or_default() += 1;
    }

    fn complain(&mut self, thing: &Thing, asked: &str, response: &Response) {
        let smaller = thing.route == Route::Tag && entries(&response.body) < entries(&thing.bytes());
        self.note(thing, if smaller { Outcome::Smaller } else { Outcome::Wrong });
        let shown = |name| response.header(name).unwrap_or("none");
        self.complaints.push(format!(
            "{asked} of {}: {} with {} bytes, type {}, digest {}, range {}",
            thing.path(),
            response.status,
            response.body.len(),
            shown("content-type"),
            testkit::sha256(&response.body),
            shown("content-range"),
        ));
    }

    pub(super) fn add(&mut self, other: Self) {
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
        self.complaints.extend(other.complaints);
    }

    pub(super) fn pulls(&self) -> usize {
        self.counts.values().sum()
    }

    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.counts.iter().filter(|((_, other), _)| *other == outcome).map(|(_, count)| count).sum()
    }

    /// How many pulls of each route were right.
    pub(super) fn right_by_route(&self) -> impl Iterator<Item = (String, usize)> {
        let right = |route| self.counts.get(&(route, Outcome::Right)).copied().unwrap_or_default();
        let routes = [Route::Tag, Route::Digest, Route::Blob, Route::List];
        routes.into_iter().map(move |route| (format!("{route:?}").to_lowercase(), right(route)))
    }

    pub(super) fn complaints(&self) -> impl Iterator<Item = &String> {
        self.complaints.iter()
    }
}

/// How many images a document is or lists.
fn entries(bytes: &[u8]) -> usize {
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    document["manifests"].as_array().map_or(1, Vec::len)
}
