//! Many callers at once, of whom some may not: whoever is first, each gets its own.

use futures_util::future::join_all;
use testkit::{Image, sha256};

use super::lost::refuse;
use crate::isolation::{PRIVATE, Private, SECRET, Who, basic_registry, manifest};
use crate::support::{Legacy, distinct_bytes};

const CALLERS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Right,
    Wrong,
    /// Let in a moment ago, and refused since.
    Lost,
}

impl Kind {
    /// Those who lost their access come first.
    fn of(number: usize) -> Self {
        match number {
            0..40 => Self::Lost,
            _ if number.is_multiple_of(2) => Self::Right,
            _ => Self::Wrong,
        }
    }
}

/// All ask for the same at once.
async fn all_ask(private: &Private, what: &str, path: &str, digest: &str) {
    let right = Who::basic("right", SECRET);
    let lost = Who::basic("revoked", SECRET);
    let wrongs = [Who::basic("right", "wrong"), Who::basic("other", SECRET), Who::nobody()];
    let asked = (0..CALLERS).map(|number| {
        let who = match Kind::of(number) {
            Kind::Right => &right,
            Kind::Lost => &lost,
            Kind::Wrong => &wrongs[number % wrongs.len()],
        };
        async move { (Kind::of(number), private.get(who, path).await) }
    });
    let mut rights = 0;
    for (kind, got) in join_all(asked).await {
        match (kind, got.status) {
            (Kind::Right, 200) => rights += 1,
            // Its grant is fresh.
            (Kind::Lost, 200) => {}
            (Kind::Wrong | Kind::Lost, 401 | 403 | 404) => continue,
            (kind, status) => panic!("{what}, {kind:?}: {status} for {path}"),
        }
        assert_eq!(sha256(&got.body), digest, "{what}, {kind:?}");
    }
    assert_eq!(rights, (CALLERS - 40) / 2);
}

#[tokio::test]
async fn callers_with_and_without_rights_come_together_and_each_gets_its_own() {
    for code in [401, 403, 404] {
        let private = Private::start(basic_registry(), "credentials = \"client\"").await;
        let (cold, lost) = (Legacy::seeded(3), Who::basic("revoked", SECRET));
        cold.push(&private.registry, "cold");
        let image = Image::builder("linux/arm64").seed(4).build();
        let by_digest = private.registry.push(PRIVATE, "", &image);
        let blob = distinct_bytes(1 << 20);
        let blob = private.registry.put_blob(PRIVATE, &blob);
        assert_eq!(private.status(&lost, &manifest("latest")).await, 200);
        let rounds = [
            (manifest("cold"), sha256(cold.merged())),
            (manifest(&by_digest), by_digest.clone()),
            (format!("/v2/{PRIVATE}/blobs/{blob}"), blob.clone()),
        ];
        for (path, digest) in rounds {
            // Each time it was let in a moment ago.
            private.registry.heal();
            assert_eq!(private.status(&lost, &manifest("latest-arm")).await, 200);
            refuse(&private.registry, "revoked", code, "/");
            all_ask(&private, &code.to_string(), &path, &digest).await;
        }
    }
}
