//! What was pushed or deleted is in the very next answer, whoever else pulls meanwhile (threat T13).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::{Image, sha256};

use super::Pushed;
use crate::support::{ACCEPT, Legacy, REPOSITORY, manifest_path, refusal};

const HOUR: &str = "[cache]\ntag_ttl = \"1h\"\nnegative_ttl = \"10s\"\n";

const ROUNDS: u64 = 500;

/// All that `latest` is in turn, by its text: each push makes the next one.
fn states(legacies: &[Legacy]) -> HashMap<String, usize> {
    let mixed = |amd64: &Legacy, arm64: &Legacy| {
        Legacy { amd64: amd64.amd64.clone(), arm64: arm64.arm64.clone() }.merged()
    };
    let pairs = legacies.windows(2).flat_map(|pair| [mixed(&pair[1], &pair[0]), mixed(&pair[1], &pair[1])]);
    std::iter::once(legacies[0].merged()).chain(pairs).enumerate().map(|(at, text)| (text, at)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_no_pull_that_begins_after_a_push_was_answered_is_older_than_it() {
    let data = tempfile::tempdir().unwrap();
    let settings = format!("{HOUR}immutable = [\"latest*\"]\ndata_dir = {:?}", data.path().to_str().unwrap());
    let site = Pushed::start(&settings).await;
    let legacies: Vec<Legacy> = (0..=ROUNDS).map(Legacy::seeded).collect();
    let states = states(&legacies);
    legacies[0].push(&site.registry, "latest");
    let answered = AtomicUsize::new(0);
    let end = states.len() - 1;
    let pushes = async {
        for legacy in &legacies[1..] {
            for (tag, image) in [("latest", &legacy.amd64), ("latest-arm", &legacy.arm64)] {
                assert_eq!(site.put(tag, image).await.status, 201);
                let now = answered.fetch_add(1, Ordering::SeqCst) + 1;
                assert_eq!(states[&site.tag("latest").await.text()], now, "the pusher's own pull");
            }
        }
    };
    let pulls = async || {
        let mut pulls = 0;
        while answered.load(Ordering::SeqCst) < end {
            let least = answered.load(Ordering::SeqCst);
            let found = states[&site.tag("latest").await.text()];
            assert!(found >= least, "state {found} after the push of {least} was answered");
            pulls += 1;
        }
        pulls
    };
    let ((), one, two, three) = tokio::join!(pushes, pulls(), pulls(), pulls());
    assert!(one.min(two).min(three) > 100, "there were pulls all the time");
}

#[tokio::test]
async fn t13_what_was_asked_for_in_vain_is_there_once_it_is_pushed() {
    let site = Pushed::start(HOUR).await;
    let image = Image::builder("linux/amd64").build();
    let layer = &image.layers[0].bytes;
    let blob = format!("/v2/{REPOSITORY}/blobs/{}", sha256(layer));
    let tags = format!("/v2/{REPOSITORY}/tags/list");
    let paths = [manifest_path(&image.digest()), manifest_path("latest"), blob, tags];
    for path in &paths {
        for method in ["GET", "HEAD", "GET"] {
            assert_eq!(site.send(method, path, &[ACCEPT], "").await.status, 404, "{path}");
        }
    }
    for blob in image.blobs() {
        let begin = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={}", sha256(blob));
        assert_eq!(site.send("POST", &begin, &[], blob.to_vec()).await.status, 201);
    }
    assert_eq!(site.put(&format!("{}?tag=latest", image.digest()), &image).await.status, 201);
    for path in &paths {
        for method in ["HEAD", "GET"] {
            assert_eq!(site.send(method, path, &[ACCEPT], "").await.status, 200, "{path}");
        }
    }
    assert_eq!(site.tag("latest").await.body, image.manifest);
}

#[tokio::test]
async fn t13_members_in_other_repositories_are_seen_and_gone_at_once() {
    let rule =
        "[[rule]]\nrepositories = [\"nginx\"]\nmembers = [\"{arch}/{name}:{tag}\"]\narch = [\"arm64\"]\n";
    let site = Pushed::start(&format!("{HOUR}{rule}")).await;
    let (old, new) = (Legacy::oci(), Legacy::seeded(5));
    site.registry.push("nginx", "latest", &old.amd64);
    let merged = async || site.send("GET", "/v2/nginx/manifests/latest", &[ACCEPT], "").await;
    let member = |reference: &str| format!("/v2/arm64/nginx/manifests/{reference}");
    let put = async |reference: &str, image: &Image| {
        for blob in image.blobs() {
            site.registry.put_blob("arm64/nginx", blob);
        }
        let typed = [("content-type", &*image.media_type)];
        site.send("PUT", &member(reference), &typed, image.manifest.clone()).await.status
    };
    let both = |arm64: &Legacy| Legacy { amd64: old.amd64.clone(), arm64: arm64.arm64.clone() }.merged();
    assert_eq!(merged().await.body, old.amd64.manifest, "alone");
    for legacy in [&old, &new] {
        assert_eq!(put("latest", &legacy.arm64).await, 201);
        assert_eq!(merged().await.text(), both(legacy));
    }
    // By its tag, and by its digest.
    for reference in ["latest".to_owned(), new.arm64.digest()] {
        assert_eq!(put("latest", &new.arm64).await, 201);
        assert_eq!(merged().await.text(), both(&new));
        assert_eq!(site.send("DELETE", &member(&reference), &[], "").await.status, 202);
        assert_eq!(merged().await.body, old.amd64.manifest, "{reference}");
    }
}

#[tokio::test]
async fn t13_a_deleted_image_is_gone_from_every_tag_that_named_it() {
    let site = Pushed::start(HOUR).await;
    let legacy = Legacy::docker();
    for tag in ["a", "b"] {
        legacy.push(&site.registry, tag);
        assert_eq!(site.tag(tag).await.text(), legacy.merged());
    }
    let deleted = site.send("DELETE", &manifest_path(&legacy.arm64.digest()), &[], "").await;
    assert_eq!(deleted.status, 202);
    for tag in ["a", "b"] {
        assert_eq!(site.tag(tag).await.body, legacy.amd64.manifest, "{tag}");
    }
}

#[tokio::test]
async fn a_push_that_is_refused_takes_nothing_out_of_the_cache() {
    let site = Pushed::start(HOUR).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    assert_eq!(site.tag("latest").await.text(), legacy.merged());
    let typed = [("content-type", &*legacy.arm64.media_type)];
    let refused = site.send("PUT", &manifest_path("latest-arm"), &typed, "no manifest").await;
    assert_eq!((refusal(&refused).0, &*refusal(&refused).1), (400, "MANIFEST_INVALID"));
    site.registry.forget_requests();
    assert_eq!(site.tag("latest").await.text(), legacy.merged());
    assert_eq!(site.registry.count(|request| request.path.contains("/manifests/")), 0);
}
