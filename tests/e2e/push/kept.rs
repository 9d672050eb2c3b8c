//! What was pushed through onetag is known to be new after a kill, too (threat T13).

use std::path::Path;
use std::time::Duration;

use testkit::{Fault, Image, Match};

use super::{ALL, Pushed};
use crate::support::{Legacy, manifest_path, serve_config};

/// A site that keeps what it knows.
struct Kept {
    site: Pushed,
    settings: String,
    _data: tempfile::TempDir,
}

impl Kept {
    async fn start() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let settings = settings(data.path());
        Self { site: Pushed::start(&settings).await, settings, _data: data }
    }

    /// Kills onetag and starts it again.
    fn restart(&mut self) {
        self.site.onetag.kill();
        self.site.onetag.wait(Duration::from_secs(5));
        let upstream = format!("[upstream]\nurl = \"{}\"\n", self.site.registry.url());
        self.site.onetag = serve_config(&format!("{upstream}{ALL}{}", self.settings), &[]);
    }

    /// Waits until the tag is on the disk: then a restart answers it while the registry is down.
    async fn learned(&mut self, text: &str) {
        for _ in 0..20 {
            assert_eq!(self.site.tag("latest").await.text(), text);
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.site.registry.go_down().await;
            self.restart();
            let is_kept = self.site.tag("latest").await.text() == text;
            self.site.registry.come_back().await;
            // What is known of the outage is forgotten as well.
            self.restart();
            if is_kept {
                return;
            }
        }
        panic!("the tag is never on the disk");
    }
}

fn settings(data: &Path) -> String {
    format!("[cache]\ntag_ttl = \"1h\"\ndata_dir = {:?}\n", data.to_str().expect("text"))
}

#[tokio::test]
async fn t13_a_kill_right_after_a_push_or_a_deletion_leaves_nothing_stale() {
    let mut kept = Kept::start().await;
    let (mut known, new) = (Legacy::docker(), [Legacy::seeded(3), Legacy::seeded(4)]);
    known.push(&kept.site.registry, "latest");
    for new in &new {
        kept.learned(&known.merged()).await;
        assert_eq!(kept.site.put("latest-arm", &new.arm64).await.status, 201);
        kept.restart();
        known.arm64 = new.arm64.clone();
        assert_eq!(kept.site.tag("latest").await.text(), known.merged());
    }
    kept.learned(&known.merged()).await;
    let deleted = kept.site.send("DELETE", &manifest_path("latest-arm"), &[], "").await;
    assert_eq!(deleted.status, 202);
    kept.restart();
    assert_eq!(kept.site.tag("latest").await.body, known.amd64.manifest);
}

#[tokio::test]
async fn t13_a_kill_after_a_push_whose_answer_was_lost_leaves_nothing_stale() {
    let mut kept = Kept::start().await;
    let (mut known, image) = (Legacy::docker(), Image::builder("linux/arm64").docker().seed(9).build());
    known.push(&kept.site.registry, "latest");
    kept.learned(&known.merged()).await;
    let put = Match::all().method("PUT");
    kept.site.registry.fail_times(1, put, Fault::LostAnswer);
    assert_eq!(kept.site.put("latest-arm", &image).await.status, 503);
    kept.restart();
    known.arm64 = image;
    assert_eq!(kept.site.tag("latest").await.text(), known.merged());
}
