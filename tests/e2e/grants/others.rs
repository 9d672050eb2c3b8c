//! Members in other repositories, of which a caller may read only some (rule X2, threats T1, T21).

use testkit::client::Response;
use testkit::registry::Builder;
use testkit::{Account, Image, Onetag, Registry, sha256};

use super::lost::refuse;
use crate::isolation::{PASSWORD, SECRET, Who, assert_tells_nothing, htpasswd};
use crate::support::{ACCEPT, entry, index, serve_config};
use testkit::client::Client;
use testkit::image::media_type::OCI_INDEX;

const APP: &str = "team/app";
const ARM: &str = "team/app-arm64";

const RULE: &str = "[[rule]]\npreset = \"repository-suffix\"\narch = [\"arm64\"]\n";

/// `team/app` with a member in `team/app-arm64`; both images have one layer in common.
struct Split {
    registry: Registry,
    onetag: Onetag,
    amd64: Image,
    arm64: Image,
    signature: Image,
    _data: tempfile::TempDir,
}

fn merged(amd64: &Image, arm64: &Image) -> String {
    index(OCI_INDEX, &[entry(amd64, "linux/amd64"), entry(arm64, "linux/arm64/v8")])
}

/// One who may read a part, one who may read all, and one more of these.
fn accounts(builder: Builder) -> Builder {
    let account = |user: &str, repositories: &[&str]| Account::new(user, SECRET).repositories(repositories);
    builder
        .admit(account("part", &[APP]))
        .admit(account("all", &[APP, ARM]))
        .admit(account("fading", &[APP, ARM]))
}

impl Split {
    async fn start(builder: Builder, settings: &str) -> Self {
        let registry = builder.start().await;
        let common = b"a layer of both".to_vec();
        let build = |platform: &str, own: &str| {
            Image::builder(platform).layer_bytes(common.clone()).layer_bytes(own.as_bytes().to_vec()).build()
        };
        let (amd64, arm64) = (build("linux/amd64", "one"), build("linux/arm64", "another"));
        let signature = testkit::image::cosign_signature();
        for tag in ["latest", "cold"] {
            registry.push(APP, tag, &amd64);
            registry.push(ARM, tag, &arm64);
        }
        registry.push(ARM, &signed(&arm64), &signature);
        let data = tempfile::tempdir().expect("a folder");
        let folder = data.path().to_str().expect("text");
        let url = registry.url();
        let settings = format!(
            "[upstream]\nurl = \"{url}\"\n{settings}\n[cache]\ndata_dir = {folder:?}\nnegative_ttl = \"0s\"\n"
        );
        Self { onetag: serve_config(&settings, &[]), registry, amd64, arm64, signature, _data: data }
    }

    async fn get(&self, who: &Who, kind: &str, reference: &str) -> Response {
        let url = format!("{}/v2/{APP}/{kind}/{reference}", self.onetag.url());
        let got = match who {
            Who::Login(login) => login.request("GET", &url, &[ACCEPT], "").await,
            Who::Header(header) => Client::plain().get(&url, &[ACCEPT, ("authorization", header)]).await,
        };
        got.expect("onetag answers")
    }

    /// All of the merge, by tag and by digest, and what belongs to the images.
    async fn gives_all(&self, what: &str, who: &Who) {
        let merged = merged(&self.amd64, &self.arm64);
        let got = self.get(who, "manifests", "latest").await;
        assert_eq!((got.status, got.text()), (200, merged.clone()), "{what}");
        let Self { amd64, arm64, signature, .. } = self;
        let mut wanted = vec![("manifests", sha256(&merged), merged.clone().into_bytes())];
        wanted.push(("manifests", signed(arm64), signature.manifest.clone()));
        for image in [amd64, arm64] {
            wanted.push(("manifests", image.digest(), image.manifest.clone()));
            wanted.extend(image.blobs().map(|blob| ("blobs", sha256(blob), blob.to_vec())));
        }
        for (kind, reference, bytes) in wanted {
            let got = self.get(who, kind, &reference).await;
            assert_eq!((got.status, sha256(&got.body)), (200, sha256(&bytes)), "{what}: {kind}/{reference}");
        }
    }

    /// Of the image in the other repository nothing; of the own one all.
    async fn gives_a_part(&self, what: &str, who: &Who, skips: bool) {
        let Self { amd64, arm64, .. } = self;
        let got = self.get(who, "manifests", "latest").await;
        if skips {
            assert_eq!(
                (got.status, got.text()),
                (200, String::from_utf8_lossy(&amd64.manifest).into()),
                "{what}"
            );
            assert_eq!(got.header("onetag-members"), Some("latest"), "{what}");
        } else {
            assert_tells_nothing(&got, what);
        }
        for blob in amd64.blobs() {
            let got = self.get(who, "blobs", &sha256(blob)).await;
            assert_eq!((got.status, &got.body[..]), (200, blob), "{what}: {}", got.status);
        }
        let got = self.get(who, "manifests", &amd64.digest()).await;
        assert_eq!(got.status, 200, "{what}: {}", got.text());
        let mut hidden = vec![("manifests", sha256(merged(amd64, arm64))), ("manifests", arm64.digest())];
        hidden.push(("manifests", signed(arm64)));
        let foreign = arm64.blobs().filter(|blob| amd64.blobs().all(|own| own != *blob));
        hidden.extend(foreign.map(|blob| ("blobs", sha256(blob))));
        assert!(hidden.len() >= 5, "a config and a layer at least");
        for (kind, reference) in hidden {
            let got = self.get(who, kind, &reference).await;
            assert_tells_nothing(&got, &format!("{what}: {kind}/{reference}: {}", got.status));
        }
    }

    /// Whoever comes first, each gets its own; and who may read all gets it out of the cache.
    async fn each_gets_its_own(&self, what: &str, part: &Who, all: &Who, skips: bool) {
        for round in 0..2 {
            self.gives_a_part(&format!("{what}, {round}, a part"), part, skips).await;
            self.gives_all(&format!("{what}, {round}, all"), all).await;
        }
        self.gives_a_part(&format!("{what}, at last"), part, skips).await;
        self.registry.forget_requests();
        assert_eq!(self.get(all, "manifests", "latest").await.status, 200);
        assert_eq!(self.registry.count(|request| request.path.contains("/manifests/")), 0, "{what}");
    }
}

/// The tag of an image's signature.
fn signed(image: &Image) -> String {
    format!("{}.sig", image.digest().replace(':', "-"))
}

#[tokio::test]
async fn x2_each_caller_gets_of_a_merge_what_it_may_read_with_basic() {
    for (denied, skip) in [(403, true), (404, true), (401, true), (403, false), (401, false), (404, false)] {
        let builder = accounts(Registry::builder().basic("root", SECRET).denied(denied));
        let settings = format!("credentials = \"client\"\n{RULE}skip_denied = {skip}\n");
        let split = Split::start(builder, &settings).await;
        let (part, all) = (Who::basic("part", SECRET), Who::basic("all", SECRET));
        // A repository that answers 404 is as good as none.
        let what = format!("{denied}, {skip}");
        split.each_gets_its_own(&what, &part, &all, skip || denied == 404).await;
    }
}

#[tokio::test]
async fn x2_each_caller_gets_of_a_merge_what_it_may_read_with_bearer() {
    for skip in [true, false] {
        let builder = accounts(Registry::builder().bearer(None));
        let settings = format!("credentials = \"client\"\n{RULE}skip_denied = {skip}\n");
        let split = Split::start(builder, &settings).await;
        let part = Who::token(&split.registry, "part", &[APP, ARM]).await;
        let all = Who::token(&split.registry, "all", &[APP, ARM]).await;
        split.each_gets_its_own(&format!("bearer, {skip}"), &part, &all, skip).await;
        // The challenge of the tag asks for all that is needed.
        let got = split.get(&Who::account("all"), "manifests", "latest").await;
        assert_eq!(got.text(), merged(&split.amd64, &split.arm64));
    }
}

#[tokio::test]
async fn x2_each_caller_gets_of_a_merge_what_it_may_read_where_onetag_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = htpasswd(folder.path(), &["part", "all"]);
    let settings = format!(
        "[access]\nhtpasswd = {file:?}\n[[allow]]\nusers = [\"*\"]\nrepositories = [\"{APP}\"]\n\
         [[allow]]\nusers = [\"all\"]\nrepositories = [\"team/*\"]\n{RULE}"
    );
    let split = Split::start(Registry::builder(), &settings).await;
    let (part, all) = (Who::basic("part", PASSWORD), Who::basic("all", PASSWORD));
    split.each_gets_its_own("htpasswd", &part, &all, true).await;
}

#[tokio::test]
async fn t21_who_lost_a_part_of_its_access_makes_no_answer_smaller_for_others() {
    for (code, skip) in [(403, true), (401, true), (404, true), (404, false)] {
        let builder = accounts(Registry::builder().basic("root", SECRET));
        let settings = format!("credentials = \"client\"\n{RULE}skip_denied = {skip}\n");
        let split = Split::start(builder, &settings).await;
        let (fading, all) = (Who::basic("fading", SECRET), Who::basic("all", SECRET));
        let both = merged(&split.amd64, &split.arm64);
        assert_eq!(split.get(&fading, "manifests", "latest").await.text(), both);
        refuse(&split.registry, "fading", code, "/app-arm64/");
        let got = split.get(&fading, "manifests", "cold").await;
        assert_eq!(got.text(), String::from_utf8_lossy(&split.amd64.manifest), "{code}, {skip}");
        assert_eq!(split.get(&all, "manifests", "cold").await.text(), both, "{code}, {skip}");
    }
}
