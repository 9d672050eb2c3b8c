//! A digest that was handed out stays, whatever happens to the tag, the process and the upstream.

use std::time::Duration;

use testkit::image::media_type::DOCKER_LIST;
use testkit::{Image, Onetag, Registry, client, sha256};

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
    settle().await;
    kill(onetag);
    let onetag = stage.serve();
    served_as(&get(&onetag, &digest).await, DOCKER_LIST, legacy.merged());
    kill(onetag);
    stage.registry.go_down().await;
    let onetag = stage.serve();
    served_as(&get(&onetag, &digest).await, DOCKER_LIST, legacy.merged());
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    assert!(matches!(refusal(&get(&onetag, "other").await).0, 502 | 503));
}

#[tokio::test]
async fn a_restart_while_the_upstream_is_down_serves_every_tag_and_manifest_that_was_warm() {
    let stage = Stage::new().await;
    let legacy = Legacy::docker();
    legacy.push(&stage.registry, "latest");
    stage.registry.push("team/app", "single-arm64", &legacy.arm64);
    let onetag = stage.serve();
    for tag in ["latest", "latest-arm", "single-arm64"] {
        assert_eq!(get(&onetag, tag).await.status, 200, "{tag}");
    }
    assert_eq!(get(&onetag, &legacy.arm64.digest()).await.status, 200);
    settle().await;
    kill(onetag);
    stage.registry.go_down().await;
    let onetag = stage.serve();
    let merged = get(&onetag, "latest").await;
    served_as(&merged, DOCKER_LIST, legacy.merged());
    assert_eq!(merged.header("onetag-members"), Some("latest, latest-arm"));
    for reference in ["latest-arm", "single-arm64", &legacy.arm64.digest()] {
        served_as(&get(&onetag, reference).await, &legacy.arm64.media_type, &legacy.arm64.manifest);
    }
    // A client that takes no index gets the image itself.
    let url = format!("{}{}", onetag.url(), manifest_path("latest"));
    let accept = ("accept", "application/vnd.docker.distribution.manifest.v2+json");
    let single = client::get(&url, &[accept]).await.expect("an answer");
    served_as(&single, &legacy.amd64.media_type, &legacy.amd64.manifest);
}

#[tokio::test]
async fn the_records_of_another_upstream_answer_nothing() {
    let stage = Stage::new().await;
    Legacy::seeded(1).push(&stage.registry, "latest");
    let onetag = stage.serve();
    assert_eq!(get(&onetag, "latest").await.status, 200);
    settle().await;
    kill(onetag);
    let other = Registry::start().await;
    let onetag = serve(&other.url(), &["--data-dir", stage.data_dir()]);
    assert_eq!(refusal(&get(&onetag, "latest").await).0, 404);
    assert_eq!(refusal(&get(&onetag, &Legacy::seeded(1).arm64.digest()).await).0, 404);
    assert!(onetag.stderr_text().contains("another upstream's"), "{}", onetag.stderr_text());
}

#[tokio::test]
async fn the_records_of_other_rules_answer_nothing() {
    let stage = Stage::new().await;
    let legacy = Legacy::docker();
    legacy.push(&stage.registry, "latest");
    let onetag = stage.serve();
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    settle().await;
    kill(onetag);
    let onetag = serve(&stage.registry.url(), &["--data-dir", stage.data_dir(), "--suffixes", "riscv64"]);
    served_as(&get(&onetag, "latest").await, &legacy.amd64.media_type, &legacy.amd64.manifest);
}

#[tokio::test]
async fn a_damaged_database_is_put_aside_and_costs_no_pull() {
    let stage = Stage::new().await;
    let legacy = Legacy::docker();
    legacy.push(&stage.registry, "latest");
    let onetag = stage.serve();
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    kill(onetag);
    let file = stage.directory.path().join("onetag.redb");
    let mut bytes = std::fs::read(&file).expect("the database");
    bytes[..4096].fill(0x5a);
    std::fs::write(&file, bytes).expect("a damaged database");
    let onetag = stage.serve();
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    assert!(stage.directory.path().join("onetag.redb.damaged").exists());
}

#[tokio::test]
async fn a_data_directory_that_is_deleted_under_way_costs_no_pull_and_is_made_again() {
    let stage = Stage::new().await;
    let onetag = stage.serve();
    let (one, two) = (Legacy::seeded(1), Legacy::seeded(2));
    one.push(&stage.registry, "one");
    served_as(&get(&onetag, "one").await, DOCKER_LIST, one.merged());
    std::fs::remove_dir_all(stage.directory.path()).expect("removed");
    two.push(&stage.registry, "two");
    served_as(&get(&onetag, "two").await, DOCKER_LIST, two.merged());
    served_as(&get(&onetag, "one").await, DOCKER_LIST, one.merged());
    kill(onetag);
    stage.registry.go_down().await;
    served_as(&get(&stage.serve(), &sha256(two.merged())).await, DOCKER_LIST, two.merged());
}

#[tokio::test]
async fn the_last_coherent_answer_is_held_across_a_restart() {
    let stage = Stage::new().await;
    let settings = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    std::fs::write(settings.path(), "[merge]\nskew = \"hold\"\n").expect("a written file");
    let settings = settings.path().to_str().expect("a path in UTF-8");
    let args = ["--data-dir", stage.data_dir(), "--tag-ttl", "0s", "--config", settings];
    let image = |platform: &str, revision: &str| {
        Image::builder(platform).label("org.opencontainers.image.revision", revision).build()
    };
    stage.registry.push("team/app", "latest", &image("linux/amd64", "one"));
    stage.registry.push("team/app", "latest-arm", &image("linux/arm64", "one"));
    let onetag = serve(&stage.registry.url(), &args);
    let coherent = get(&onetag, "latest").await;
    stage.registry.push("team/app", "latest", &image("linux/amd64", "two"));
    assert_eq!(get(&onetag, "latest").await.header("onetag-source"), Some("held"));
    settle().await;
    kill(onetag);
    let onetag = serve(&stage.registry.url(), &args);
    let held = get(&onetag, "latest").await;
    assert_eq!(held.header("onetag-source"), Some("held"));
    assert!(held.body == coherent.body);
    let metrics = client::get(&format!("{}/metrics", onetag.admin_url()), &[]).await.expect("metrics");
    assert!(metrics.text().contains("onetag_merged_total 0"), "nobody got the new merge");
}

/// Tells onetag that a tag was pushed.
async fn invalidate(onetag: &Onetag, reference: &str) {
    let url = format!("{}/invalidate?ref=team/app:{reference}", onetag.admin_url());
    let answer = client::Client::plain().request("POST", &url, &[], &b""[..]).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Onetag on the stage that believes its tags for long.
fn believing(stage: &Stage, settings: &str) -> Onetag {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    let settings = format!("[cache]\ntag_ttl = \"1h\"\nimmutable = [\"v*\"]\n\n{settings}");
    std::fs::write(file.path(), settings).expect("a written file");
    let config = file.path().to_str().expect("a path in UTF-8");
    serve(&stage.registry.url(), &["--data-dir", stage.data_dir(), "--config", config])
}

#[tokio::test]
async fn a_push_that_was_told_counts_after_a_kill_and_for_what_only_the_disk_has() {
    for (round, told_after_the_restart) in [false, true].into_iter().enumerate() {
        let stage = Stage::new().await;
        let (old, new) = (Legacy::seeded(1), Legacy::seeded(2));
        for tag in ["latest", "v1"] {
            old.push(&stage.registry, tag);
        }
        let mut onetag = believing(&stage, "");
        for tag in ["latest", "v1"] {
            served_as(&get(&onetag, tag).await, DOCKER_LIST, old.merged());
        }
        settle().await;
        if told_after_the_restart {
            kill(onetag);
            onetag = believing(&stage, "");
        }
        for tag in ["latest", "v1"] {
            new.push(&stage.registry, tag);
            invalidate(&onetag, &format!("{tag}-arm")).await;
        }
        if round == 0 {
            kill(onetag);
            onetag = believing(&stage, "");
        }
        for tag in ["latest", "v1"] {
            served_as(&get(&onetag, tag).await, DOCKER_LIST, new.merged());
        }
    }
}

#[tokio::test]
async fn the_answer_before_a_push_stands_in_after_a_restart_while_the_upstream_fails() {
    let stage = Stage::new().await;
    let legacy = Legacy::docker();
    legacy.push(&stage.registry, "latest");
    let onetag = believing(&stage, "");
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    settle().await;
    invalidate(&onetag, "latest").await;
    kill(onetag);
    stage.registry.go_down().await;
    let old = get(&believing(&stage, ""), "latest").await;
    served_as(&old, DOCKER_LIST, legacy.merged());
    assert_eq!(old.header("onetag-source"), Some("stale"));
}

#[tokio::test]
async fn a_rule_that_does_not_take_a_tag_or_changes_only_times_leaves_its_record() {
    let stage = Stage::new().await;
    let legacy = Legacy::docker();
    legacy.push(&stage.registry, "latest");
    let onetag = believing(&stage, "");
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    settle().await;
    kill(onetag);
    stage.registry.go_down().await;
    for settings in [
        "[[rule]]\nrepositories = [\"other/*\"]\nmembers = [\"{tag}-edge\"]\n",
        "[[rule]]\nrepositories = [\"team/*\"]\nttl = \"5m\"\nname = \"team\"\n",
        "[merge]\nskew = \"ignore\"\n",
    ] {
        let onetag = believing(&stage, settings);
        served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
        kill(onetag);
    }
    let onetag = believing(&stage, "[[rule]]\nrepositories = [\"team/*\"]\nmembers = [\"{tag}-edge\"]\n");
    assert!(get(&onetag, "latest").await.status >= 500);
}

#[tokio::test]
async fn tags_that_do_not_move_go_to_a_database_that_was_begun_anew() {
    let stage = Stage::new().await;
    let legacy = Legacy::docker();
    legacy.push(&stage.registry, "latest");
    let onetag = stage.serve();
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    settle().await;
    std::fs::remove_file(stage.directory.path().join("onetag.redb")).expect("removed");
    // One pull finds out that it is gone, the next one has all written again.
    for tag in ["nowhere", "latest", "latest", "latest"] {
        get(&onetag, tag).await;
        settle().await;
    }
    kill(onetag);
    stage.registry.go_down().await;
    let onetag = stage.serve();
    served_as(&get(&onetag, "latest").await, DOCKER_LIST, legacy.merged());
    served_as(&get(&onetag, &sha256(legacy.merged())).await, DOCKER_LIST, legacy.merged());
}

/// What an answer does not wait for is on the disk a moment later.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
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
