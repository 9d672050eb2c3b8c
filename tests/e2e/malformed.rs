//! Documents of the upstream that are no documents: each in the place of a member and of the base in turn.

use serde_json::json;
use testkit::image::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use testkit::{Fault, Image, Index, Match, Registry, sha256};
use tokio::time::{Duration, Instant};

use crate::support::{Legacy, REPOSITORY, Site, eventually, refusal, served_as};

/// Nothing is believed without asking, so that a mended upstream shows at once.
const ALWAYS_ASK: &[&str] = &["--tag-ttl", "0s", "--negative-ttl", "0s"];

/// What lies under a tag in the place of an image.
enum Bad {
    /// These bytes as this media type.
    Document(&'static str, Vec<u8>),
    /// An image with this configuration, which has the right digest.
    Config(Vec<u8>),
    /// An image whose configuration's digest names other bytes.
    LyingConfig,
    /// An index that lists a child without a platform, so that it must be read.
    Child(Child),
}

/// What is wrong with the child of an index.
enum Child {
    Missing,
    Lying,
    ListedAs(&'static str),
    /// It is an index and listed as a manifest.
    Nested,
}

/// What has to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// 502 where nothing was known, the last good answer where something was.
    Refused,
    /// Its bytes are what its digest says and still no image: left out if it is a member, passed if it is the
    /// base, and warned of.
    LeftOut,
    /// Not there, or not what it is listed as: like the former where nothing was known, the last good answer where something was.
    Lacking,
}

use Outcome::{Lacking, LeftOut, Refused};

fn image(seed: u64) -> Image {
    Image::builder("linux/arm64").seed(seed).build()
}

/// An OCI document with these members after its version and media type.
fn document(media_type: &'static str, members: &str) -> Bad {
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}",{members}}}"#);
    Bad::Document(media_type, text.into_bytes())
}

fn manifest_with(changed: &str, into: &str) -> Bad {
    let text = String::from_utf8(image(0).manifest).expect("JSON");
    assert!(text.contains(changed), "{text}");
    Bad::Document(OCI_MANIFEST, text.replacen(changed, into, 1).into_bytes())
}

fn list(entry: &str, times: usize) -> Bad {
    document(OCI_INDEX, &format!(r#""manifests":[{}]"#, vec![entry; times].join(",")))
}

fn entry() -> String {
    let digest = sha256("child");
    format!(
        r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":2,"platform":{{"os":"linux","architecture":"arm64"}}}}"#
    )
}

fn config_descriptor(config: &[u8]) -> String {
    let (digest, size) = (sha256(config), config.len());
    format!(r#"{{"mediaType":"{OCI_CONFIG}","digest":"{digest}","size":{size}}}"#)
}

fn padded(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.resize(length, b' ');
    bytes
}

/// What it is, how it is wrong, what has to become of it, and what whoever looks for the cause is told.
type Case = (&'static str, Bad, Outcome, &'static str);

fn cases() -> Vec<Case> {
    [broken(), contradictory(), behind()].into_iter().flatten().collect()
}

/// Documents that cannot be read.
fn broken() -> Vec<Case> {
    let whole = image(0).manifest;
    let config = format!(r#""config":{},"config":"#, config_descriptor(b"{}"));
    let deep = format!(r#""manifests":[],"annotations":{}1{}"#, "[".repeat(10_000), "]".repeat(10_000));
    let twice = format!(r#""manifests":[],"manifests":[{}]"#, entry());
    let negative = entry().replace(r#""size":2"#, r#""size":-2"#);
    let no_utf8 = [br#"{"mediaType":""#, &[0xff][..], br#"","#, &whole[1..]].concat();
    let plain = |bytes: Vec<u8>| Bad::Document(OCI_MANIFEST, bytes);
    vec![
        ("half a manifest", plain(whole[..whole.len() / 2].into()), Refused, "EOF"),
        ("a web page", Bad::Document("text/html", b"<html>Log in</html>".into()), Refused, "text/html"),
        ("nothing", plain(Vec::new()), Refused, "the body is empty"),
        ("a JSON list", plain(b"[]".into()), Refused, "not the JSON that is expected"),
        ("entries twice", document(OCI_INDEX, &twice), Refused, "duplicate field `manifests`"),
        ("a config twice", manifest_with(r#""config":"#, &config), Refused, "duplicate field `config`"),
        ("5 MiB", plain(padded(whole.clone(), 5 << 20)), Refused, "larger than 4194304 bytes"),
        ("1,001 entries", list(&entry(), 1_001), Refused, "more than 1000 entries"),
        ("10,000 levels", document(OCI_INDEX, &deep), Refused, "malformed"),
        ("a negative size", list(&negative, 1), Refused, "integer `-2`"),
        ("a bad digest", list(&entry().replace("sha256:", "sha256:../"), 1), Refused, "the digest value"),
        ("no UTF-8", plain(no_utf8), Refused, "malformed"),
    ]
}

/// Documents that are one thing and another.
fn contradictory() -> Vec<Case> {
    let layers = format!(r#""manifests":[{}],"layers":[]"#, entry());
    let config = format!(r#""manifests":[{}],"config":{}"#, entry(), config_descriptor(b"{}"));
    let entries = manifest_with(r#""layers":"#, r#""manifests":[],"layers":"#);
    let says = "the manifest says application/vnd";
    vec![
        ("a manifest sent as an index", Bad::Document(OCI_INDEX, image(0).manifest), Refused, says),
        ("a manifest that says list", manifest_with(OCI_MANIFEST, DOCKER_LIST), Refused, says),
        ("an index with a config", document(OCI_INDEX, &config), Refused, "do not belong to it"),
        ("an index with layers", document(OCI_INDEX, &layers), Refused, "do not belong to it"),
        ("a manifest with entries", entries, Refused, "do not belong to it"),
    ]
}

/// Documents that are well, but what they lead to is not.
fn behind() -> Vec<Case> {
    let (unread, lies) = ("its image config cannot be read", "the content has the digest");
    let number = br#"{"os":1,"architecture":"arm64"}"#.to_vec();
    vec![
        ("a config that is no JSON", Bad::Config(b"\x7fELF".into()), LeftOut, unread),
        ("a config that is a list", Bad::Config(b"[]".into()), LeftOut, unread),
        ("half a config", Bad::Config(image(0).config[..40].into()), LeftOut, unread),
        ("an os that is a number", Bad::Config(number), LeftOut, unread),
        ("a config over 4 MiB", Bad::Config(padded(image(0).config, (4 << 20) + 1)), LeftOut, unread),
        ("a config of another digest", Bad::LyingConfig, Refused, lies),
        ("a child that is not there", Bad::Child(Child::Missing), Lacking, "does not have it"),
        ("a child of another digest", Bad::Child(Child::Lying), Refused, lies),
        (
            "a child that is no index",
            Bad::Child(Child::ListedAs(OCI_INDEX)),
            Lacking,
            "which is application/",
        ),
        (
            "a child that is no list",
            Bad::Child(Child::ListedAs(DOCKER_LIST)),
            Lacking,
            "which is application/",
        ),
        ("a child that is an index", Bad::Child(Child::Nested), Lacking, "which is application/"),
    ]
}

/// What lies under a tag after that.
struct Planted {
    media_type: String,
    bytes: Vec<u8>,
    /// What the log must name: the tag, or the digest whose content is wrong.
    blame: String,
}

impl Bad {
    /// Puts it under a tag.
    fn plant(&self, registry: &Registry, tag: &str, mut planted: Image) -> Planted {
        let mut blame = tag.to_owned();
        match self {
            Self::Document(media_type, bytes) => {
                registry.put_manifest(REPOSITORY, tag, media_type, bytes);
                let (media_type, bytes) = ((*media_type).to_owned(), bytes.clone());
                return Planted { media_type, bytes, blame: tag.to_owned() };
            }
            Self::Config(config) => {
                let mut manifest: serde_json::Value =
                    serde_json::from_slice(&planted.manifest).expect("JSON");
                manifest["config"] = serde_json::from_str(&config_descriptor(config)).expect("JSON");
                planted.manifest = manifest.to_string().into_bytes();
                planted.config.clone_from(config);
            }
            Self::LyingConfig => {
                let lie = Fault::Body(br#"{"os":"linux","architecture":"arm64"}"#.into());
                blame = planted.config_digest();
                registry.fail(Match::blob(&blame), lie);
            }
            Self::Child(child) => return child.plant(registry, tag, &planted),
        }
        registry.push(REPOSITORY, tag, &planted);
        Planted { media_type: planted.media_type, bytes: planted.manifest, blame }
    }
}

impl Child {
    fn plant(&self, registry: &Registry, tag: &str, planted: &Image) -> Planted {
        let mut listed = planted.descriptor_json();
        if matches!(self, Self::Nested) {
            let nested = Index::oci().image(planted).build();
            registry.push_index(REPOSITORY, "", &nested);
            listed = nested.descriptor_json();
            listed["mediaType"] = json!(OCI_MANIFEST);
        }
        if let Self::ListedAs(media_type) = self {
            listed["mediaType"] = json!(media_type);
        }
        let index = Index::oci().descriptor(listed).build();
        registry.push_index(REPOSITORY, tag, &index);
        if !matches!(self, Self::Missing) {
            registry.push(REPOSITORY, "", planted);
        }
        if matches!(self, Self::Lying) {
            let other = Fault::Body(image(u64::MAX).manifest);
            registry.fail(Match::manifest(REPOSITORY, &planted.digest()), other);
        }
        let blame = if matches!(self, Self::Lying) { planted.digest() } else { tag.to_owned() };
        Planted { media_type: index.media_type, bytes: index.manifest, blame }
    }
}

#[tokio::test]
async fn no_malformed_document_is_merged_or_costs_more_than_its_own_tag_and_each_can_be_mended() {
    let site = Site::start(ALWAYS_ASK).await;
    Legacy::oci().push(&site.registry, "well");
    for (number, case) in cases().iter().enumerate() {
        for (place, suffix) in ["", "-arm"].into_iter().enumerate() {
            for (known, is_known) in ["new", "known"].into_iter().zip([false, true]) {
                let seed = 1_000 + 4 * number as u64 + 2 * place as u64 + u64::from(is_known);
                let spot = Spot { site: &site, tag: format!("{known}{number}.{place}"), suffix, is_known };
                spot.endures(case, seed).await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_even_in_a_field_that_nobody_reads() {
    let site = Site::start(ALWAYS_ASK).await;
    let around = |unheard: &[u8]| {
        let start = format!(r#"{{"schemaVersion":2,"manifests":[{}],"unheard":"#, entry());
        Bad::Document(OCI_INDEX, [start.as_bytes(), unheard, b"}"].concat())
    };
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for (number, bad) in [around(deep.as_bytes()), around(b"\"\xff\"")].iter().enumerate() {
        for suffix in ["", "-arm"] {
            let tag = format!("case{number}{}", if suffix.is_empty() { "base" } else { "member" });
            Legacy::oci().push(&site.registry, &tag);
            bad.plant(&site.registry, &format!("{tag}{suffix}"), image(0));
            assert_eq!(refusal(&site.manifest(&tag).await).0, 502, "{tag}");
        }
    }
}

#[tokio::test]
async fn no_entry_says_another_type_than_its_image_has() {
    let site = Site::start(ALWAYS_ASK).await;
    for (tag, suffix, platform) in [("base", "", "linux/amd64"), ("member", "-arm", "linux/arm64")] {
        Legacy::oci().push(&site.registry, tag);
        let image = Image::builder(platform).seed(5).build();
        let bad = Bad::Child(Child::ListedAs(DOCKER_MANIFEST));
        bad.plant(&site.registry, &format!("{tag}{suffix}"), image);
        let got = site.manifest(tag).await.text();
        let entries = got.matches(r#""platform":"#).count();
        assert!(entries < 2 || !got.contains(DOCKER_MANIFEST), "{tag}: {got}");
    }
}

/// Where a malformed document is put.
struct Spot<'a> {
    site: &'a Site,
    tag: String,
    /// Of the tag that it is put under; empty for the base.
    suffix: &'static str,
    /// Whether the tag was answered before that.
    is_known: bool,
}

impl Spot<'_> {
    async fn endures(&self, (what, bad, outcome, cause): &Case, seed: u64) {
        let Self { site, tag, suffix, is_known } = self;
        let legacy = Legacy::seeded(seed);
        legacy.push(&site.registry, tag);
        if *is_known {
            served_as(&site.manifest(tag).await, DOCKER_LIST, legacy.merged());
        }
        let planted = bad.plant(&site.registry, &format!("{tag}{suffix}"), self.image(seed));
        let begin = Instant::now();
        let got = site.manifest(tag).await;
        match outcome {
            Refused | Lacking if *is_known => served_as(&got, DOCKER_LIST, legacy.merged()),
            Refused => {
                let (status, code, message) = refusal(&got);
                assert_eq!((status, &*code), (502, "UNAVAILABLE"), "{message}");
                assert!(message.contains(cause), "{message}");
            }
            LeftOut | Lacking => {
                let base = &legacy.amd64;
                if suffix.is_empty() {
                    served_as(&got, &planted.media_type, &planted.bytes);
                } else {
                    served_as(&got, &base.media_type, &base.manifest);
                }
            }
        }
        let well = site.manifest("well").await;
        served_as(&well, OCI_INDEX, Legacy::oci().merged());
        assert!(begin.elapsed() < Duration::from_secs(2), "{what}: {:?}", begin.elapsed());
        self.is_told(cause, &planted.blame).await;
        site.registry.heal();
        legacy.push(&site.registry, tag);
        eventually(what, || async { site.manifest(tag).await.body == legacy.merged() }).await;
    }

    /// An image that would be merged, were nothing wrong.
    fn image(&self, seed: u64) -> Image {
        let platform = if self.suffix.is_empty() { "linux/amd64" } else { "linux/arm64" };
        Image::builder(platform).seed(seed + 1_000_000).build()
    }

    /// The cause stands in one line of the log with what is to blame.
    async fn is_told(&self, cause: &str, blame: &str) {
        let told = |line: &str| line.contains(cause) && line.contains(blame);
        eventually(&format!("{blame}: {cause}"), || async {
            let Site { onetag, .. } = self.site;
            [onetag.stdout_text(), onetag.stderr_text()].iter().any(|log| log.lines().any(told))
        })
        .await;
    }
}
