//! What the registry holds: tags that come and move, and what they lead to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testkit::image::buildx;
use testkit::oracle::Content;
use testkit::{Image, Index, Registry};

use crate::dice::Dice;
use crate::thing::{Document, Route, Thing};

/// The size of every layer: more than is held back until the digest is known.
pub(super) const LAYER: usize = 80 << 10;

const REPOSITORIES: usize = 6;

/// So many tags are there at a time, each with its members.
const TAGS: usize = 120;

/// How many tags there are before the first pull.
const FIRST: usize = 30;

/// The word of the one member beside the base.
const WORD: &str = "arm";

/// Manifest digests that were handed out are asked for again; so many are remembered.
const HANDED_OUT: usize = 2_000;

/// The content, and its changes.
pub(super) struct World {
    registry: Arc<Registry>,
    state: Mutex<State>,
    /// The layers: what no merge ever needs.
    layers: Arc<Mutex<HashSet<String>>>,
}

struct State {
    dice: Dice,
    made: u64,
    tags: Vec<Tagged>,
    lists: Vec<Arc<Thing>>,
    handed_out: Vec<Arc<Thing>>,
    /// The paths of those.
    remembered: HashSet<String>,
}

/// One tag with its member and what both lead to.
struct Tagged {
    repository: String,
    tag: String,
    shape: Shape,
    base: Content,
    member: Content,
    /// Only one of the two ever moves, so that each pair that can be seen is one that there was.
    base_moves: bool,
    answer: Arc<Thing>,
    parts: Vec<Arc<Thing>>,
}

#[derive(Clone, Copy)]
enum Shape {
    /// Two images.
    Pair,
    /// Two indexes of an image and its attestation.
    Buildx,
    /// An image alone.
    Single,
    /// An index of two platforms.
    Whole,
}

impl World {
    pub(super) fn new(registry: Arc<Registry>, seed: u64) -> Self {
        let mut state = State {
            dice: Dice::new(seed, 1),
            made: 0,
            tags: Vec::new(),
            lists: vec![list(&registry)],
            handed_out: Vec::new(),
            remembered: HashSet::new(),
        };
        let layers = Arc::default();
        for _ in 0..FIRST {
            state.grow(&registry, &layers);
        }
        Self { registry, state: Mutex::new(state), layers }
    }

    pub(super) fn layers(&self) -> Arc<Mutex<HashSet<String>>> {
        Arc::clone(&self.layers)
    }

    /// A tag comes or moves; the oldest is left alone from then on when there are enough.
    pub(super) fn change(&self) {
        let mut state = self.state();
        if state.dice.once_in(2) {
            state.grow(&self.registry, &self.layers);
        } else {
            state.advance(&self.registry, &self.layers);
        }
        if state.tags.len() > TAGS {
            let gone = state.tags.remove(0);
            gone.leave(&self.registry, &self.layers);
        }
        drop(state);
        self.registry.forget_requests();
    }

    /// Something to pull.
    pub(super) fn any(&self, dice: &mut Dice) -> Arc<Thing> {
        let state = self.state();
        // The youngest half of the time: it is what nobody has asked for yet.
        let recent = state.tags.len().saturating_sub(6);
        let from = if dice.once_in(2) { &state.tags[recent..] } else { &state.tags[..] };
        let tagged = dice.pick(from);
        match dice.below(20) {
            0 => Arc::clone(dice.pick(&state.lists)),
            1 | 2 if !state.handed_out.is_empty() => Arc::clone(dice.pick(&state.handed_out)),
            3..=12 => Arc::clone(dice.pick(&tagged.parts)),
            _ => Arc::clone(&tagged.answer),
        }
    }

    /// Everything that is there.
    pub(super) fn all(&self) -> Vec<Arc<Thing>> {
        let state = self.state();
        let tags = state.tags.iter().flat_map(|tagged| tagged.parts.iter().chain([&tagged.answer]));
        tags.chain(&state.lists).chain(&state.handed_out).cloned().collect()
    }

    /// A client got this under a tag: from now on it must be had by its digest (rule D4).
    pub(super) fn handed_out(&self, tag_path: &str, document: Document) {
        let repository = tag_path.split("/manifests/").next().and_then(|path| path.strip_prefix("/v2/"));
        let repository = repository.expect("the path of a tag");
        let thing = Thing::manifest(Route::Digest, repository, &document.digest.clone(), document);
        let mut state = self.state();
        if state.handed_out.len() < HANDED_OUT && state.remembered.insert(thing.path()) {
            state.handed_out.push(Arc::new(thing));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn grow(&mut self, registry: &Registry, layers: &Mutex<HashSet<String>>) {
        let shape = *self.dice.pick(&[Shape::Pair, Shape::Pair, Shape::Buildx, Shape::Single, Shape::Whole]);
        let repository = format!("team/app{}", self.dice.below(REPOSITORIES));
        let (base, member) = (self.content(shape, true), self.content(shape, false));
        let tag = format!("v{}", self.made);
        let document = shape.answer(&base, &member);
        let answer = Arc::new(Thing::manifest(Route::Tag, &repository, &tag, document));
        let base_moves = self.dice.once_in(2);
        let mut tagged =
            Tagged { repository, tag, shape, base, member, base_moves, answer, parts: Vec::new() };
        tagged.push(registry, true, layers);
        tagged.push(registry, false, layers);
        self.tags.push(tagged);
    }

    /// Moves one member of a tag. What it is then is right from just before.
    fn advance(&mut self, registry: &Registry, layers: &Mutex<HashSet<String>>) {
        let place = self.dice.below(self.tags.len());
        let (shape, base) = (self.tags[place].shape, self.tags[place].base_moves);
        let next = self.content(shape, base || !shape.has_member());
        let tagged = &mut self.tags[place];
        let base = base || !shape.has_member();
        *(if base { &mut tagged.base } else { &mut tagged.member }) = next;
        tagged.answer.becomes(shape.answer(&tagged.base, &tagged.member));
        tagged.push(registry, base, layers);
    }

    fn content(&mut self, shape: Shape, base: bool) -> Content {
        let image = self.image(if base { "linux/amd64" } else { "linux/arm64" });
        match shape {
            Shape::Pair | Shape::Single => image.into(),
            Shape::Buildx => buildx(&image).into(),
            Shape::Whole => Index::oci().image(&image).image(&self.image("linux/arm64")).build().into(),
        }
    }

    fn image(&mut self, platform: &str) -> Image {
        self.made += 1;
        let builder = Image::builder(platform).layer_bytes(self.dice.bytes(LAYER)).seed(self.made);
        if self.dice.once_in(2) { builder.docker() } else { builder.oci() }.build()
    }
}

impl Shape {
    fn has_member(self) -> bool {
        matches!(self, Self::Pair | Self::Buildx)
    }

    /// What a client must get for these, by the oracle.
    fn answer(self, base: &Content, member: &Content) -> Document {
        let members = [(None, base), (Some(WORD), member)];
        Document::merged(&members[..if self.has_member() { 2 } else { 1 }])
    }
}

impl Tagged {
    /// Pushes the base, or the member if there is one, and what it leads to.
    fn push(&mut self, registry: &Registry, base: bool, layers: &Mutex<HashSet<String>>) {
        if !base && !self.shape.has_member() {
            return;
        }
        let tag = if base { self.tag.clone() } else { format!("{}-{WORD}", self.tag) };
        let content = if base { &self.base } else { &self.member };
        let images: &[Image] = match content {
            Content::Image(image) => std::slice::from_ref(image),
            Content::Index(index) => &index.images,
            Content::Raw(_) => &[],
        };
        for image in images {
            let document = Document::new(&image.media_type, image.manifest.clone());
            let digest = document.digest.clone();
            self.parts.push(Arc::new(Thing::manifest(Route::Digest, &self.repository, &digest, document)));
            let own = image.blobs().map(|blob| Arc::new(Thing::blob(&self.repository, blob)));
            self.parts.extend(own);
            let mut layers = layers.lock().unwrap_or_else(PoisonError::into_inner);
            layers.extend(image.layers.iter().map(|layer| testkit::sha256(&layer.bytes)));
        }
        match content {
            Content::Image(image) => registry.push(&self.repository, &tag, image),
            Content::Index(index) => registry.push_index(&self.repository, &tag, index),
            Content::Raw(raw) => registry.put_manifest(&self.repository, &tag, &raw.media_type, &raw.bytes),
        };
    }

    /// Its layers go, which take the most room. The rest stays: it may be asked for at this moment, and what is half
    /// gone would be merged from what is left.
    fn leave(&self, registry: &Registry, layers: &Mutex<HashSet<String>>) {
        let mut layers = layers.lock().unwrap_or_else(PoisonError::into_inner);
        for part in self.parts.iter().filter(|part| part.route == Route::Blob) {
            let path = part.path();
            let digest = path.rsplit('/').next().unwrap_or_default();
            if layers.remove(digest) {
                registry.delete_blob(&self.repository, digest);
            }
        }
    }
}

/// The list of a repository that never changes.
fn list(registry: &Registry) -> Arc<Thing> {
    let repository = "team/list";
    let image = Image::builder("linux/amd64").build();
    for number in 10..60 {
        registry.push(repository, &format!("v{number}"), &image);
    }
    let tags: Vec<String> = (10..60).map(|number| format!("v{number}")).collect();
    let body = serde_json::json!({ "name": repository, "tags": tags }).to_string();
    let document = Document::new("application/json", body);
    Arc::new(Thing::new(Route::List, format!("/v2/{repository}/tags/list"), document))
}
