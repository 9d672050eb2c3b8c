//! `[[rule]]`: which tags are taken together, and on which terms.

use testkit::image::media_type::{DOCKER_LIST, OCI_INDEX};
use testkit::image::{buildx, cosign_signature};
use testkit::{Fault, Image, Match, Registry, client};

use crate::support::{
    ACCEPT, Legacy, REPOSITORY, Site, entry, eventually, failure, index, refusal, serve, served_as,
};

/// A configuration file with these rules.
fn file(rules: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    std::fs::write(file.path(), rules).expect("a written file");
    file
}

/// A site whose onetag has these rules.
async fn site(rules: &str) -> Site {
    let file = file(rules);
    Site::start(&["--config", file.path().to_str().expect("UTF-8")]).await
}

/// The words of each preset's scheme for amd64 and arm64, as the two addresses of members of `app:latest`.
const SCHEMES: [(&str, &str, [&str; 2]); 13] = [
    ("suffix", REPOSITORY, ["team/app:latest-amd64", "team/app:latest-arm64"]),
    ("goarch-suffix", REPOSITORY, ["team/app:latest-amd64", "team/app:latest-arm"]),
    ("bashbrew-suffix", REPOSITORY, ["team/app:latest-amd64", "team/app:latest-arm64v8"]),
    ("variant-suffix", REPOSITORY, ["team/app:latest-amd64", "team/app:latest-arm64"]),
    ("uname-suffix", REPOSITORY, ["team/app:latest-x86_64", "team/app:latest-aarch64"]),
    ("linux-suffix", REPOSITORY, ["team/app:latest-linux-amd64", "team/app:latest-linux-arm64"]),
    ("prefix", REPOSITORY, ["team/app:amd64-latest", "team/app:arm64v8-latest"]),
    ("linux-prefix", REPOSITORY, ["team/app:linux-amd64-latest", "team/app:linux-arm64-latest"]),
    ("arch-tag", REPOSITORY, ["team/app:amd64", "team/app:arm64"]),
    ("official", "library/app", ["amd64/app:latest", "arm64v8/app:latest"]),
    ("repository-prefix", REPOSITORY, ["team/amd64-app:latest", "team/aarch64-app:latest"]),
    ("repository-suffix", REPOSITORY, ["team/app-amd64:latest", "team/app-arm64:latest"]),
    ("repository-linux-suffix", REPOSITORY, ["team/app-linux-amd64:latest", "team/app-linux-arm64:latest"]),
];

#[tokio::test]
async fn every_preset_merges_its_scheme() {
    let legacy = Legacy::docker();
    for (preset, repository, members) in SCHEMES {
        let site = site(&format!("[[rule]]\npreset = \"{preset}\"\n")).await;
        for (member, image) in members.iter().zip([&legacy.amd64, &legacy.arm64]) {
            let (repository, tag) = member.split_once(':').expect("an address");
            site.registry.push(repository, tag, image);
        }
        let got = site.get(&format!("/v2/{repository}/manifests/latest"), &[ACCEPT]).await;
        assert_eq!(got.status, 200, "{preset}: {}", got.text());
        served_as(&got, DOCKER_LIST, legacy.merged());
        for image in [&legacy.amd64, &legacy.arm64] {
            let child = site.get(&format!("/v2/{repository}/manifests/{}", image.digest()), &[ACCEPT]).await;
            served_as(&child, &image.media_type, &image.manifest);
        }
        // A member's own tag is that member, whatever else there is.
        let (own, tag) = members[1].split_once(':').expect("an address");
        let member = site.get(&format!("/v2/{own}/manifests/{tag}"), &[ACCEPT]).await;
        served_as(&member, &legacy.arm64.media_type, &legacy.arm64.manifest);
    }
}

#[tokio::test]
async fn the_first_rule_that_matches_holds_and_merge_where_none_does() {
    let rules = "[[rule]]\nrepositories = [\"team/*\"]\nmembers = [\"{tag}-edge\"]\n\n\
                 [[rule]]\nrepositories = [\"team/app\", \"other\"]\nmembers = [\"{tag}-far\"]\n";
    let site = site(rules).await;
    let legacy = Legacy::docker();
    for (repository, suffix) in [("team/app", "edge"), ("other", "far"), ("third", "arm")] {
        site.registry.push(repository, "latest", &legacy.amd64);
        for other in ["edge", "far", "arm"] {
            let wrong = Image::builder("linux/s390x").docker().build();
            site.registry.push(repository, &format!("latest-{other}"), &wrong);
        }
        site.registry.push(repository, &format!("latest-{suffix}"), &legacy.arm64);
        let got = site.get(&format!("/v2/{repository}/manifests/latest"), &[ACCEPT]).await;
        served_as(&got, DOCKER_LIST, legacy.merged());
    }
}

#[tokio::test]
async fn vector_05_without_its_base_a_tag_is_nothing_where_the_rule_requires_it() {
    let site = site("[[rule]]\nrequire_base = true\nplatforms = [\"linux/arm64\"]\n").await;
    let legacy = Legacy::docker();
    site.registry.push(REPOSITORY, "latest-arm", &legacy.arm64);
    let (status, code, message) = refusal(&site.manifest("latest").await);
    assert_eq!((status, &*code), (404, "MANIFEST_UNKNOWN"));
    assert!(message.contains("requires the tag itself"), "{message}");
    site.registry.push(REPOSITORY, "lone", &legacy.amd64);
    let (status, _, message) = refusal(&site.manifest("lone").await);
    assert_eq!(status, 404);
    assert!(message.contains("requires linux/arm64/v8"), "{message}");
    legacy.push(&site.registry, "both");
    served_as(&site.manifest("both").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn vector_18_a_rule_can_be_believed_instead_of_the_image() {
    let lying = Image::builder("linux/amd64").docker().seed(7).build();
    let site = site("[[rule]]\nmembers = [\"{tag}-arm64\"]\nplatform_source = \"rule\"\n").await;
    let amd64 = Legacy::docker().amd64;
    site.registry.push(REPOSITORY, "latest", &amd64);
    site.registry.push(REPOSITORY, "latest-arm64", &lying);
    let expected = index(DOCKER_LIST, &[entry(&amd64, "linux/amd64"), entry(&lying, "linux/arm64/v8")]);
    served_as(&site.manifest("latest").await, DOCKER_LIST, expected);
}

#[tokio::test]
async fn a_platform_that_the_rule_names_fills_and_bounds() {
    let rules = "[[rule]]\nmembers = [{ pattern = \"{tag}-edge\", platform = \"linux/arm/v6\" }]\n";
    let site = site(rules).await;
    let amd64 = Legacy::oci().amd64;
    let edge = Image::builder("linux/arm").build();
    let nameless = Image::builder("linux/arm").os(None).architecture(None).seed(3).build();
    for (tag, image) in [("latest", &edge), ("bare", &nameless)] {
        site.registry.push(REPOSITORY, tag, &amd64);
        site.registry.push(REPOSITORY, &format!("{tag}-edge"), image);
        let expected = index(OCI_INDEX, &[entry(&amd64, "linux/amd64"), entry(image, "linux/arm/v6")]);
        served_as(&site.manifest(tag).await, OCI_INDEX, expected);
    }
    site.registry.push(REPOSITORY, "wrong", &amd64);
    site.registry.push(REPOSITORY, "wrong-edge", &Legacy::oci().arm64);
    served_as(&site.manifest("wrong").await, &amd64.media_type, &amd64.manifest);
}

const ELSEWHERE: &str = "[[rule]]\nrepositories = [\"nginx\"]\nmembers = [\"{arch}/{name}:{tag}\"]\n\
                         arch = [\"arm64v8\"]\n";

/// `nginx` with a member in `arm64v8/nginx`, and something there that is none of anyone's business.
struct Elsewhere {
    registry: Registry,
    amd64: Image,
    arm64: Image,
    secret: Image,
}

impl Elsewhere {
    async fn start() -> Self {
        let registry = Registry::start().await;
        let Legacy { amd64, arm64 } = Legacy::oci();
        let secret = Image::builder("linux/arm64").seed(99).layer_bytes(b"secret".to_vec()).build();
        registry.push("nginx", "latest", &amd64);
        registry.push_index("arm64v8/nginx", "latest", &buildx(&arm64));
        registry.push("arm64v8/nginx", "internal", &secret);
        Self { registry, amd64, arm64, secret }
    }
}

fn path(kind: &str, reference: &str) -> String {
    format!("/v2/nginx/{kind}/{reference}")
}

#[tokio::test]
async fn vector_39_members_elsewhere_are_served_through_the_merged_name_and_nothing_else_is() {
    let elsewhere = Elsewhere::start().await;
    let file = file(ELSEWHERE);
    let Elsewhere { registry, amd64, arm64, secret } = elsewhere;
    let directory = tempfile::tempdir().expect("a directory");
    let args = ["--config", file.path().to_str().expect("UTF-8"), "--data-dir"];
    let args = [&args[..], &[directory.path().to_str().expect("UTF-8")]].concat();
    let mut onetag = serve(&registry.url(), &args);
    let url = onetag.url().to_owned();
    let merged =
        client::get(&format!("{url}{}", path("manifests", "latest")), &[ACCEPT]).await.expect("an answer");
    assert_eq!(merged.status, 200, "{}", merged.text());
    assert_eq!(merged.header("onetag-members"), Some("latest, arm64v8/nginx:latest"));
    let listed = merged.json()["manifests"].as_array().map(Vec::len);
    assert_eq!(listed, Some(3), "both images and an attestation: {}", merged.text());
    for round in ["warm", "restarted"] {
        let get = |path: String| {
            let url = format!("{}{path}", onetag.url());
            async move { client::get(&url, &[ACCEPT]).await.expect("an answer") }
        };
        for image in [&amd64, &arm64] {
            served_as(&get(path("manifests", &image.digest())).await, &image.media_type, &image.manifest);
            for blob in image.blobs() {
                let got = get(path("blobs", &testkit::sha256(blob))).await;
                assert_eq!((got.status, &*got.body), (200, blob), "{round}");
            }
        }
        let attestation = merged.json()["manifests"][2]["digest"].as_str().expect("a digest").to_owned();
        assert_eq!(get(path("manifests", &attestation)).await.status, 200, "{round}");
        assert_eq!(refusal(&get(path("manifests", &secret.digest())).await).0, 404, "{round}");
        for blob in secret.blobs().filter(|blob| arm64.blobs().all(|own| own != *blob)) {
            assert_eq!(refusal(&get(path("blobs", &testkit::sha256(blob))).await).0, 404, "{round}");
        }
        onetag.kill();
        onetag = serve(&registry.url(), &args);
    }
}

#[tokio::test]
async fn ranges_work_for_blobs_elsewhere() {
    let elsewhere = Elsewhere::start().await;
    let file = file(ELSEWHERE);
    let site = Site::over(elsewhere.registry, &["--config", file.path().to_str().expect("UTF-8")]);
    site.get(&path("manifests", "latest"), &[ACCEPT]).await;
    let blob = elsewhere.arm64.blobs().next().expect("a config").to_vec();
    let got = site.get(&path("blobs", &testkit::sha256(&blob)), &[("range", "bytes=1-4")]).await;
    assert_eq!((got.status, &*got.body), (206, &blob[1..=4]));
    let head = site.head(&path("blobs", &testkit::sha256(&blob)), &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*blob.len().to_string())));
}

#[tokio::test]
async fn vector_44_signatures_and_referrers_of_a_child_come_from_its_own_repository() {
    let elsewhere = Elsewhere::start().await;
    let file = file(ELSEWHERE);
    let config = file.path().to_str().expect("UTF-8");
    let site = Site::over(elsewhere.registry, &["--config", config, "--negative-ttl", "0s"]);
    let signature = cosign_signature();
    let tag = format!("{}.sig", elsewhere.arm64.digest().replace(':', "-"));
    site.registry.push("arm64v8/nginx", &tag, &signature);
    assert_eq!(refusal(&site.get(&path("manifests", &tag), &[ACCEPT]).await).0, 404, "nothing is known yet");
    site.get(&path("manifests", "latest"), &[ACCEPT]).await;
    let got = site.get(&path("manifests", &tag), &[ACCEPT]).await;
    served_as(&got, &signature.media_type, &signature.manifest);
    for blob in signature.blobs() {
        assert_eq!(site.get(&path("blobs", &testkit::sha256(blob)), &[]).await.body, blob);
    }
    let sbom = testkit::image::sbom_of(&elsewhere.arm64);
    site.registry.push("arm64v8/nginx", "sbom", &sbom);
    let referrers = site.get(&path("referrers", &elsewhere.arm64.digest()), &[]).await;
    assert_eq!(referrers.json()["manifests"][0]["digest"], sbom.digest(), "{}", referrers.text());
    served_as(
        &site.get(&path("manifests", &sbom.digest()), &[ACCEPT]).await,
        &sbom.media_type,
        &sbom.manifest,
    );
    for blob in sbom.blobs() {
        assert_eq!(site.get(&path("blobs", &testkit::sha256(blob)), &[]).await.body, blob);
    }
}

#[test]
fn impossible_rules_end_with_2_and_say_where() {
    let file = file("[upstream]\nurl = \"http://127.0.0.1:9\"\n\n[[rule]]\nmembers = [\"{tag}{arch}\"]\n");
    let said = failure(2, &["check", file.path().to_str().expect("UTF-8")]);
    assert!(said.contains(":5:12") && said.contains("{tag}-{arch}"), "{said}");
}

#[tokio::test]
async fn a_members_own_tag_owes_nothing_that_the_rule_requires() {
    let rules = "[[rule]]\nmembers = [\"{arch}-{tag}\", \"{repo}-{arch}:{tag}\"]\narch = [\"amd64\", \"arm64\"]\n\
                 require_base = true\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    let site = site(rules).await;
    let arm64 = Legacy::oci().arm64;
    site.registry.push(REPOSITORY, "arm64-1", &arm64);
    served_as(&site.manifest("arm64-1").await, &arm64.media_type, &arm64.manifest);
    site.registry.push("team/app-arm64", "1", &arm64);
    let got = site.get("/v2/team/app-arm64/manifests/1", &[ACCEPT]).await;
    served_as(&got, &arm64.media_type, &arm64.manifest);
}

#[tokio::test]
async fn a_rule_that_is_believed_never_relabels_one_image_of_several() {
    let rules = "[[rule]]\nmembers = [\"{tag}-{arch}\"]\narch = [\"arm64\"]\nplatform_source = \"rule\"\n";
    let site = site(rules).await;
    let Legacy { amd64, arm64 } = Legacy::oci();
    let other = Image::builder("linux/amd64").seed(5).build();
    site.registry.push(REPOSITORY, "latest", &amd64);
    let both = testkit::Index::oci().image(&other).image(&arm64).build();
    site.registry.push_index(REPOSITORY, "latest-arm64", &both);
    let expected = index(OCI_INDEX, &[entry(&amd64, "linux/amd64"), entry(&arm64, "linux/arm64/v8")]);
    served_as(&site.manifest("latest").await, OCI_INDEX, expected);
}

#[tokio::test]
async fn a_repository_that_denies_fails_the_pull_unless_the_rule_says_otherwise() {
    for (skips, status) in [(false, 403), (true, 200)] {
        let rules = format!(
            "[[rule]]\nmembers = [\"{{arch}}/{{name}}:{{tag}}\"]\narch = [\"arm64\", \"riscv64\"]\n\
             skip_denied = {skips}\n"
        );
        let site = site(&rules).await;
        let legacy = Legacy::docker();
        site.registry.push(REPOSITORY, "latest", &legacy.amd64);
        site.registry.push("arm64/app", "latest", &legacy.arm64);
        site.registry.fail(Match::all().path_contains("/riscv64/"), Fault::status(403));
        let got = site.manifest("latest").await;
        assert_eq!(got.status, status, "{}", got.text());
        if skips {
            served_as(&got, DOCKER_LIST, legacy.merged());
        }
    }
}

#[tokio::test]
async fn what_the_own_repository_has_does_not_hang_on_another_one() {
    let elsewhere = Elsewhere::start().await;
    let shared = elsewhere.arm64.blobs().last().expect("a layer").to_vec();
    elsewhere.registry.put_blob("nginx", &shared);
    let file = file(ELSEWHERE);
    let site = Site::over(elsewhere.registry, &["--config", file.path().to_str().expect("UTF-8")]);
    site.get(&path("manifests", "latest"), &[ACCEPT]).await;
    site.registry.fail(Match::all().path_contains("/arm64v8/"), Fault::status(403));
    let got = site.get(&path("blobs", &testkit::sha256(&shared)), &[]).await;
    assert_eq!((got.status, &*got.body), (200, &*shared));
    let config = site.get(&path("blobs", &elsewhere.arm64.config_digest()), &[]).await;
    assert_eq!(refusal(&config).0, 403);
}

#[tokio::test]
async fn a_tag_that_is_too_long_for_a_member_teaches_nothing_about_the_others() {
    let site = site("[[rule]]\nmembers = [\"{tag}-arm64v8\", \"far/{name}:{tag}\"]\n").await;
    let legacy = Legacy::docker();
    site.registry.push(REPOSITORY, "latest", &legacy.amd64);
    site.registry.push(REPOSITORY, "latest-arm64v8", &legacy.arm64);
    assert_eq!(refusal(&site.manifest(&"t".repeat(125)).await).0, 404);
    let list = || site.registry.count(|request| request.path.contains("/tags/list"));
    eventually("the lists are read", || async { list() == 2 }).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_repository_of_members_that_does_not_exist_is_not_asked_on_every_fill() {
    let site = Site::configured("[[rule]]\npreset = \"official\"\n", &["--tag-ttl", "0s"]).await;
    let legacy = Legacy::docker();
    site.registry.push("amd64/app", "latest", &legacy.amd64);
    let path = "/v2/library/app/manifests/latest";
    let asks = || site.registry.count(|request| request.path.ends_with("/app/manifests/latest"));
    eventually("only the repositories that exist are asked", || async {
        site.registry.forget_requests();
        assert_eq!(site.get(path, &[ACCEPT]).await.status, 200);
        // The tag itself, and the one member.
        asks() <= 2
    })
    .await;
    // A tag that is absent everywhere is asked for in them alone.
    site.registry.forget_requests();
    site.get("/v2/library/app/manifests/other", &[ACCEPT]).await;
    assert_eq!(site.registry.count(|request| request.path.ends_with("/app/manifests/other")), 2);
}
