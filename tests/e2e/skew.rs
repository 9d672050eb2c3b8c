//! Members of different builds: told, or held back until they belong together (rule I7).

use testkit::image::buildx;
use testkit::image::media_type::OCI_INDEX;
use testkit::{Image, sha256};

use crate::support::{REPOSITORY, Site, command, entry, eventually, index, served_as, text};

const REVISION: &str = "org.opencontainers.image.revision";

fn image(platform: &str, revision: &str) -> Image {
    Image::builder(platform).label(REVISION, revision).build()
}

fn pair(amd64: &Image, arm64: &Image) -> String {
    index(OCI_INDEX, &[entry(amd64, "linux/amd64"), entry(arm64, "linux/arm64/v8")])
}

/// A site that asks the upstream each time, with this rule.
async fn site(rule: &str) -> Site {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    std::fs::write(file.path(), format!("[[rule]]\n{rule}\n")).expect("a written file");
    Site::start(&["--config", file.path().to_str().expect("UTF-8"), "--tag-ttl", "0s"]).await
}

#[tokio::test]
async fn vector_49_different_revisions_are_told_in_header_log_metrics_and_inspect() {
    let site = site("skew = \"warn\"").await;
    let (amd64, arm64) = (image("linux/amd64", "two"), image("linux/arm64", "one"));
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "latest-arm", &arm64);
    let got = site.manifest("latest").await;
    served_as(&got, OCI_INDEX, pair(&amd64, &arm64));
    assert_eq!((got.header("onetag-source"), got.header("onetag-skew")), (Some("merged"), Some("revision")));
    eventually("the log tells it", || async { site.onetag.stderr_text().contains("different revisions") })
        .await;
    let metrics =
        testkit::client::get(&format!("{}/metrics", site.onetag.admin_url()), &[]).await.expect("metrics");
    assert!(metrics.text().contains("onetag_merges_skewed_total 1"), "{}", metrics.text());
    let upstream = site.registry.url();
    let output = command(&["inspect", "--upstream", &upstream, &format!("{REPOSITORY}:latest")], &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("skew: its members name different revisions"));
}

#[tokio::test]
async fn a_half_finished_pipeline_is_held_back_until_the_rest_follows() {
    for form in ["image", "index"] {
        let site = site("skew = \"hold\"").await;
        let push = |tag: &str, image: &Image| {
            if form == "image" {
                site.registry.push(REPOSITORY, tag, image);
            } else {
                site.registry.push_index(REPOSITORY, tag, &buildx(image));
            }
        };
        push("latest", &image("linux/amd64", "one"));
        push("latest-arm", &image("linux/arm64", "one"));
        let first = site.manifest("latest").await;
        assert_eq!((first.status, first.header("onetag-source")), (200, Some("merged")), "{form}");
        push("latest", &image("linux/amd64", "two"));
        for _ in 0..3 {
            let held = site.manifest("latest").await;
            served_as(&held, OCI_INDEX, &first.body);
            assert_eq!(held.header("onetag-source"), Some("held"), "{form}");
        }
        push("latest-arm", &image("linux/arm64", "two"));
        let second = site.manifest("latest").await;
        assert_eq!((second.status, second.header("onetag-source")), (200, Some("merged")), "{form}");
        assert_ne!(sha256(&second.body), sha256(&first.body));
        let metrics = testkit::client::get(&format!("{}/metrics", site.onetag.admin_url()), &[])
            .await
            .expect("metrics");
        assert!(
            metrics.text().contains(r#"onetag_tag_answers_total{answer="held"} 3"#),
            "{}",
            metrics.text()
        );
    }
}

#[tokio::test]
async fn holding_ends_with_the_grace() {
    let site = site("skew = \"hold\"\nskew_grace = \"1s\"").await;
    site.registry.push(REPOSITORY, "latest", &image("linux/amd64", "one"));
    site.registry.push(REPOSITORY, "latest-arm", &image("linux/arm64", "one"));
    site.manifest("latest").await;
    site.registry.push(REPOSITORY, "latest", &image("linux/amd64", "two"));
    assert_eq!(site.manifest("latest").await.header("onetag-source"), Some("held"));
    eventually("the skewed merge", || async {
        let got = site.manifest("latest").await;
        got.header("onetag-source") == Some("merged") && got.header("onetag-skew") == Some("revision")
    })
    .await;
}

#[tokio::test]
async fn a_platform_that_is_required_and_goes_away_is_held_too() {
    let site = site("skew = \"hold\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]").await;
    let (amd64, arm64) = (image("linux/amd64", "one"), image("linux/arm64", "one"));
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "latest-arm", &arm64);
    site.manifest("latest").await;
    site.registry.delete_tag(REPOSITORY, "latest-arm");
    let held = site.manifest("latest").await;
    served_as(&held, OCI_INDEX, pair(&amd64, &arm64));
    assert_eq!(held.header("onetag-source"), Some("held"));
}

#[tokio::test]
async fn a_tag_that_was_never_coherent_is_served_as_it_is() {
    let site = site("skew = \"hold\"").await;
    let (amd64, arm64) = (image("linux/amd64", "two"), image("linux/arm64", "one"));
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "latest-arm", &arm64);
    let got = site.manifest("latest").await;
    served_as(&got, OCI_INDEX, pair(&amd64, &arm64));
    assert_eq!(got.header("onetag-source"), Some("merged"));
}

#[tokio::test]
async fn skew_can_be_ignored() {
    let site = site("skew = \"ignore\"").await;
    site.registry.push(REPOSITORY, "latest", &image("linux/amd64", "two"));
    site.registry.push(REPOSITORY, "latest-arm", &image("linux/arm64", "one"));
    assert_eq!(site.manifest("latest").await.header("onetag-skew"), None);
}

#[tokio::test]
async fn a_member_that_is_gone_for_a_moment_is_waited_for() {
    let site = site("skew = \"hold\"").await;
    let (amd64, arm64) = (image("linux/amd64", "one"), image("linux/arm64", "one"));
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "latest-arm", &arm64);
    site.manifest("latest").await;
    for (gone, back) in [("latest-arm", &arm64), ("latest", &amd64)] {
        site.registry.delete_tag(REPOSITORY, gone);
        let held = site.manifest("latest").await;
        served_as(&held, OCI_INDEX, pair(&amd64, &arm64));
        assert_eq!(held.header("onetag-source"), Some("held"), "{gone}");
        site.registry.push(REPOSITORY, gone, back);
        assert_eq!(site.manifest("latest").await.header("onetag-source"), Some("merged"), "{gone}");
    }
    site.registry.delete_tag(REPOSITORY, "latest");
    site.registry.delete_tag(REPOSITORY, "latest-arm");
    assert_eq!(site.manifest("latest").await.status, 404, "what is gone is gone");
}

#[tokio::test]
async fn a_build_that_cannot_be_read_is_not_taken_for_the_same() {
    let site = site("skew = \"hold\"").await;
    let push = |tag: &str, image: &Image| site.registry.push_index(REPOSITORY, tag, &buildx(image));
    push("latest", &image("linux/amd64", "one"));
    push("latest-arm", &image("linux/arm64", "one"));
    let first = site.manifest("latest").await;
    let next = image("linux/amd64", "two");
    push("latest", &next);
    site.registry.delete_blob(REPOSITORY, &next.config_digest());
    let held = site.manifest("latest").await;
    served_as(&held, OCI_INDEX, &first.body);
    assert_eq!(held.header("onetag-source"), Some("held"));
}
