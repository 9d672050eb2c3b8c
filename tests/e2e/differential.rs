//! Many random repositories: what onetag answers is what the test kit's oracle derives from the rules alone.
//!
//! `ONETAG_TEST_SEED` sets the first seed; without it the cases are the same every time.

mod generate;

use std::time::Duration;

use serde_json::Value;
use testkit::client::Response;
use testkit::oracle::{Answer, Content, Contents, Member, answer};
use testkit::{Fault, Image, Match, Registry, sha256, sha512};

use self::generate::{BLOB, Dice, WORDS, repository, shown};
use crate::support::{ACCEPT, Site, refusal};

const CASES: u64 = 200;

/// One random repository and what must be answered for its tag `latest`.
struct Case {
    seed: u64,
    tags: Vec<(Option<&'static str>, Content)>,
    expected: Answer,
}

impl Case {
    fn new(seed: u64) -> Self {
        let tags = repository(&mut Dice::new(seed));
        let mut contents = Contents::default();
        for (_, content) in &tags {
            contents.add(content);
        }
        let members: Vec<_> = tags.iter().map(|(word, content)| Member { word: *word, content }).collect();
        Self { seed, expected: answer(&contents, &members), tags }
    }

    fn all() -> Vec<Self> {
        let first = std::env::var("ONETAG_TEST_SEED").map_or(1, |seed| seed.parse().expect("a number"));
        (first..first + CASES).map(Self::new).collect()
    }

    fn name(&self, prefix: &str) -> String {
        format!("{prefix}/seed{}", self.seed)
    }

    fn push<'a>(&'a self, registry: &Registry, prefix: &str, order: impl Iterator<Item = &'a Tag>) {
        for (word, content) in order {
            push(registry, &self.name(prefix), &tag(*word), content);
        }
    }

    /// What is wrong with the answer, if anything.
    fn complaint(&self, got: &Response) -> Option<String> {
        let wrong = match self.expected.body() {
            None => got.status != 404,
            Some((media_type, bytes)) => {
                got.status != 200
                    || got.body != bytes
                    || got.header("content-type") != Some(media_type)
                    || got.header("docker-content-digest") != Some(&*sha256(bytes))
            }
        };
        wrong.then(|| {
            let expected = match &self.expected {
                Answer::Absent => "404".to_owned(),
                Answer::Passes { member, .. } => format!("the bytes of {}", tag(self.tags[*member].0)),
                Answer::Merged { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            };
            format!(
                "seed {}\nexpected {expected}\ngot {} {:?}\n{}\nof\n{}",
                self.seed,
                got.status,
                got.header("content-type"),
                got.text(),
                shown(&self.tags)
            )
        })
    }
}

type Tag = (Option<&'static str>, Content);

fn tag(word: Option<&str>) -> String {
    word.map_or("latest".to_owned(), |word| format!("latest-{word}"))
}

fn push(registry: &Registry, repository: &str, tag: &str, content: &Content) {
    match content {
        Content::Image(image) => registry.push(repository, tag, image),
        Content::Index(index) => registry.push_index(repository, tag, index),
        Content::Raw(raw) => registry.put_manifest(repository, tag, &raw.media_type, &raw.bytes),
    };
}

async fn site() -> Site {
    Site::start(&["--suffixes", &WORDS.join(",")]).await
}

async fn latest(site: &Site, repository: &str) -> Response {
    site.get(&format!("/v2/{repository}/manifests/latest"), &[ACCEPT]).await
}

#[track_caller]
fn no_complaints(complaints: &[String], of: usize) {
    assert!(complaints.is_empty(), "{} of {of} are wrong; the first:\n{}", complaints.len(), complaints[0]);
}

#[tokio::test]
async fn random_repositories_are_merged_as_the_oracle_says() {
    let site = site().await;
    let cases = Case::all();
    let merged = cases.iter().filter(|case| matches!(case.expected, Answer::Merged { .. })).count();
    assert!(merged * 3 > cases.len(), "{merged} merges make a poor test");
    for case in &cases {
        case.push(&site.registry, "once", case.tags.iter());
    }
    let mut complaints = Vec::new();
    for case in &cases {
        let got = latest(&site, &case.name("once")).await;
        if got.status == 404 {
            assert_eq!(refusal(&got).1, "MANIFEST_UNKNOWN", "seed {}", case.seed);
        }
        complaints.extend(case.complaint(&got));
    }
    no_complaints(&complaints, cases.len());
}

#[tokio::test]
async fn neither_the_order_of_pushes_and_pulls_nor_latency_nor_other_tags_change_an_answer() {
    let site = site().await;
    let cases = Case::all();
    let stranger = Content::Image(Image::builder("linux/arm64").seed(7).build());
    for case in &cases {
        let repository = case.name("other");
        for unrelated in ["latest-alarm", "later", "1-arm"] {
            push(&site.registry, &repository, unrelated, &stranger);
        }
        case.push(&site.registry, "other", case.tags.iter().rev());
        let mut dice = Dice::new(!case.seed);
        let slow = tag(case.tags.get(dice.below(case.tags.len() + 1)).and_then(|(word, _)| *word));
        let wait = Duration::from_millis(dice.below(12) as u64);
        site.registry.fail(Match::manifest(&repository, &slow), Fault::Delay(wait));
    }
    let mut complaints = Vec::new();
    for case in cases.iter().rev() {
        for (word, _) in case.tags.iter().rev().filter(|(word, _)| word.is_some()) {
            let path = format!("/v2/{}/manifests/{}", case.name("other"), tag(*word));
            site.get(&path, &[ACCEPT]).await;
        }
        complaints.extend(case.complaint(&latest(&site, &case.name("other")).await));
    }
    no_complaints(&complaints, cases.len());
}

#[tokio::test]
async fn every_entry_of_a_random_merge_can_be_fetched_and_has_its_digest_and_size() {
    let site = site().await;
    let mut entries = 0;
    for case in Case::all().iter().filter(|case| matches!(case.expected, Answer::Merged { .. })) {
        case.push(&site.registry, "deep", case.tags.iter());
        let repository = case.name("deep");
        let index = latest(&site, &repository).await.json();
        let manifests = index["manifests"].as_array().expect("an index").iter();
        for entry in manifests.filter(|entry| entry["mediaType"] != BLOB) {
            let digest = entry["digest"].as_str().expect("a digest");
            let got = site.get(&format!("/v2/{repository}/manifests/{digest}"), &[ACCEPT]).await;
            assert_eq!(got.status, 200, "seed {}: {digest} {}", case.seed, got.text());
            assert!(
                [sha256(&got.body), sha512(&got.body)].contains(&digest.to_owned()),
                "seed {}",
                case.seed
            );
            assert_eq!(entry["size"], Value::from(got.body.len()), "seed {}", case.seed);
            assert_eq!(entry["mediaType"].as_str(), got.header("content-type"), "seed {}", case.seed);
            entries += 1;
        }
    }
    assert!(entries > 200, "only {entries}");
}
