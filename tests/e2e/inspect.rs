//! `onetag inspect`: what a pull would get, and why.

use serde_json::Value;
use testkit::image::media_type::DOCKER_LIST;
use testkit::image::{helm_artifact, media_type};
use testkit::{Fault, Image, Index, Match, Registry, sha256};

use crate::support::{Legacy, REPOSITORY, Site, command, failure, served_as, text};

/// What `inspect --upstream` prints about a reference in [`REPOSITORY`], with its exit code.
fn inspect(registry: &Registry, reference: &str, more: &[&str]) -> (i32, String) {
    let (upstream, reference) = (registry.url(), format!("{REPOSITORY}{reference}"));
    let output = command(&[&["inspect", "--upstream", &upstream, &reference], more].concat(), &[]);
    (output.status.code().expect("it ended by itself"), text(&output.stdout))
}

fn inspect_json(registry: &Registry, reference: &str) -> (i32, Value) {
    let (code, text) = inspect(registry, reference, &["--json"]);
    (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// Whether a line of the table has all these words.
fn has_line(table: &str, words: &[&str]) -> bool {
    table.lines().any(|line| words.iter().all(|word| line.split_whitespace().any(|found| found == *word)))
}

#[tokio::test]
async fn a_merged_tag_is_told_with_every_platform_its_source_and_its_rule() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    let (amd64, arm64, merged) = (legacy.amd64.digest(), legacy.arm64.digest(), sha256(legacy.merged()));
    let (code, table) = inspect(&site.registry, ":latest", &[]);
    assert_eq!(code, 0, "{table}");
    for words in [
        &[&*merged][..],
        &[DOCKER_LIST],
        &["linux/amd64", "latest", &amd64],
        &["linux/arm64/v8", "latest-arm", &arm64],
        &["latest-arm", "{tag}-arm", "used"],
    ] {
        assert!(has_line(&table, words), "{words:?}: {table}");
    }
    assert!(table.contains("latest-arm64v8"), "those that are absent are named: {table}");
    let (code, json) = inspect_json(&site.registry, ":latest");
    assert_eq!((code, &json["answer"], &json["digest"]), (0, &"merged".into(), &merged.into()));
    assert_eq!(json["media_type"], DOCKER_LIST);
    assert_eq!(json["entries"][0]["platform"], "linux/amd64");
    assert_eq!(json["entries"][1]["from"], "latest-arm");
    assert_eq!(json["entries"][1]["digest"], arm64);
    assert_eq!(json["members"].as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn a_tag_that_passes_is_told_so() {
    let registry = Registry::start().await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    registry.push(REPOSITORY, "single", &amd64);
    registry.push_index(REPOSITORY, "multi", &Index::oci().image(&amd64).image(&arm64).build());
    for (tag, platforms) in [(":single", 1), (":multi", 2)] {
        let (code, json) = inspect_json(&registry, tag);
        assert_eq!((code, &json["answer"]), (0, &"passed".into()), "{json}");
        assert_eq!(json["entries"].as_array().map(Vec::len), Some(platforms), "{json}");
        let (code, table) = inspect(&registry, tag, &[]);
        assert_eq!(code, 0);
        assert!(has_line(&table, &["linux/amd64", &amd64.digest()]), "{table}");
    }
}

#[tokio::test]
async fn a_tag_that_is_absent_ends_with_1() {
    let registry = Registry::start().await;
    let (code, table) = inspect(&registry, ":none", &[]);
    assert_eq!(code, 1);
    assert!(table.contains("nothing to pull"), "{table}");
    let (code, json) = inspect_json(&registry, ":none");
    assert_eq!((code, &json["answer"], &json["digest"]), (1, &"absent".into(), &Value::Null));
}

#[tokio::test]
async fn a_finding_that_needs_a_person_ends_with_3() {
    let registry = Registry::start().await;
    let base = Legacy::docker().amd64;
    let liar = Image::builder("linux/amd64").docker().seed(1).build();
    for tag in ["lie", "chart"] {
        registry.push(REPOSITORY, tag, &base);
    }
    registry.push(REPOSITORY, "lie-arm64", &liar);
    registry.push(REPOSITORY, "chart-arm64", &helm_artifact());
    for (tag, word) in [("lie", "linux/amd64"), ("chart", "artifact")] {
        let (code, table) = inspect(&registry, &format!(":{tag}"), &[]);
        assert_eq!(code, 3, "{table}");
        let warning = table.lines().find(|line| line.starts_with("warning:")).unwrap_or_default();
        assert!(warning.contains(&format!("{tag}-arm64")) && warning.contains(word), "{table}");
        let (code, json) = inspect_json(&registry, &format!(":{tag}"));
        let members = json["members"].as_array().unwrap();
        let member = members.iter().find(|member| member["tag"] == format!("{tag}-arm64")).unwrap();
        assert_eq!((code, &member["state"]), (3, &"left-out".into()));
        assert_eq!(member["notes"][0]["warning"], true);
    }
}

#[tokio::test]
async fn a_digest_is_told_as_what_it_is() {
    let registry = Registry::start().await;
    let Legacy { amd64, arm64 } = Legacy::docker();
    let multi = Index::docker_list().image(&amd64).image(&arm64).build();
    let digest = registry.push_index(REPOSITORY, "", &multi);
    let (code, json) = inspect_json(&registry, &format!("@{digest}"));
    assert_eq!((code, &json["answer"], &json["reference"]), (0, &"passed".into(), &digest.into()));
    assert_eq!(json["entries"].as_array().map(Vec::len), Some(2));
    let (code, json) = inspect_json(&registry, &format!("@{}", amd64.digest()));
    assert_eq!((code, &json["media_type"]), (0, &media_type::DOCKER_MANIFEST.into()));
    assert_eq!(inspect_json(&registry, &format!("@{}", sha256("none"))).0, 1);
}

#[tokio::test]
async fn the_reference_may_name_the_registry_itself() {
    let registry = Registry::start().await;
    Legacy::docker().push(&registry, "latest");
    let reference = format!("{}/{REPOSITORY}", registry.address());
    let output = command(&["inspect", &reference], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(&sha256(Legacy::docker().merged())));
}

#[tokio::test]
async fn an_upstream_in_trouble_ends_with_1_and_is_told() {
    let registry = Registry::start().await;
    Legacy::docker().push(&registry, "latest");
    let (upstream, reference) = (registry.url(), format!("{REPOSITORY}:latest"));
    let args = ["inspect", "--upstream", &*upstream, &*reference];
    registry.fail(Match::manifest(REPOSITORY, "latest-arm"), Fault::status(500));
    let said = failure(1, &args);
    assert!(said.contains("latest-arm") && said.contains("500"), "{said}");
    registry.go_down().await;
    let said = failure(1, &args);
    assert!(said.contains(&upstream) && said.contains("refused"), "{said}");
}

#[test]
fn a_reference_that_is_none_ends_with_2() {
    for reference in
        ["Team/App", "team/app:", "team/app@sha256:1", "https://registry.example/app", "team/app"]
    {
        let said = failure(2, &["inspect", reference]);
        assert!(said.contains("onetag: "), "{said}");
    }
    let said = failure(2, &["inspect", "--upstream", "http://a.example", "b.example/app"]);
    assert!(said.contains("a.example") && said.contains("b.example"), "{said}");
}
