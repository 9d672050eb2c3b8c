//! The kinds of faults: what goes wrong, and where that can strike.
//!
//! A tag, a list and a part of a blob have no digest in their name, so nobody can tell that other bytes come which
//! are as well-formed. What strikes those is what can be told: bytes that are no JSON, lengths and types that
//! disagree. What has a digest in its name gets any lie. A manifest that is falsely said to be absent is absent, so
//! 404 strikes only what a merge is not made of.

use std::net::TcpListener;
use std::time::Duration;

use testkit::image::media_type::OCI_INDEX;
use testkit::{Fault, Image, sha256};

use super::storm::Target;
use super::world::LAYER;
use crate::dice::Dice;

/// One kind of fault.
pub(super) struct Kind {
    name: &'static str,
    strikes: Strikes,
    make: fn(&mut Draw<'_>) -> Fault,
}

/// What a fault is made from.
pub(super) struct Draw<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) target: Target,
    pub(super) elsewhere: &'a Elsewhere,
}

/// What answers come from or lead to by mistake.
pub(super) struct Elsewhere {
    manifest: Vec<u8>,
    /// An address at which nothing listens.
    nowhere: String,
    circle: &'static str,
}

/// Where a kind can strike.
#[derive(Clone, Copy)]
enum Strikes {
    All,
    /// What has a body.
    Bodies,
    /// Bodies whose bytes can be told to be wrong.
    Content,
    /// The same, and parts, whose length can be told to be wrong.
    Lengths,
    /// Documents and lists.
    Texts,
    /// Requests for the whole.
    Wholes,
    /// Requests for a part.
    Ranges,
    /// What no merge is made of.
    Unmerged,
    /// Manifests.
    Manifests,
}

const fn kind(name: &'static str, strikes: Strikes, make: fn(&mut Draw<'_>) -> Fault) -> Kind {
    Kind { name, strikes, make }
}

const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";

const PAGE: &str = "<!DOCTYPE html><html><body>Please log in</body></html>";

/// More bytes than were announced.
const SURPLUS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff";

use Strikes::{All, Bodies, Content, Lengths, Manifests, Ranges, Texts, Unmerged, Wholes};

/// All kinds.
pub(super) const KINDS: &[Kind] = &[
    kind("late", All, |draw| Fault::Delay(draw.millis(60))),
    kind("no headers", All, |_| Fault::StallHeaders),
    kind("reset", All, |_| Fault::Reset),
    kind("no HTTP", All, |draw| Fault::Garbage(draw.dice.bytes(64))),
    kind("surplus", Content, |_| Fault::Garbage(SURPLUS.to_vec())),
    kind("stalled body", Bodies, |draw| Fault::StallBody { after: draw.within() }),
    kind("cut", Bodies, |draw| Fault::Cut { after: draw.within() }),
    kind("drip", Bodies, |draw| Fault::Drip { bytes: draw.size() / 8 + 1, every: draw.millis(40) }),
    kind("promised too much", Bodies, |draw| Fault::Promised(1 + draw.within())),
    kind("no length", Bodies, |_| Fault::NoContentLength),
    kind("shortened", Lengths, |draw| Fault::Shortened(1 + draw.within())),
    kind("lengthened", Lengths, |draw| Fault::Lengthened(draw.dice.bytes(9))),
    kind("flipped bit", Content, flipped),
    kind("other bytes", Content, |draw| Fault::Body(draw.dice.bytes(draw.size()))),
    kind("another's body", Content, of_another),
    kind("page", Content, |_| page("text/html")),
    kind("page with a type", Content, |_| page(OCI_INDEX)),
    kind("empty", Content, |_| Fault::Body(Vec::new())),
    kind("endless", Texts, |_| Fault::Endless),
    kind("encoded", Bodies, |_| altered(None, &[("content-encoding", "gzip")])),
    kind("partial whole", Wholes, |_| altered(Some(206), &[("content-range", "bytes 0-9/10")])),
    kind("another range", Ranges, |_| altered(None, &[("content-range", "bytes 1-2/3")])),
    kind("no range", Ranges, |_| altered(Some(200), &[])),
    kind("wrong type", Texts, |draw| Fault::ContentType(Some(draw.other_type()))),
    kind("no type", Manifests, |_| Fault::ContentType(None)),
    kind("wrong digest header", Manifests, |draw| Fault::DigestHeader(Some(draw.digest()))),
    kind("no digest header", Manifests, |_| Fault::DigestHeader(None)),
    kind("moved to nowhere", All, |draw| Fault::Redirect { to: draw.elsewhere.nowhere.clone(), code: 301 }),
    kind("moved in circles", All, |draw| Fault::Redirect { to: draw.elsewhere.circle.to_owned(), code: 302 }),
    kind("400", All, |_| Fault::status(400)),
    kind("401", All, |_| Fault::status(401)),
    kind("401 with a challenge", All, |_| refused(401, ("www-authenticate", "Basic realm=\"x\""))),
    kind("403", All, |_| Fault::status(403)),
    kind("404", Unmerged, |_| Fault::status(404)),
    kind("408", All, |_| Fault::status(408)),
    kind("416", All, |_| Fault::status(416)),
    kind("429", All, |_| Fault::status(429)),
    kind("429 with a wait", All, |draw| refused(429, ("retry-after", draw.wait()))),
    kind("500", All, |_| Fault::status(500)),
    kind("502", All, |_| Fault::status(502)),
    kind("503", All, |_| Fault::status(503)),
    kind("503 with a wait", All, |draw| refused(503, ("retry-after", draw.wait()))),
    kind("504", All, |_| Fault::status(504)),
];

impl Kind {
    /// Whether it can strike a request; `ranged`: for a part, be it for a client or to resume.
    pub(super) fn fits(&self, target: Target, ranged: bool, lies_about_blobs: bool) -> bool {
        let text = matches!(target, Target::TagGet | Target::Digest | Target::List);
        let blob = matches!(target, Target::Config | Target::Layer);
        let content = text || (blob && lies_about_blobs);
        match self.strikes {
            All => true,
            Bodies => target != Target::TagHead,
            Content => content,
            Lengths => content || target == Target::Part,
            Texts => text,
            Wholes => !ranged && (text || blob),
            Ranges => ranged,
            Unmerged => matches!(target, Target::Digest | Target::Layer | Target::Part | Target::List),
            Manifests => matches!(target, Target::TagGet | Target::TagHead | Target::Digest),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn fault(&self, draw: &mut Draw<'_>) -> Fault {
        (self.make)(draw)
    }
}

impl Elsewhere {
    pub(super) fn new(circle: &'static str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let nowhere = format!("http://{}/", free.expect("a free port"));
        let manifest = Image::builder("linux/s390x").build().manifest;
        Self { manifest, nowhere, circle }
    }
}

impl Draw<'_> {
    fn millis(&mut self, most: usize) -> Duration {
        Duration::from_millis(self.dice.below(most) as u64)
    }

    /// About as many bytes as there are.
    fn size(&self) -> usize {
        if self.target == Target::Layer { LAYER } else { 400 }
    }

    fn within(&mut self) -> usize {
        self.dice.below(self.size())
    }

    fn other_type(&mut self) -> String {
        let types = ["text/html; charset=utf-8", "application/octet-stream", OCI_INDEX, SCHEMA1];
        // What is said of a list is not looked at unless it is a page.
        let from = if self.target == Target::List { &types[..1] } else { &types[..] };
        (*self.dice.pick(from)).to_owned()
    }

    fn digest(&mut self) -> String {
        sha256(self.dice.bytes(8))
    }

    /// Mostly none: while it lasts nothing is asked.
    fn wait(&mut self) -> &'static str {
        if self.dice.once_in(6) { "1" } else { "0" }
    }
}

/// The highest bit of a byte where only text that is none can be told to be wrong.
fn flipped(draw: &mut Draw<'_>) -> Fault {
    let bit = draw.dice.below(8 * draw.size());
    let named = !matches!(draw.target, Target::TagGet | Target::List);
    Fault::FlipBit(if named { bit } else { bit | 7 })
}

fn of_another(draw: &mut Draw<'_>) -> Fault {
    Fault::Body(match draw.target {
        Target::Digest | Target::Config => draw.elsewhere.manifest.clone(),
        _ => draw.dice.bytes(LAYER),
    })
}

fn altered(code: Option<u16>, headers: &[(&str, &str)]) -> Fault {
    Fault::Altered { code, headers: owned(headers) }
}

fn refused(code: u16, header: (&str, &str)) -> Fault {
    Fault::Status { code, headers: owned(&[header]), body: Vec::new() }
}

fn page(media_type: &str) -> Fault {
    Fault::Status { code: 200, headers: owned(&[("content-type", media_type)]), body: PAGE.into() }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
