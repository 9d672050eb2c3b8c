//! Pushes and deletions through onetag: the very next read shows them (threat T13), and bodies stream.

mod bodies;
mod faults;
mod gateway;
mod kept;
mod seen;
mod ways;

use std::time::Duration;

use testkit::client::{self, Body, Response};
use testkit::{Fault, Image, Locations, Match, Onetag, Registry, sha256};

use tokio::io::AsyncReadExt as _;

use crate::support::{
    ACCEPT, Legacy, REPOSITORY, eventually, manifest_path, refusal, serve_config, served_as,
};

const ALL: &str = "[[allow]]\nanonymous = true\nactions = [\"pull\", \"push\", \"delete\"]\n";

struct Pushed {
    registry: Registry,
    onetag: Onetag,
}

impl Pushed {
    async fn start(settings: &str) -> Self {
        Self::over(Registry::start().await, settings)
    }

    fn over(registry: Registry, settings: &str) -> Self {
        let settings = format!("[upstream]\nurl = \"{}\"\n{ALL}{settings}\n", registry.url());
        Self { onetag: serve_config(&settings, &[]), registry }
    }

    /// A site that waits for a body's next bytes for one second.
    async fn impatient() -> Self {
        let registry = Registry::start().await;
        let onetag = serve_config(
            &format!(
                "[upstream]\nurl = \"{}\"\nidle_body_timeout = \"1s\"\nconnect_timeout = \"1s\"\n{ALL}",
                registry.url()
            ),
            &[],
        );
        Self { registry, onetag }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.onetag.url())
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response {
        client::request(method, &self.url(path), headers, body).await.expect("onetag answers")
    }

    async fn tag(&self, tag: &str) -> Response {
        self.send("GET", &manifest_path(tag), &[ACCEPT], "").await
    }

    /// Puts a manifest whose blobs the registry has already.
    async fn put(&self, reference: &str, image: &Image) -> Response {
        for blob in image.blobs() {
            self.registry.put_blob(REPOSITORY, blob);
        }
        let path = manifest_path(reference);
        self.send("PUT", &path, &[("content-type", &image.media_type)], image.manifest.clone()).await
    }
}

#[tokio::test]
async fn t13_a_push_of_any_member_is_in_the_very_next_answer() {
    let site = Pushed::start("[cache]\ntag_ttl = \"1h\"\nimmutable = [\"latest*\"]").await;
    let old = Legacy::docker();
    assert_eq!(site.tag("latest").await.status, 404);
    assert_eq!(site.put("latest", &old.amd64).await.status, 201);
    assert_eq!(site.tag("latest").await.body, old.amd64.manifest, "a tag that was known to be absent");
    assert_eq!(site.put("latest-arm", &old.arm64).await.status, 201);
    assert_eq!(site.tag("latest").await.text(), old.merged());
}

#[tokio::test]
async fn t13_what_is_deleted_is_gone_from_the_very_next_answer() {
    let data = tempfile::tempdir().unwrap();
    let settings = format!("[cache]\ntag_ttl = \"1h\"\ndata_dir = {:?}", data.path().to_str().unwrap());
    let site = Pushed::start(&settings).await;
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    assert_eq!(site.tag("latest").await.text(), legacy.merged());
    let deleted = site.send("DELETE", &manifest_path("latest-arm"), &[], "").await;
    assert_eq!(deleted.status, 202, "{}", deleted.text());
    assert_eq!(site.tag("latest").await.body, legacy.amd64.manifest);
    let digest = legacy.amd64.digest();
    assert_eq!(site.tag(&digest).await.status, 200);
    assert_eq!(site.send("DELETE", &manifest_path(&digest), &[], "").await.status, 202);
    assert_eq!(site.tag(&digest).await.status, 404);
    assert_eq!(site.tag("latest").await.status, 404);
    // A blob, which is a file by now.
    let layer = legacy.arm64.layers[0].bytes.clone();
    let path = format!("/v2/{REPOSITORY}/blobs/{}", sha256(&layer));
    assert_eq!(site.send("GET", &path, &[], "").await.body, layer);
    assert_eq!(site.send("DELETE", &path, &[], "").await.status, 202);
    for method in ["GET", "HEAD"] {
        assert_eq!(site.send(method, &path, &[], "").await.status, 404);
    }
}

#[tokio::test]
async fn t13_a_push_whose_answer_is_lost_is_looked_for() {
    let site = Pushed::start("[cache]\ntag_ttl = \"1h\"").await;
    let (old, new) = (Legacy::docker(), Legacy::seeded(7));
    old.push(&site.registry, "latest");
    assert_eq!(site.tag("latest").await.text(), old.merged());
    site.registry.fail_times(1, Match::manifest(REPOSITORY, "latest-arm").method("PUT"), Fault::LostAnswer);
    let lost = site.put("latest-arm", &new.arm64).await;
    assert!(lost.status >= 500, "{}", lost.status);
    refusal(&lost);
    let merged = Legacy { amd64: old.amd64, arm64: new.arm64 }.merged();
    assert_eq!(site.tag("latest").await.text(), merged);
}

#[tokio::test]
async fn t13_a_client_that_leaves_does_not_keep_its_push_from_being_seen() {
    let site = Pushed::start("[cache]\ntag_ttl = \"1h\"").await;
    let (old, new) = (Legacy::docker(), Legacy::seeded(8));
    old.push(&site.registry, "latest");
    assert_eq!(site.tag("latest").await.text(), old.merged());
    let slow = Match::manifest(REPOSITORY, "latest-arm").method("PUT");
    site.registry.fail_times(1, slow, Fault::Delay(Duration::from_millis(500)));
    let put = tokio::time::timeout(Duration::from_millis(200), site.put("latest-arm", &new.arm64)).await;
    assert!(put.is_err(), "the client leaves before the answer");
    let merged = Legacy { amd64: old.amd64, arm64: new.arm64 }.merged();
    eventually("what was pushed", async || site.tag("latest").await.text() == merged).await;
}

#[tokio::test]
async fn t13_several_tags_of_one_push_are_all_seen() {
    let site = Pushed::start("[cache]\ntag_ttl = \"1h\"").await;
    let (old, new) = (Legacy::docker(), Legacy::seeded(9));
    for tag in ["a", "b"] {
        old.push(&site.registry, tag);
        assert_eq!(site.tag(tag).await.text(), old.merged());
    }
    let pushed = site.put(&format!("{}?tag=a-arm&tag=b-arm", new.arm64.digest()), &new.arm64).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let merged = Legacy { amd64: old.amd64, arm64: new.arm64 }.merged();
    for tag in ["a", "b"] {
        assert_eq!(site.tag(tag).await.text(), merged, "{tag}");
    }
}

#[tokio::test]
async fn an_artifact_that_refers_to_a_merged_index_is_listed() {
    let site = Pushed::start("").await;
    let legacy = Legacy::oci();
    legacy.push(&site.registry, "latest");
    let merged = sha256(legacy.merged());
    served_as(&site.tag("latest").await, "application/vnd.oci.image.index.v1+json", legacy.merged());
    let path = format!("/v2/{REPOSITORY}/referrers/{merged}");
    let none = site.send("GET", &path, &[], "").await.json();
    assert_eq!(none["manifests"].as_array().unwrap().len(), 0);
    let empty = site.registry.put_blob(REPOSITORY, "{}");
    let signature = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{empty}","size":2}},"layers":[],"subject":{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{merged}","size":{}}}}}"#,
        legacy.merged().len()
    );
    let put = manifest_path(&sha256(&signature));
    let media_type = ("content-type", "application/vnd.oci.image.manifest.v1+json");
    let pushed = site.send("PUT", &put, &[media_type], signature).await;
    assert_eq!((pushed.status, pushed.header("oci-subject")), (201, Some(&*merged)));
    let listed = site.send("GET", &path, &[], "").await.json();
    assert_eq!(listed["manifests"][0]["artifactType"], "a/b");
}

/// The Location of an upload that was begun.
async fn begun(site: &Pushed) -> String {
    let begun = site.send("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/"), &[], "").await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    begun.header("location").expect("a Location").to_owned()
}

fn with_digest(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

#[tokio::test]
async fn what_a_registry_refuses_is_told_in_its_words_and_what_fails_in_onetags() {
    let site = Pushed::start("").await;
    let image = Legacy::docker().amd64;
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: a\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        manifest_path("latest"),
        image.media_type,
        (4 << 20) + 1
    );
    // It is told before the body comes.
    let mut stream = client::send_raw(site.onetag.address(), head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let put = manifest_path("latest");
    let unknown = site.send("PATCH", &format!("/v2/{REPOSITORY}/blobs/uploads/nothing"), &[], "x").await;
    assert_eq!((refusal(&unknown).0, &*refusal(&unknown).1), (404, "BLOB_UPLOAD_UNKNOWN"));
    let wrong = site.send("PUT", &put, &[("content-type", &image.media_type)], "no manifest").await;
    assert_eq!((refusal(&wrong).0, &*refusal(&wrong).1), (400, "MANIFEST_INVALID"));
}

#[tokio::test]
async fn an_upload_that_goes_on_elsewhere_comes_back_under_a_name_that_cannot_be_made_up() {
    let site = Pushed::over(Registry::builder().locations(Locations::Foreign).start().await, "");
    let location = begun(&site).await;
    let (path, _) = location.split_once('?').unwrap_or((&location, ""));
    assert!(path.starts_with(&format!("/v2/{REPOSITORY}/blobs/uploads/onetag.")), "{location}");
    let asked = site.registry.requests().len();
    let mut changed = path.to_owned();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    for bad in [changed, path.replace(REPOSITORY, "team/other")] {
        let refused = site.send("PATCH", &bad, &[], "x").await;
        assert_eq!((refusal(&refused).0, &*refusal(&refused).1), (404, "BLOB_UPLOAD_UNKNOWN"), "{bad}");
    }
    assert_eq!(site.registry.requests().len(), asked, "nothing was asked");
    let elsewhere = Pushed::over(Registry::start().await, "");
    assert_eq!(elsewhere.send("PATCH", path, &[], "x").await.status, 404, "another process");
    let digest = sha256("hello");
    assert_eq!(site.send("PUT", &with_digest(&location, &digest), &[], "hello").await.status, 201);
    assert!(site.registry.has_blob(REPOSITORY, &digest));
}
