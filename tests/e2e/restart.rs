//! A digest that was handed out stays, whatever happens to the tag, the process and the upstream.

use std::time::Duration;

use testkit::image::media_type::DOCKER_LIST;
use testkit::{Onetag, Registry, client, sha256};

use crate::support::{ACCEPT, Legacy, failure, manifest_path, refusal, serve, served_as, whole_log};

/// A registry, and a data directory for the onetags in front of it.
struct Stage {
    registry: Registry,
    directory: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self { registry: Registry::start().await, directory: tempfile::tempdir().expect("a directory") }
    }

    fn data_dir(&self) -> &str {
        self.directory.path().to_str().expect("a path in UTF-8")
    }

    fn serve(&self) -> Onetag {
        serve(&self.registry.url(), &["--data-dir", self.data_dir(), "--tag-ttl", "0s"])
    }
}

async fn get(onetag: &Onetag, reference: &str) -> client::Response {
    client::get(&format!("{}{}", onetag.url(), manifest_path(reference)), &[ACCEPT]).await.expect("an answer")
}

async fn head_digest(onetag: &Onetag, tag: &str) -> String {
    let url = format!("{}{}", onetag.url(), manifest_path(tag));
    let head = client::head(&url, &[ACCEPT]).await.expect("an answer");
    head.header("docker-content-digest").expect("a digest").to_owned()
}

fn kill(mut onetag: Onetag) {
    onetag.kill();
    onetag.wait(Duration::from_secs(5));
}

#[tokio::test]
async fn a_digest_from_head_is_there_after_a_kill_even_while_the_upstream_is_down() {
    let stage = Stage::new().await;
    let legacy = Legacy::docker();
    legacy.push(&stage.registry, "latest");
    let onetag = stage.serve();
    let digest = head_digest(&onetag, "latest").await;
    assert_eq!(digest, sha256(legacy.merged()));
    kill(onetag);
    let onetag = stage.serve();
    served_as(&get(&onetag, &digest).await, DOCKER_LIST, legacy.merged());
    kill(onetag);
    stage.registry.go_down().await;
    let onetag = stage.serve();
    served_as(&get(&onetag, &digest).await, DOCKER_LIST, legacy.merged());
    assert_eq!(refusal(&get(&onetag, "latest").await).0, 503);
}

#[tokio::test]
async fn vector_38_the_digests_of_a_tag_that_moved_outlive_two_restarts() {
    let stage = Stage::new().await;
    let mut onetag = stage.serve();
    let versions = [1, 2, 3].map(Legacy::seeded);
    for version in &versions {
        version.push(&stage.registry, "latest");
        assert_eq!(head_digest(&onetag, "latest").await, sha256(version.merged()));
        kill(onetag);
        onetag = stage.serve();
    }
    for version in &versions {
        served_as(&get(&onetag, &sha256(version.merged())).await, DOCKER_LIST, version.merged());
    }
}

#[tokio::test]
async fn a_restart_gives_the_tag_the_same_digest() {
    let stage = Stage::new().await;
    Legacy::docker().push(&stage.registry, "latest");
    let onetag = stage.serve();
    let before = head_digest(&onetag, "latest").await;
    kill(onetag);
    assert_eq!(head_digest(&stage.serve(), "latest").await, before);
}

#[tokio::test]
async fn without_a_data_directory_a_warning_says_what_is_lost() {
    let registry = Registry::start().await;
    let stage = Stage::new().await;
    assert!(whole_log(serve(&registry.url(), &[])).contains("--data-dir"));
    assert!(!whole_log(stage.serve()).contains("--data-dir"));
}

#[tokio::test]
async fn a_data_directory_has_one_onetag_at_a_time() {
    let stage = Stage::new().await;
    let first = stage.serve();
    let second = ["serve", "--upstream", &stage.registry.url(), "--data-dir", stage.data_dir()];
    let listeners = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let said = failure(2, &[&second[..], &listeners].concat());
    let line = said.lines().last().unwrap();
    assert!(line.contains(stage.data_dir()) && line.contains("another onetag"), "{said}");
    kill(first);
    stage.serve();
}
