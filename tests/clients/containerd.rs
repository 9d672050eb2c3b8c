//! containerd: a daemon of its own for each test, driven by `ctr`.

use std::process::Command;

use serde_json::Value;
use testkit::image::{Image, sha256};

use crate::support::{
    ARCHITECTURES, Arrival, Daemon, Form, HOST, Puller, Pusher, Scratch, Site, Way, archive, available,
    client, platform_in, run, try_run,
};

/// The Kubernetes plugin would look for networks and runtimes of the machine.
const CONFIG: &str = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";

/// A containerd with its own directories.
pub(crate) struct Containerd {
    _daemon: Daemon,
    scratch: Scratch,
    way: Way,
}

impl Containerd {
    /// Starts it, where it is installed.
    pub(crate) fn installed() -> Option<Self> {
        Self::reaching(Way::default())
    }

    /// The same, with what a registry wants.
    pub(crate) fn reaching(way: Way) -> Option<Self> {
        available(&["containerd", "ctr", "setpriv"]).then(|| Self::start(way))
    }

    fn start(way: Way) -> Self {
        let scratch = Scratch::new();
        let mut args = vec!["--config".to_owned(), scratch.write("config.toml", CONFIG)];
        for (flag, name) in [("--root", "root"), ("--state", "state"), ("--address", "sock")] {
            args.extend([flag.to_owned(), scratch.arg(name)]);
        }
        let ready = || command(&scratch).arg("version").output().is_ok_and(|output| output.status.success());
        let daemon = Daemon::start("containerd", &args, &scratch.path("log"), ready);
        Self { _daemon: daemon, scratch, way }
    }

    /// What is said about the registry of `reference`.
    fn registry_args(&self, reference: &str) -> Vec<String> {
        let host = reference.split('/').next().unwrap_or_default();
        let mut args = match self.way.certificates(&self.scratch, "certificates") {
            Some(folder) => vec!["--hosts-dir".to_owned(), self.hosts(host, &folder)],
            None => vec!["--plain-http".to_owned()],
        };
        args.extend(self.way.credentials().into_iter().flat_map(|user| ["--user".to_owned(), user]));
        args
    }

    /// Tells of the certificates in `folder` for `host`; returns where that stands. Not by `--tlscacert` and its like:
    /// without a `hosts.toml`, what is on a loopback address is spoken to over plain HTTP.
    fn hosts(&self, host: &str, folder: &str) -> String {
        let client = match self.way.identity {
            Some(_) => format!("  client = [[\"{folder}/client.cert\", \"{folder}/client.key\"]]\n"),
            None => String::new(),
        };
        let hosts = format!("[host.\"https://{host}\"]\n  ca = \"{folder}/ca.crt\"\n{client}");
        self.scratch.write(&format!("hosts/{host}/hosts.toml"), hosts);
        self.scratch.arg("hosts")
    }

    fn registry_call(&self, words: &[&str], reference: &str) -> Result<String, String> {
        let said = self.registry_args(reference);
        let said: Vec<_> = said.iter().map(String::as_str).collect();
        try_run(&mut command(&self.scratch), &[&["images"], words, &said[..], &[reference]].concat())
    }

    fn run(&self, args: &[&str]) -> String {
        run(&mut command(&self.scratch), args)
    }

    fn pull(&self, reference: &str) {
        self.run(&["images", "pull", "--plain-http", reference]);
    }

    fn pull_for(&self, architecture: &str, reference: &str) {
        let platform = format!("linux/{architecture}");
        self.run(&["images", "pull", "--plain-http", "--platform", &platform, reference]);
    }

    /// Pulls from a registry that [`Self::mirror`] was called for.
    ///
    /// # Errors
    /// What it printed, if it fails.
    pub(crate) fn pull_through_mirrors(&self, platform: &str, reference: &str) -> Result<Arrival, String> {
        let hosts = self.scratch.arg("hosts");
        let pull = ["images", "pull", "--hosts-dir", &hosts, "--platform", platform, reference];
        try_run(&mut command(&self.scratch), &pull)?;
        Ok(self.arrival(platform, reference))
    }

    /// Pulls with the hosts of a directory; the content of `/arch` in the image.
    pub(crate) fn pulled_with(&self, hosts: &str, architecture: &str, reference: &str) -> String {
        let platform = format!("linux/{architecture}");
        self.run(&["images", "pull", "--hosts-dir", hosts, "--platform", &platform, reference]);
        self.arch_file(architecture, reference)
    }

    /// What is said where such a pull fails.
    pub(crate) fn refused_with(&self, hosts: &str, reference: &str) -> String {
        let pull = ["images", "pull", "--hosts-dir", hosts, reference];
        try_run(&mut command(&self.scratch), &pull).expect_err("it is refused")
    }

    /// Makes `address` the mirror of a registry.
    pub(crate) fn mirror(&self, registry: &str, address: &str) {
        let hosts = format!("[host.\"http://{address}\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
        self.scratch.write(&format!("hosts/{registry}/hosts.toml"), hosts);
    }

    /// The digest that an image name stands for.
    fn target(&self, reference: &str) -> String {
        let list = self.run(&["images", "list", &format!("name=={reference}")]);
        let digest = list.split_whitespace().find(|word| word.starts_with("sha256:"));
        digest.expect("the image is listed").to_owned()
    }

    /// Stored content as JSON; only what was pulled is there.
    fn content(&self, digest: &str) -> Value {
        serde_json::from_str(&self.run(&["content", "get", digest])).expect("the content is JSON")
    }

    /// The architecture in the config of a pulled manifest.
    fn architecture(&self, manifest: &str) -> String {
        let manifest = self.content(manifest);
        let config = self.content(manifest["config"]["digest"].as_str().expect("a manifest has a config"));
        config["architecture"].as_str().expect("a config names its architecture").to_owned()
    }

    /// Fetches all that `reference` leads to, and unpacks none of it.
    pub(crate) fn fetch_all(&self, reference: &str) {
        self.run(&["content", "fetch", "--plain-http", "--all-platforms", reference]);
    }

    /// The digests of all content that was fetched.
    pub(crate) fn digests(&self) -> Vec<String> {
        self.run(&["content", "list", "--quiet"]).lines().map(str::to_owned).collect()
    }

    /// The content of `/arch` in the unpacked image, and the chain of layers that it was unpacked from.
    fn unpacked(&self, platform: &str, reference: &str) -> (String, String) {
        let mount = self.scratch.arg("mount");
        std::fs::create_dir_all(&mount).expect("the mount point is created");
        self.run(&["images", "mount", "--platform", platform, reference, &mount]);
        let content = std::fs::read_to_string(self.scratch.path("mount/arch"));
        let snapshot = self.run(&["snapshots", "info", &mount]);
        self.run(&["images", "unmount", "--rm", &mount]);
        let snapshot: Value = serde_json::from_str(&snapshot).expect("the snapshot is told in JSON");
        let chain = snapshot["Parent"].as_str().expect("it lies on the layers").to_owned();
        (content.expect("the image has the file"), chain)
    }

    fn arch_file(&self, architecture: &str, reference: &str) -> String {
        self.unpacked(&format!("linux/{architecture}"), reference).0
    }

    /// What a container for `platform` would start from: several of the fetched images may match.
    pub(crate) fn arrival(&self, platform: &str, reference: &str) -> Arrival {
        let (file, chain) = self.unpacked(platform, reference);
        let (config, content) = self.config_of(&chain);
        Arrival { config, platform: platform_in(&content), file }
    }

    /// The fetched config with this chain of layers, and its digest.
    fn config_of(&self, chain: &str) -> (String, Value) {
        let found = self.digests().into_iter().find_map(|digest| {
            let config: Value = serde_json::from_str(&self.run(&["content", "get", &digest])).ok()?;
            (chain_id(&config)? == chain).then_some((digest, config))
        });
        found.expect("what was unpacked has a config")
    }

    #[track_caller]
    fn assert_holds(&self, site: &Site, architecture: &str, reference: &str) {
        assert_eq!(self.target(reference), site.digest());
        assert_eq!(self.architecture(&site.child(architecture)), architecture);
        assert_eq!(self.arch_file(architecture, reference), architecture);
    }
}

impl Puller for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn no_match(&self) -> &'static str {
        "no match for platform in manifest"
    }

    fn pull(&self, platform: &str, reference: &str) -> Result<Arrival, String> {
        self.registry_call(&["pull", "--platform", platform], reference)?;
        Ok(self.arrival(platform, reference))
    }
}

impl Pusher for Containerd {
    fn way(&mut self) -> &mut Way {
        &mut self.way
    }

    fn push(&self, image: &Image, reference: &str) -> Result<String, String> {
        let archive = archive(&self.scratch, image, reference);
        self.run(&["images", "import", "--all-platforms", "--no-unpack", &archive]);
        let pushed = self.registry_call(&["push"], reference);
        self.run(&["images", "remove", "--sync", reference]);
        pushed
    }
}

/// The name that containerd gives to the layers of a config, if it is one.
fn chain_id(config: &Value) -> Option<String> {
    let layers = config["rootfs"]["diff_ids"].as_array()?.iter();
    let layers = layers.map(|layer| layer.as_str().unwrap_or_default().to_owned());
    layers.reduce(|chain, layer| sha256(format!("{chain} {layer}").as_bytes()))
}

fn command(scratch: &Scratch) -> Command {
    let mut command = client("ctr");
    command.env("CONTAINERD_ADDRESS", scratch.arg("sock"));
    // `ctr images mount` knows no snapshotter but the default one: nothing else may choose another.
    command.env_remove("CONTAINERD_SNAPSHOTTER").env_remove("CONTAINERD_NAMESPACE");
    command
}

fn set_up(form: Form) -> Option<(Site, Containerd)> {
    let containerd = Containerd::installed()?;
    Some((Site::start(form)?, containerd))
}

#[test]
fn a_plain_containerd_pull_gets_the_image_of_the_host() {
    let Some((site, containerd)) = set_up(Form::Docker) else { return };
    containerd.pull(&site.reference());
    containerd.assert_holds(&site, HOST, &site.reference());
}

#[test]
fn a_containerd_pull_gets_the_platform_that_it_names() {
    let Some((site, containerd)) = set_up(Form::Oci) else { return };
    for architecture in ARCHITECTURES {
        containerd.pull_for(architecture, &site.reference());
        containerd.assert_holds(&site, architecture, &site.reference());
    }
}

#[test]
fn a_containerd_pull_by_the_merged_digest_gets_either_platform() {
    let Some((site, containerd)) = set_up(Form::Docker) else { return };
    for architecture in ARCHITECTURES {
        containerd.pull_for(architecture, &site.reference_by_digest());
        containerd.assert_holds(&site, architecture, &site.reference_by_digest());
    }
}

#[test]
fn containerd_pulls_either_platform_of_tags_that_buildx_pushed() {
    let Some((site, containerd)) = set_up(Form::Buildx) else { return };
    for architecture in ARCHITECTURES {
        containerd.pull_for(architecture, &site.reference());
        containerd.assert_holds(&site, architecture, &site.reference());
    }
}
