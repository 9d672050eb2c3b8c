//! Pulls that are judged, one after another or by several tasks.

use std::sync::Arc;

use testkit::Onetag;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::subject::{ACCEPT, Caller};
use crate::thing::{Route, Thing};
use crate::verdict::Verdict;

/// What became of some pulls.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) right: usize,
    pub(crate) failed: Vec<String>,
    pub(crate) wrong: Vec<String>,
}

/// What became of one pull.
pub(crate) enum Pulled {
    Right,
    /// An error, or a body that broke off.
    Failed(String),
    /// Complete, and not what was asked for.
    Wrong(String),
}

/// How something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Get,
    Head,
    /// A part of a blob.
    Part(usize, usize),
}

impl How {
    /// One way of several for this thing.
    pub(crate) fn any(thing: &Thing, dice: &mut Dice) -> Self {
        let size = thing.bytes().len();
        match dice.below(6) {
            0 => Self::Head,
            1 if thing.route == Route::Blob && size > 1 => {
                let first = dice.below(size - 1);
                Self::Part(first, first + dice.below(size - first))
            }
            _ => Self::Get,
        }
    }
}

/// Asks once.
pub(crate) async fn pull(caller: &mut Caller, thing: &Thing, how: How) -> Pulled {
    let path = thing.path();
    let part = if let How::Part(first, last) = how { format!("bytes={first}-{last}") } else { String::new() };
    let method = if how == How::Head { "HEAD" } else { "GET" };
    let headers = [ACCEPT, ("range", part.as_str())];
    let headers = if part.is_empty() { &headers[..1] } else { &headers };
    let response = match caller.ask(method, &path, headers).await {
        Ok(response) => response,
        Err(error) => return Pulled::Failed(format!("{how:?} {path}: {error}")),
    };
    let is_right = match (how, response.status) {
        (How::Part(first, last), 206) => response.body == thing.bytes()[first..=last],
        _ => thing.is_now(&response, how == How::Head),
    };
    let length = response.header("content-length").unwrap_or("no length");
    let told = format!("{how:?} {path}: {} with {} bytes, {length}", response.status, response.body.len());
    match response.status {
        _ if is_right => Pulled::Right,
        200..300 => Pulled::Wrong(told),
        _ => Pulled::Failed(told),
    }
}

/// Gets all of these once, in their order.
pub(crate) async fn pull_all(onetag: &Onetag, things: &[Arc<Thing>]) -> Tally {
    let (mut caller, mut tally) = (Caller::of(onetag), Tally::default());
    for thing in things {
        tally.note(pull(&mut caller, thing, How::Get).await);
    }
    tally
}

/// So many pulls by so many tasks of whatever there is.
pub(crate) async fn pull_any(
    onetag: &Onetag,
    things: &[Arc<Thing>],
    pulls: usize,
    tasks: usize,
    dice: &Dice,
) -> Tally {
    let pullers = (0..tasks).map(|number| {
        let (mut caller, things) = (Caller::of(onetag), things.to_vec());
        let mut dice = dice.player(number as u64);
        async move {
            let mut tally = Tally::default();
            for _ in 0..pulls.div_ceil(tasks) {
                let thing = dice.pick(&things);
                tally.note(pull(&mut caller, thing, How::any(thing, &mut dice)).await);
            }
            tally
        }
    });
    let mut tally = Tally::default();
    pullers.collect::<JoinSet<_>>().join_all().await.into_iter().for_each(|part| tally.add(part));
    tally
}

impl Tally {
    pub(crate) fn note(&mut self, pulled: Pulled) {
        match pulled {
            Pulled::Right => self.right += 1,
            Pulled::Failed(what) => self.failed.push(what),
            Pulled::Wrong(what) => self.wrong.push(what),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.right += other.right;
        self.failed.extend(other.failed);
        self.wrong.extend(other.wrong);
    }

    /// The same, with what it was about.
    pub(crate) fn about(mut self, what: &str) -> Self {
        for told in self.failed.iter_mut().chain(&mut self.wrong) {
            *told = format!("{what}: {told}");
        }
        self
    }

    pub(crate) fn pulls(&self) -> usize {
        self.right + self.failed.len() + self.wrong.len()
    }

    /// All must have been right.
    pub(crate) fn judge(self, verdict: &mut Verdict) {
        verdict.figure("pulls", self.pulls());
        verdict.none("failed", self.failed.len());
        verdict.none("wrong", self.wrong.len());
        self.wrong.into_iter().chain(self.failed).for_each(|what| verdict.bound(false, || what));
    }
}
