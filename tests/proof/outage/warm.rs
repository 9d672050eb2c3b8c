use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::oracle::Content;
use testkit::{Image, Index};

use super::upstream::Upstream;
use crate::subject::{ACCEPT, Caller};
use crate::thing::{Document, Route, Thing};

const REPOSITORY: &str = "team/app";
const TAGS: u64 = 20;
const LAYER: usize = 100_000;

/// What is pulled before and during an outage.
pub(super) struct Warm {
    /// Tags, the merged one that will move first; the digests that they have and lead to; blobs if they are kept.
    pub(super) things: Vec<Arc<Thing>>,
    base: Content,
}

impl Warm {
    pub(super) fn push(upstream: &Upstream, blobs: bool) -> Self {
        let mut warm = Self { things: Vec::new(), base: image("linux/amd64", 0).into() };
        for number in 0..TAGS {
            let (amd64, arm64) = (image("linux/amd64", number), image("linux/arm64", number));
            for image in [&amd64, &arm64] {
                warm.add_image(image, blobs);
            }
            warm.add_tag(upstream, number, amd64, arm64);
        }
        warm
    }

    /// Most tags have a member; some are an image, some an index.
    fn add_tag(&mut self, upstream: &Upstream, number: u64, amd64: Image, arm64: Image) {
        let tag = format!("v{number}");
        let document = match number % 5 {
            3 => {
                upstream.push(REPOSITORY, "", &arm64.into());
                let single = amd64.into();
                upstream.push(REPOSITORY, &tag, &single);
                Document::merged(&[(None, &single)])
            }
            4 => {
                let whole = Index::docker_list().image(&amd64).image(&arm64).build().into();
                upstream.push(REPOSITORY, &tag, &whole);
                Document::merged(&[(None, &whole)])
            }
            _ => {
                let (base, member) = (amd64.into(), arm64.into());
                upstream.push(REPOSITORY, &tag, &base);
                upstream.push(REPOSITORY, &format!("{tag}-arm"), &member);
                Document::merged(&[(None, &base), (Some("arm"), &member)])
            }
        };
        let digest = document.digest.clone();
        let by_digest = Thing::manifest(Route::Digest, REPOSITORY, &digest, document.clone());
        let by_tag = Arc::new(Thing::manifest(Route::Tag, REPOSITORY, &tag, document));
        // Tags are what can go wrong: they are pulled more often.
        self.things.splice(0..0, [Arc::clone(&by_tag), Arc::clone(&by_tag), by_tag]);
        self.things.push(Arc::new(by_digest));
    }

    fn add_image(&mut self, image: &Image, blobs: bool) {
        let document = Document::new(&image.media_type, image.manifest.clone());
        let digest = document.digest.clone();
        self.things.push(Arc::new(Thing::manifest(Route::Digest, REPOSITORY, &digest, document)));
        if blobs {
            self.things.extend(image.blobs().map(|blob| Arc::new(Thing::blob(REPOSITORY, blob))));
        }
    }

    /// Pushes another member of the first tag and asks until it is seen: how long that took.
    pub(super) async fn moves_and_is_seen(
        &self,
        upstream: &Upstream,
        mut caller: Caller,
        patience: Duration,
    ) -> Option<Duration> {
        let member = image("linux/arm64", TAGS).into();
        let document = Document::merged(&[(None, &self.base), (Some("arm"), &member)]);
        let moved = Thing::manifest(Route::Tag, REPOSITORY, "v0", document);
        upstream.push(REPOSITORY, "v0-arm", &member);
        let begin = Instant::now();
        while begin.elapsed() < patience {
            let answer = caller.ask("GET", &moved.path(), &[ACCEPT]).await;
            if answer.is_ok_and(|answer| moved.is_now(&answer, false)) {
                return Some(begin.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }
}

fn image(platform: &str, seed: u64) -> Image {
    let byte = u8::try_from(seed).unwrap_or_default();
    Image::builder(platform).docker().layer_bytes(vec![byte; LAYER]).seed(seed).build()
}
