//! skopeo: what it sees and copies is byte for byte what onetag serves.

use std::iter;

use serde_json::Value;
use testkit::image::{Image, sha256};

use crate::support::{
    ARCHITECTURES, Arrival, Form, Puller, Pusher, Scratch, Site, Way, archive, available, client,
    platform_args, platform_in, run, try_run,
};

fn skopeo(args: &[&str]) -> String {
    run(&mut client("skopeo"), args)
}

/// The image config that skopeo chooses for an architecture.
fn inspect_config(architecture: &str, source: &str) -> Value {
    let choice = ["--override-os", "linux", "--override-arch", architecture];
    let config = skopeo(&[&choice[..], &["inspect", "--tls-verify=false", "--config", source]].concat());
    serde_json::from_str(&config).expect("the config is JSON")
}

fn copy_one(architecture: &str, source: &str, target: &str) {
    let choice = ["--override-os", "linux", "--override-arch", architecture];
    skopeo(&[&choice[..], &["copy", "--src-tls-verify=false", source, target]].concat());
}

fn copy_all(source: &str, target: &str) {
    skopeo(&["copy", "--all", "--preserve-digests", "--src-tls-verify=false", source, target]);
}

/// skopeo keeps nothing: a pull is a copy to a folder of its own.
pub(crate) struct Skopeo {
    scratch: Scratch,
    way: Way,
}

impl Skopeo {
    /// Where it is installed.
    pub(crate) fn installed() -> Option<Self> {
        Self::reaching(Way::default())
    }

    /// The same, with what a registry wants.
    pub(crate) fn reaching(way: Way) -> Option<Self> {
        available(&["skopeo"]).then(|| Self { scratch: Scratch::new(), way })
    }

    /// What is said about a registry that is the `src` or the `dest`.
    fn registry_args(&self, side: &str) -> Vec<String> {
        let transport = match self.way.certificates(&self.scratch, "certificates") {
            Some(folder) => format!("--{side}-cert-dir={folder}"),
            None => format!("--{side}-tls-verify=false"),
        };
        let credentials = self.way.credentials().map(|credentials| format!("--{side}-creds={credentials}"));
        iter::once(transport).chain(credentials).collect()
    }

    /// Runs a command with `args`, and what is said about the registries on these sides.
    pub(crate) fn call(&self, command: &str, sides: &[&str], args: &[&str]) -> Result<String, String> {
        let said: Vec<_> = sides.iter().flat_map(|side| self.registry_args(side)).collect();
        let said: Vec<_> = said.iter().map(String::as_str).collect();
        try_run(&mut client("skopeo"), &[&[command], &said[..], args].concat())
    }
}

impl Puller for Skopeo {
    fn name(&self) -> &'static str {
        "skopeo"
    }

    fn no_match(&self) -> &'static str {
        "no image found in"
    }

    fn pull(&self, platform: &str, reference: &str) -> Result<Arrival, String> {
        let scratch = Scratch::new();
        let choice = platform_args(["--override-os", "--override-arch", "--override-variant"], platform);
        let (source, target) = (format!("docker://{reference}"), format!("dir:{}", scratch.arg("copy")));
        self.call("copy", &["src"], &[&choice[..], &[&source, &target]].concat())?;
        let copied = Copied { scratch: &scratch, folder: "copy".to_owned() };
        let config = copied.config();
        let platform = platform_in(&serde_json::from_slice(&config).expect("the config is JSON"));
        Ok(Arrival { config: sha256(&config), platform, file: copied.arch_file() })
    }
}

impl Pusher for Skopeo {
    fn way(&mut self) -> &mut Way {
        &mut self.way
    }

    fn push(&self, image: &Image, reference: &str) -> Result<String, String> {
        let source = format!("oci-archive:{}", archive(&self.scratch, image, reference));
        self.call("copy", &["dest"], &[&source, &format!("docker://{reference}")])
    }
}

/// An image copied to a `dir:`: a file per blob, named by the hex of its digest, and `manifest.json`.
struct Copied<'a> {
    scratch: &'a Scratch,
    folder: String,
}

impl Copied<'_> {
    fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.scratch.path(&self.folder).join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&self.bytes("manifest.json")).expect("the manifest is JSON")
    }

    fn config(&self) -> Vec<u8> {
        self.bytes(hex(self.manifest()["config"]["digest"].as_str().expect("a manifest has a config")))
    }

    /// The content of `/arch` once all layers are unpacked.
    fn arch_file(&self) -> String {
        let manifest = self.manifest();
        let out = self.scratch.arg(&format!("{}-root", self.folder));
        std::fs::create_dir(&out).expect("an empty folder");
        for layer in manifest["layers"].as_array().expect("a manifest lists layers") {
            let digest = layer["digest"].as_str().expect("a layer has a digest");
            let file = format!("{}/{}", self.scratch.arg(&self.folder), hex(digest));
            run(&mut client("tar"), &["--extract", "--gzip", "--file", &file, "--directory", &out]);
        }
        std::fs::read_to_string(format!("{out}/arch")).expect("the image has the file")
    }
}

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").expect("a sha256 digest")
}

fn set_up(form: Form) -> Option<(Site, Scratch, String)> {
    if !available(&["skopeo"]) {
        return None;
    }
    let site = Site::start(form)?;
    let source = format!("docker://{}", site.reference());
    Some((site, Scratch::new(), source))
}

#[test]
fn skopeo_inspects_the_very_bytes_of_the_merged_index() {
    let Some((site, _scratch, source)) = set_up(Form::Docker) else { return };
    let raw = skopeo(&["inspect", "--tls-verify=false", "--raw", &source]);
    assert_eq!(sha256(raw.as_bytes()), site.digest());
    let digest = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &source]);
    assert_eq!(digest, site.digest());
}

#[test]
fn skopeo_inspects_the_architecture_that_it_names() {
    let Some((_site, _scratch, source)) = set_up(Form::Oci) else { return };
    for architecture in ARCHITECTURES {
        assert_eq!(inspect_config(architecture, &source)["architecture"], architecture);
    }
}

#[test]
fn skopeo_copies_one_architecture_to_a_directory_without_changing_it() {
    let Some((site, scratch, source)) = set_up(Form::Docker) else { return };
    for architecture in ARCHITECTURES {
        copy_one(architecture, &source, &format!("dir:{}", scratch.arg(architecture)));
        let copied = Copied { scratch: &scratch, folder: architecture.to_owned() };
        assert_eq!(sha256(copied.bytes("manifest.json")), site.child(architecture));
        assert_eq!(copied.arch_file(), architecture);
    }
}

#[test]
fn skopeo_copies_one_architecture_to_an_oci_layout_without_changing_it() {
    let Some((site, scratch, source)) = set_up(Form::Oci) else { return };
    for architecture in ARCHITECTURES {
        copy_one(architecture, &source, &format!("oci:{}:tag", scratch.arg(architecture)));
        assert_eq!(layout_digest(&scratch, architecture), site.child(architecture));
        let layout = format!("oci:{}:tag", scratch.arg(architecture));
        assert_eq!(inspect_config(architecture, &layout)["architecture"], architecture);
    }
}

#[test]
fn skopeo_copies_the_whole_merged_index_to_a_directory_without_changing_it() {
    let Some((site, scratch, source)) = set_up(Form::Docker) else { return };
    copy_all(&source, &format!("dir:{}", scratch.arg("all")));
    let copied = Copied { scratch: &scratch, folder: "all".to_owned() };
    assert_eq!(copied.bytes("manifest.json"), site.index());
    for architecture in ARCHITECTURES {
        let child = site.child(architecture);
        assert_eq!(sha256(copied.bytes(&format!("{}.manifest.json", hex(&child)))), child);
    }
}

#[test]
fn skopeo_copies_the_whole_merged_index_to_an_oci_layout_without_changing_it() {
    let Some((site, scratch, source)) = set_up(Form::Buildx) else { return };
    copy_all(&source, &format!("oci:{}:tag", scratch.arg("all")));
    assert_eq!(layout_digest(&scratch, "all"), site.digest());
    for architecture in ARCHITECTURES {
        let child = site.child(architecture);
        let blob = scratch.path("all/blobs/sha256").join(hex(&child));
        assert_eq!(sha256(std::fs::read(blob).expect("the child was copied")), child);
    }
}

/// The digest that the index of an OCI layout names for its one image.
fn layout_digest(scratch: &Scratch, layout: &str) -> String {
    let index = std::fs::read(scratch.path(layout).join("index.json")).expect("a layout has an index");
    let index: Value = serde_json::from_slice(&index).expect("the index is JSON");
    index["manifests"][0]["digest"].as_str().expect("an entry has a digest").to_owned()
}
