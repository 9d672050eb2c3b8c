//! What is fetched before anybody pulls: `onetag warm`, `[[warm]]`, and `/warm` behind them.

use std::time::Duration;

use testkit::client::{self, Client, Response};
use testkit::image::media_type::DOCKER_LIST;
use testkit::image::{ImageBuilder, buildx};
use testkit::{Fault, Image, Kind, Match, Recorded};

use crate::support::{Legacy, REPOSITORY, Site, command, distinct_bytes, eventually, served_as, text};

fn is_blob(request: &Recorded) -> bool {
    request.kind == Kind::Blob && request.method == "GET"
}

/// A site with a data directory, and the directory.
async fn stage(settings: &str) -> (Site, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().to_str().expect("a path in UTF-8");
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    std::fs::write(file.path(), settings).expect("a written file");
    let config = file.path().to_str().expect("a path in UTF-8");
    let site = Site::start(&["--data-dir", data_dir, "--config", config]).await;
    (site, directory)
}

/// Runs `onetag warm` against the site; its exit code, output and errors.
fn warm(site: &Site, args: &[&str]) -> (Option<i32>, String, String) {
    let admin = site.onetag.admin_url().replace("http://", "");
    let output = command(&[&["warm", "--admin", &admin], args].concat(), &[]);
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn post(site: &Site, path: &str, headers: &[(&str, &str)]) -> Response {
    let url = format!("{}{path}", site.onetag.admin_url());
    Client::plain().request("POST", &url, headers, &b""[..]).await.expect("the admin listener answers")
}

/// Every part of an image comes, byte for byte.
async fn pulled(site: &Site, image: &Image) {
    served_as(&site.manifest(&image.digest()).await, &image.media_type, &image.manifest);
    for blob in image.blobs() {
        let got = site.blob(&testkit::sha256(blob), &[]).await.expect("the blob comes");
        assert!(got.status == 200 && got.body == *blob, "{}", got.status);
    }
}

#[tokio::test]
async fn what_was_warmed_is_pulled_while_the_registry_is_down() {
    let (site, _directory) = stage("").await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let (code, out, errors) = warm(&site, &[&format!("{REPOSITORY}:latest")]);
    assert_eq!((code, &*errors), (Some(0), ""), "{out}");
    assert!(out.contains("3 manifests") && out.contains("blobs"), "{out}");
    site.registry.go_down().await;
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    pulled(&site, &legacy.amd64).await;
    pulled(&site, &legacy.arm64).await;
}

#[tokio::test]
async fn only_the_platforms_that_are_named_are_fetched_attestations_included() {
    let (site, _directory) = stage("").await;
    let (amd64, arm64) = (Image::builder("linux/amd64").build(), Image::builder("linux/arm64").build());
    site.registry.push_index(REPOSITORY, "latest", &buildx(&amd64));
    site.registry.push_index(REPOSITORY, "latest-arm", &buildx(&arm64));
    let (code, out, errors) = warm(&site, &["--platform", "linux/arm64", REPOSITORY]);
    assert_eq!((code, &*errors), (Some(0), ""), "{out}");
    let fetched = |image: &Image| {
        let layer = image.layers[0].digest();
        site.registry.count(|request| is_blob(request) && request.path.ends_with(&layer))
    };
    assert_eq!((fetched(&amd64), fetched(&arm64)), (0, 1));
    site.registry.go_down().await;
    pulled(&site, &arm64).await;
}

#[tokio::test]
async fn warming_what_is_warm_fetches_nothing() {
    let (site, _directory) = stage("").await;
    Legacy::docker().push(&site.registry, "latest");
    let reference = format!("{REPOSITORY}:latest");
    assert_eq!(warm(&site, &[&reference]).0, Some(0));
    site.registry.forget_requests();
    let (code, out, _) = warm(&site, &[&reference]);
    assert_eq!(code, Some(0));
    assert!(out.contains(" 0 MiB fetched"), "{out}");
    assert_eq!(site.registry.count(is_blob), 0);
}

/// An image of which one layer is too large for a cache of 1 MiB, and another one if all the smaller ones are there.
fn large() -> Image {
    let layers = [500_000, 2 << 20, 600_000, 300_000].map(distinct_bytes);
    layers.into_iter().fold(Image::builder("linux/amd64"), ImageBuilder::layer_bytes).build()
}

#[tokio::test]
async fn what_the_cache_has_no_room_for_is_told_and_not_fetched_again_and_again() {
    let (site, _directory) = stage("[blobs]\nmax_bytes = \"1 MiB\"").await;
    let image = large();
    site.registry.push(REPOSITORY, "latest", &image);
    let reference = format!("{REPOSITORY}:latest");
    let wanted = image.blobs().count();
    for fetched in [wanted - 2, 0] {
        let (code, out, errors) = warm(&site, &[&reference]);
        assert_eq!((code, &*errors), (Some(0), ""), "{out}");
        let counted = format!("{} of {wanted} blobs", wanted - 2);
        assert!(out.contains(&counted) && out.contains("; 2 not kept: "), "{out}");
        assert_eq!(site.registry.count(is_blob), fetched);
        site.registry.forget_requests();
    }
}

#[tokio::test]
async fn the_log_tells_what_a_round_does_not_keep() {
    let settings = "[blobs]\nmax_bytes = \"1 MiB\"\n\n\
         [[warm]]\nreferences = [\"team/app:latest\"]\nevery = \"10s\"\n";
    let (site, _directory) = stage(settings).await;
    site.registry.push(REPOSITORY, "latest", &large());
    for _ in 0..30 {
        if site.onetag.stderr_text().contains("not kept warm: the cache of blobs is too small") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("{}", site.onetag.stderr_text());
}

#[tokio::test]
async fn while_the_disk_fails_nothing_is_fetched_to_nowhere() {
    let (site, directory) = stage("").await;
    let blobs = directory.path().join("blobs");
    std::fs::remove_dir_all(&blobs).expect("a removed directory");
    std::fs::write(&blobs, "in the way").expect("a written file");
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let reference = format!("{REPOSITORY}:latest");
    let (code, out, errors) = warm(&site, &[&reference]);
    assert_eq!((code, &*errors), (Some(0), ""), "{out}");
    assert!(out.contains(" 0 of ") && out.contains(" not kept: "), "{out}");
    site.registry.forget_requests();
    assert_eq!(warm(&site, &[&reference]).0, Some(0));
    assert_eq!(site.registry.count(is_blob), 0);
}

#[tokio::test]
async fn what_cannot_be_fetched_is_told_and_the_rest_is_fetched() {
    let (site, _directory) = stage("").await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let good = format!("{REPOSITORY}:latest");
    let (code, out, errors) = warm(&site, &["team/app:nowhere", &good]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("team/app:nowhere: there is no such reference"), "{errors}");
    assert!(errors.contains("1 of 2 are not warm") && out.contains(&good), "{out}{errors}");
    let lost = Legacy::seeded(7);
    lost.push(&site.registry, "lost");
    site.registry.fail(Match::blob(&lost.arm64.layers[0].digest()), Fault::status(403));
    let (code, _, errors) = warm(&site, &["team/app:lost"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("403"), "{errors}");
    let (code, _, errors) = warm(&site, &["--platform", "linux/s390x", &good]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("no image for these platforms"), "{errors}");
    let (code, _, errors) = warm(&site, &["--platform", "sun", &good]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("platform"), "{errors}");
}

#[tokio::test]
async fn without_a_running_onetag_the_command_says_so() {
    let output = command(&["warm", "--admin", "127.0.0.1:9", "app"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no onetag answers at 127.0.0.1:9"), "{}", text(&output.stderr));
    let output = command(&["warm", "App"], &[]);
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn progress_comes_line_by_line_and_pages_and_gets_are_refused() {
    let (site, _directory) = stage("").await;
    Legacy::docker().push(&site.registry, "latest");
    let path = "/warm?ref=team%2Fapp%3Alatest";
    let answer = post(&site, path, &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let lines: Vec<serde_json::Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = lines.last().expect("a line");
    assert!(lines.len() >= 2 && last["done"] == true, "{lines:?}");
    assert_eq!(last["warmth"]["blobs"], last["warmth"]["blobs_wanted"]);
    assert_eq!(post(&site, path, &[("origin", "http://page.example")]).await.status, 403);
    assert_eq!(post(&site, "/warm?ref=UP", &[]).await.status, 400);
    let url = format!("{}{path}", site.onetag.admin_url());
    assert_eq!(client::get(&url, &[]).await.expect("an answer").status, 405);
}

#[tokio::test]
async fn without_a_data_directory_the_manifests_are_fetched() {
    let site = Site::start(&[]).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    let (code, out, _) = warm(&site, &[&format!("{REPOSITORY}:latest")]);
    assert_eq!((code, &*out), (Some(0), "team/app:latest: 3 manifests\n"));
    site.registry.go_down().await;
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    assert_eq!(site.manifest(&legacy.arm64.digest()).await.status, 200);
}

#[tokio::test]
async fn the_configuration_keeps_tags_warm_as_they_move() {
    let settings = "[cache]\ntag_ttl = \"100ms\"\n\n\
         [[warm]]\nreferences = [\"team/app:latest\", \"team/app:nowhere\"]\nevery = \"10s\"\n";
    let (site, _directory) = stage(settings).await;
    let (one, two) = (Legacy::seeded(1), Legacy::seeded(2));
    let layers_of = |legacy: &Legacy| {
        let layer = legacy.arm64.layers[0].digest();
        site.registry.count(|request| is_blob(request) && request.path.ends_with(&layer))
    };
    one.push(&site.registry, "latest");
    // It looks within a second, and it may have looked before the push; then it looks again.
    for legacy in [&one, &two] {
        legacy.push(&site.registry, "latest");
        for _ in 0..30 {
            if layers_of(legacy) == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(layers_of(legacy), 1);
    }
    eventually("the tag that is missing is told", || async {
        site.onetag.stderr_text().contains("team/app:nowhere")
    })
    .await;
}
