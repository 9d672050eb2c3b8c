//! Things that a registry gets to be pulled: tags with all that they lead to, and blobs of any size.

use std::sync::Arc;

use testkit::oracle::Content;
use testkit::{Image, Registry};

use crate::dice::Dice;
use crate::thing::{Document, Route, Thing};

const REPOSITORY: &str = "team/app";

/// Blobs are made of blocks, each from some place of a row of random bytes: to roll all of them takes too long.
const BLOCK: usize = 64 << 10;
const ROW: usize = 2 << 20;

/// Makes things and pushes them.
pub(crate) struct Stock {
    registry: Arc<Registry>,
    dice: Dice,
    row: Vec<u8>,
    tags: usize,
    images: u64,
}

/// A tag, and what it leads to.
pub(crate) struct Tagged {
    pub(crate) tag: Arc<Thing>,
    /// The same by the digest that clients get for it.
    pub(crate) digest: Arc<Thing>,
    /// Whether it is an index that nobody but onetag has.
    pub(crate) merged: bool,
    /// Manifests by digest, and blobs.
    pub(crate) parts: Vec<Arc<Thing>>,
}

impl Stock {
    pub(crate) fn new(registry: &Arc<Registry>, mut dice: Dice) -> Self {
        let row = dice.bytes(ROW);
        Self { registry: Arc::clone(registry), dice, row, tags: 0, images: 0 }
    }

    /// A new tag whose images have one layer of so many bytes: of each three, two are merged and one is single.
    pub(crate) fn tag(&mut self, layer: usize) -> Tagged {
        self.tags += 1;
        let tag = format!("v{}", self.tags);
        let (amd64, arm64) = (self.image("linux/amd64", layer), self.image("linux/arm64", layer));
        let mut parts = Vec::new();
        let merged = !self.tags.is_multiple_of(3);
        self.registry.push(REPOSITORY, &tag, &amd64);
        add_parts(&mut parts, &amd64);
        let document = if merged {
            self.registry.push(REPOSITORY, &format!("{tag}-arm"), &arm64);
            add_parts(&mut parts, &arm64);
            let members = [Content::from(amd64), Content::from(arm64)];
            Document::merged(&[(None, &members[0]), (Some("arm"), &members[1])])
        } else {
            Document::new(&amd64.media_type, amd64.manifest.clone())
        };
        let digest = document.digest.clone();
        Tagged {
            tag: Arc::new(Thing::manifest(Route::Tag, REPOSITORY, &tag, document.clone())),
            digest: Arc::new(Thing::manifest(Route::Digest, REPOSITORY, &digest, document)),
            merged,
            parts,
        }
    }

    /// A new blob of so many bytes.
    pub(crate) fn blob(&mut self, size: usize) -> Arc<Thing> {
        let bytes = self.bytes(size);
        self.registry.put_blob(REPOSITORY, &bytes);
        Arc::new(Thing::blob(REPOSITORY, &bytes))
    }

    /// The registry has this blob no more, which spares memory.
    pub(crate) fn forget(&self, blob: &Thing) {
        self.registry.delete_blob(REPOSITORY, &blob.digest());
    }

    fn image(&mut self, platform: &str, layer: usize) -> Image {
        self.images += 1;
        let bytes = self.bytes(layer);
        Image::builder(platform).layer_bytes(bytes).seed(self.images).build()
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = self.dice.bytes(size.min(32));
        while bytes.len() < size {
            let length = BLOCK.min(size - bytes.len());
            let first = self.dice.below(ROW - length);
            bytes.extend_from_slice(&self.row[first..first + length]);
        }
        bytes
    }
}

fn add_parts(parts: &mut Vec<Arc<Thing>>, image: &Image) {
    let document = Document::new(&image.media_type, image.manifest.clone());
    let digest = document.digest.clone();
    parts.push(Arc::new(Thing::manifest(Route::Digest, REPOSITORY, &digest, document)));
    parts.extend(image.blobs().map(|blob| Arc::new(Thing::blob(REPOSITORY, blob))));
}

/// All of these tags, for each the tag, then what can be had only once it was pulled, then its parts.
pub(crate) fn things(tags: &[Tagged]) -> Vec<Arc<Thing>> {
    let all = |it: &Tagged| [&[Arc::clone(&it.tag), Arc::clone(&it.digest)], &it.parts[..]].concat();
    tags.iter().flat_map(all).collect()
}

/// What clients get for these tags, by digest.
pub(crate) fn digests(tags: &[Tagged]) -> Vec<Arc<Thing>> {
    tags.iter().map(|it| Arc::clone(&it.digest)).collect()
}
