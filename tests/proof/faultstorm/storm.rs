//! Which requests are struck, and by what.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use testkit::{Fault, Kind as Asked, Recorded, Registry};

use super::kinds::{self, Draw, KINDS};
use super::world::{LAYER, World};
use crate::dice::Dice;

/// One request in so many is struck.
const ONE_IN: usize = 10;

/// A path that leads to itself for ever.
const LOOP: &str = "/v2/loop/manifests/loop";

/// What the registry is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    TagGet,
    TagHead,
    Digest,
    /// A config, or another blob that a merge may need.
    Config,
    Layer,
    /// A part of a blob, for a client. Its bytes are known to be wrong by nobody but the client.
    Part,
    List,
}

pub(super) struct Storm {
    limit: usize,
    /// Whether the bytes of blobs are lied about.
    lies_about_blobs: bool,
    layers: Arc<Mutex<HashSet<String>>>,
    /// How often each kind struck.
    struck: Arc<[AtomicUsize; KINDS.len()]>,
}

impl Storm {
    pub(super) fn new(limit: usize, lies_about_blobs: bool, world: &World) -> Self {
        let struck = Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)));
        Self { limit, lies_about_blobs, layers: world.layers(), struck }
    }

    /// Begins; it ends when the registry is healed, or all faults have struck.
    pub(super) fn strike(&self, registry: &Registry, seed: u64) {
        let mut dice = Dice::new(seed, 2);
        let (limit, lies_about_blobs) = (self.limit, self.lies_about_blobs);
        let (layers, struck) = (Arc::clone(&self.layers), Arc::clone(&self.struck));
        let elsewhere = kinds::Elsewhere::new(LOOP);
        registry.fail_by(move |request| {
            if request.path == LOOP {
                return Some(Fault::Redirect { to: LOOP.to_owned(), code: 302 });
            }
            let target = target(request, &layers)?;
            if !dice.once_in(ONE_IN) || total(&struck[..]) >= limit {
                return None;
            }
            let ranged = request.header("range").is_some();
            let fits = |(_, kind): &(usize, &kinds::Kind)| kind.fits(target, ranged, lies_about_blobs);
            let fitting: Vec<_> = KINDS.iter().enumerate().filter(fits).collect();
            let (place, kind) = *dice.pick(&fitting);
            struck[place].fetch_add(1, Ordering::Relaxed);
            Some(kind.fault(&mut Draw { dice: &mut dice, target, elsewhere: &elsewhere }))
        });
    }

    pub(super) fn is_over(&self) -> bool {
        self.struck() >= self.limit
    }

    pub(super) fn struck(&self) -> usize {
        total(&self.struck[..])
    }

    /// The kinds that never struck.
    pub(super) fn missed(&self) -> Vec<&'static str> {
        let counted = KINDS.iter().zip(self.struck.iter());
        counted.filter(|(_, count)| count.load(Ordering::Relaxed) == 0).map(|(kind, _)| kind.name()).collect()
    }
}

fn total(struck: &[AtomicUsize]) -> usize {
    struck.iter().map(|count| count.load(Ordering::Relaxed)).sum()
}

/// `None`: never struck, as the probe of a registry that is down.
fn target(request: &Recorded, layers: &Mutex<HashSet<String>>) -> Option<Target> {
    let digest = request.path.rsplit('/').next().unwrap_or_default();
    match request.kind {
        Asked::ManifestByTag if request.method == "HEAD" => Some(Target::TagHead),
        Asked::ManifestByTag => Some(Target::TagGet),
        Asked::ManifestByDigest => Some(Target::Digest),
        Asked::Blob if is_part(request) => Some(Target::Part),
        Asked::Blob => {
            let is_layer = layers.lock().unwrap_or_else(PoisonError::into_inner).contains(digest);
            Some(if is_layer { Target::Layer } else { Target::Config })
        }
        Asked::Other if request.path.ends_with("/tags/list") => Some(Target::List),
        _ => None,
    }
}

/// Clients never ask for a layer's last byte by a range, and what is resumed always ends with it.
fn is_part(request: &Recorded) -> bool {
    request.header("range").is_some_and(|range| !range.ends_with(&format!("-{}", LAYER - 1)))
}
