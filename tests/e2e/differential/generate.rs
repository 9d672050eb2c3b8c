//! Repositories as no one would write them, each from a seed of its own.

use serde_json::{Value, json};
use testkit::image::{
    IndexBuilder, buildkit_cache_index, cosign_signature, helm_artifact, sbom_of, schema1_manifest,
};
use testkit::oracle::Content;
use testkit::{Image, Index};

/// The words of all tags beside the base, in the order of their precedence.
pub(super) const WORDS: [&str; 12] = [
    "arm", "arm64", "arm64v8", "aarch64", "armv7", "arm32v7", "armhf", "amd64", "x86_64", "armel", "arm32v6",
    "i386",
];

/// What images say about themselves: os, architecture, variant; a dash for a field that is not there.
const SPELLINGS: [(&str, &str, &str); 32] = [
    ("linux", "amd64", "-"),
    ("linux", "x86_64", "-"),
    ("Linux", "AMD64", "v1"),
    ("linux", "x86-64", "v2"),
    ("linux", "amd64", "V3"),
    ("linux", "amd64", "v8"),
    ("linux", "amd64", "baseline"),
    ("linux", "arm64", "-"),
    ("linux", "arm64", ""),
    ("linux", "arm64", "8"),
    ("linux", "arm64", "v8.0"),
    ("linux", "aarch64", "armv8"),
    ("linux", "arm64", "v9"),
    ("linux", "arm", "-"),
    ("linux", "arm", "5"),
    ("linux", "arm", "v6"),
    ("linux", "arm", "6"),
    ("linux", "arm", "armv7"),
    ("linux", "arm", "V7"),
    ("linux", "arm", "8"),
    ("linux", "armhf", "-"),
    ("linux", "armel", "-"),
    ("linux", "i386", "-"),
    ("linux", "386", "-"),
    ("linux", "riscv64", "rva22u64"),
    ("linux", "s390x", "-"),
    ("macos", "arm64", "-"),
    ("darwin", "amd64", "-"),
    ("FreeBSD", "amd64", "-"),
    ("windows", "amd64", "-"),
    ("-", "arm64", "v8"),
    ("linux", "-", "-"),
];

/// The media type of what an index lists and is no manifest.
pub(super) const BLOB: &str = "application/x-blob";

const ZSTD: &str = "io.github.containers.compression.zstd";

/// Numbers that look random and are the same for a seed every time (`SplitMix64`).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).expect("below a usize")
    }

    /// Yes, once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The tags of one repository: the word (`None` for the base) and what lies under it, in the order of their
/// precedence.
pub(super) fn repository(dice: &mut Dice) -> Vec<(Option<&'static str>, Content)> {
    let mut tags = Vec::new();
    if !dice.once_in(5) {
        tags.push((None, content(dice, None)));
    }
    for word in WORDS {
        if dice.once_in(4) {
            tags.push((Some(word), content(dice, Some(word))));
        }
    }
    tags
}

fn content(dice: &mut Dice, word: Option<&str>) -> Content {
    match dice.below(20) {
        0 => artifact(dice),
        1..=7 => index(dice, word).into(),
        _ => image(dice, word).into(),
    }
}

fn artifact(dice: &mut Dice) -> Content {
    match dice.below(5) {
        0 => helm_artifact().into(),
        1 => cosign_signature().into(),
        2 => sbom_of(&image(dice, None)).into(),
        3 => buildkit_cache_index().into(),
        _ => schema1_manifest("a/b", "c").into(),
    }
}

/// Often one that its word allows, so that merges are no rarity; from few seeds, so that equal ones meet.
fn image(dice: &mut Dice, word: Option<&str>) -> Image {
    let fits: &[(&str, &str, &str)] = match word {
        Some("arm") => &SPELLINGS[7..22],
        Some("arm64" | "arm64v8" | "aarch64") => &SPELLINGS[7..13],
        Some("armhf" | "armel" | "armv7" | "arm32v7" | "arm32v6") => &SPELLINGS[13..22],
        Some("amd64" | "x86_64") | None => &SPELLINGS[..7],
        _ => &SPELLINGS[22..24],
    };
    let from = if dice.once_in(4) { &SPELLINGS } else { fits };
    let (os, architecture, variant) = *dice.pick(from);
    let field = |text: &'static str| (text != "-").then_some(text);
    let mut builder = Image::builder("linux/any").os(field(os)).architecture(field(architecture));
    builder = builder.variant(field(variant)).seed(dice.below(3) as u64);
    if os == "windows" {
        let versions = ["10.0.17763.5122", "10.0.20348.2113", "10.0.9200.1"];
        builder = builder.os_version(dice.pick::<&str>(&versions)).os_features(&["win32k"]);
    }
    if dice.once_in(8) {
        builder = builder.annotation("org.example.note", "of the manifest, not of its descriptor");
    }
    if dice.once_in(8) {
        builder = builder.odd_whitespace();
    }
    if dice.once_in(2) { builder.docker() } else { builder.oci() }.build()
}

fn index(dice: &mut Dice, word: Option<&str>) -> Index {
    let mut index = if dice.once_in(3) { Index::docker_list() } else { Index::oci() };
    let mut listed: Vec<Image> = Vec::new();
    for _ in 0..=dice.below(6).saturating_sub(3) {
        let image = if listed.is_empty() || !dice.once_in(5) {
            image(dice, word)
        } else {
            dice.pick::<Image>(&listed).clone()
        };
        index = match dice.below(9) {
            0 => index.image_as(&image, None),
            1 => index.image_as(&image, Some(json!({ "os": "linux", "architecture": "amd64" }))),
            2 => {
                index.image_as(&image, Some(json!({ "os": "linux", "architecture": "arm", "variant": "v7" })))
            }
            3 => index.image(&image).descriptor(described(&twin(&image), ZSTD, "true")),
            4 => index.image_as(&image, None).descriptor(described(&image, "quoted \"é\"", "a\\b\n<&>")),
            _ => index.image(&image),
        };
        listed.push(image);
    }
    for image in &listed {
        if dice.once_in(2) {
            index = index.attestation_for(image);
        }
    }
    if dice.once_in(6) {
        index = index.attestation_for(&Image::builder("linux/amd64").seed(99).build());
    }
    if dice.once_in(5) {
        index = extra(dice, index);
    }
    let mut whole = with_twins(index.build(), &listed);
    let depth = if dice.once_in(4) { dice.below(5) } else { 0 };
    for _ in 0..depth {
        whole = Index::oci().nested(&whole).build();
    }
    whole
}

/// Lists something beside images.
fn extra(dice: &mut Dice, index: IndexBuilder) -> IndexBuilder {
    let chart = helm_artifact();
    let unknown = Some(json!({ "os": "unknown", "architecture": "unknown" }));
    match dice.below(5) {
        0 => index.blob(BLOB, b"x"),
        1 => index.image_as(&chart, unknown),
        2 => index.image_as(&chart, None),
        3 => index.image_as(&image(dice, None), unknown),
        _ => {
            let image = image(dice, None);
            let mut other = described(&image, "vnd.docker.reference.type", "something-else");
            if dice.once_in(2) {
                other = described(&image, "some", "thing");
                other["artifactType"] = json!("application/x");
            }
            index.image_as(&image, image.platform.clone()).descriptor(other)
        }
    }
}

/// The same image in another form, as a second compression of it has.
fn twin(image: &Image) -> Image {
    let mut twin = image.clone();
    twin.manifest.push(b'\n');
    twin
}

/// Twins are listed by descriptor alone; here they come along.
fn with_twins(mut index: Index, listed: &[Image]) -> Index {
    index.images.extend(listed.iter().map(twin));
    index
}

fn described(image: &Image, annotation: &str, value: &str) -> Value {
    let mut descriptor = image.descriptor_json();
    descriptor["platform"] = image.platform.clone().expect("an image");
    descriptor["annotations"] = json!({ annotation: value, "a.first": "1" });
    descriptor["urls"] = json!(["https://example.com/a?b=1&c=2"]);
    descriptor["data"] = json!("e30=");
    descriptor
}

/// Everything about a repository, for whoever has to find out what went wrong.
pub(super) fn shown(tags: &[(Option<&str>, Content)]) -> String {
    let mut text = Vec::new();
    for (word, content) in tags {
        let name = word.map_or("latest".to_owned(), |word| format!("latest-{word}"));
        text.push(format!(
            "{name}: {}\n  {}",
            content.media_type(),
            String::from_utf8_lossy(content.bytes())
        ));
        let images: Vec<&Image> = match content {
            Content::Image(image) => vec![image],
            Content::Index(index) => index.images.iter().collect(),
            Content::Raw(_) => Vec::new(),
        };
        let platform = |image: &Image| image.platform.as_ref().map_or(String::new(), Value::to_string);
        text.extend(images.into_iter().map(|image| format!("  {} {}", image.digest(), platform(image))));
    }
    text.join("\n")
}
