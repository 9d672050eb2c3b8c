//! podman: no daemon, but a storage of its own for each test.

use std::process::Command;

use testkit::image::Image;

use crate::support::{
    ARCHITECTURES, Arrival, ELSEWHERE, Form, HOST, Puller, Pusher, Scratch, Site, Way, archive, available,
    client, platform_args, reference_in, run, try_run,
};

/// podman with its own storage.
pub(crate) struct Podman {
    scratch: Scratch,
    way: Way,
}

impl Podman {
    /// With an empty storage, where it is installed.
    pub(crate) fn installed() -> Option<Self> {
        Self::reaching(Way::default())
    }

    /// The same, with what a registry wants.
    pub(crate) fn reaching(way: Way) -> Option<Self> {
        let podman = available(&["podman"]).then(|| Self { scratch: Scratch::new(), way })?;
        // Not the machine's own aliases, mirrors and credentials.
        podman.scratch.write("registries.conf", "");
        podman.scratch.write("auth.json", "{}");
        Some(podman)
    }

    fn run(&self, args: &[&str]) -> String {
        run(&mut self.command(), args)
    }

    fn command(&self) -> Command {
        let mut command = client("podman");
        for (flag, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.args([flag, &self.scratch.arg(name)]);
        }
        command.args(["--storage-driver", "vfs", "--events-backend", "none"]);
        command.env("CONTAINERS_REGISTRIES_CONF", self.scratch.arg("registries.conf"));
        command.env("REGISTRY_AUTH_FILE", self.scratch.arg("auth.json"));
        command
    }

    /// How the registry is spoken to.
    fn transport(&self) -> String {
        match self.way.certificates(&self.scratch, "certificates") {
            Some(folder) => format!("--cert-dir={folder}"),
            None => "--tls-verify=false".to_owned(),
        }
    }

    fn pull(&self, reference: &str) {
        self.run(&["pull", "--tls-verify=false", reference]);
    }

    fn pull_for(&self, architecture: &str, reference: &str) {
        let platform = format!("linux/{architecture}");
        self.run(&["pull", "--tls-verify=false", "--platform", &platform, reference]);
    }

    fn pull_arch(&self, architecture: &str, reference: &str) {
        self.run(&["pull", "--tls-verify=false", "--arch", architecture, reference]);
    }

    /// Pulls with the registries of a file; the content of `/arch` in the image.
    pub(crate) fn pulled_with(&self, registries: &str, architecture: &str, reference: &str) -> String {
        let mut command = self.command();
        command.env("CONTAINERS_REGISTRIES_CONF", registries);
        run(&mut command, &["pull", "--arch", architecture, reference]);
        self.arch_file(reference)
    }

    /// Makes `location`, an address and perhaps a path, the mirror of a registry.
    pub(crate) fn mirror(&self, registry: &str, location: &str) {
        let registry = format!("[[registry]]\nlocation = \"{registry}\"\n");
        let mirror = format!("[[registry.mirror]]\nlocation = \"{location}\"\ninsecure = true\n");
        self.scratch.write("registries.conf", registry + &mirror);
    }

    fn inspect(&self, reference: &str, field: &str) -> String {
        self.run(&["image", "inspect", "--format", &format!("{{{{{field}}}}}"), reference])
    }

    /// The content of `/arch` in the image.
    fn arch_file(&self, reference: &str) -> String {
        let mount = self.run(&["image", "mount", reference]);
        let content = std::fs::read_to_string(format!("{mount}/arch"));
        self.run(&["image", "unmount", reference]);
        content.expect("the image has the file")
    }

    #[track_caller]
    fn assert_holds(&self, reference: &str, architecture: &str) {
        assert_eq!(self.inspect(reference, ".Architecture"), architecture);
        assert_eq!(self.arch_file(reference), architecture);
    }
}

impl Puller for Podman {
    fn name(&self) -> &'static str {
        "podman"
    }

    fn no_match(&self) -> &'static str {
        "no image found in"
    }

    fn pull(&self, platform: &str, reference: &str) -> Result<Arrival, String> {
        let choice = platform_args(["--os", "--arch", "--variant"], platform);
        let transport = self.transport();
        try_run(&mut self.command(), &[&["pull", &transport], &choice[..], &[reference]].concat())?;
        Ok(Arrival {
            // An image is named by its config here.
            config: format!("sha256:{}", self.inspect(reference, ".Id")),
            platform: format!(
                "{}/{}",
                self.inspect(reference, ".Os"),
                self.inspect(reference, ".Architecture")
            ),
            file: self.arch_file(reference),
        })
    }
}

impl Pusher for Podman {
    fn way(&mut self) -> &mut Way {
        &mut self.way
    }

    fn log_in(&self, address: &str) -> Result<String, String> {
        let (user, password) = self.way.login.as_ref().expect("somebody logs in");
        let login = ["login", &self.transport(), "--username", user, "--password", password, address];
        try_run(&mut self.command(), &login)
    }

    fn push(&self, image: &Image, reference: &str) -> Result<String, String> {
        self.run(&["load", "--input", &archive(&self.scratch, image, reference)]);
        let pushed = try_run(&mut self.command(), &["push", &self.transport(), reference]);
        self.run(&["rmi", reference]);
        pushed
    }
}

fn set_up(form: Form) -> Option<(Site, Podman)> {
    let podman = Podman::installed()?;
    Some((Site::start(form)?, podman))
}

#[test]
fn a_plain_podman_pull_gets_the_image_of_the_host() {
    let Some((site, podman)) = set_up(Form::Docker) else { return };
    podman.pull(&site.reference());
    podman.assert_holds(&site.reference(), HOST);
    assert_eq!(podman.inspect(&site.reference(), ".Digest"), site.digest());
}

#[test]
fn a_podman_pull_gets_the_platform_that_it_names() {
    let Some((site, podman)) = set_up(Form::Docker) else { return };
    for architecture in ARCHITECTURES {
        podman.pull_for(architecture, &site.reference());
        podman.assert_holds(&site.reference(), architecture);
    }
}

#[test]
fn a_podman_pull_gets_the_architecture_that_it_names() {
    let Some((site, podman)) = set_up(Form::Oci) else { return };
    for architecture in ARCHITECTURES {
        podman.pull_arch(architecture, &site.reference());
        podman.assert_holds(&site.reference(), architecture);
    }
}

#[test]
fn a_podman_pull_by_the_merged_digest_gets_either_platform() {
    let Some((site, podman)) = set_up(Form::Docker) else { return };
    for architecture in ARCHITECTURES {
        podman.pull_for(architecture, &site.reference_by_digest());
        podman.assert_holds(&site.reference_by_digest(), architecture);
    }
}

#[test]
fn podman_pulls_either_platform_of_tags_that_buildx_pushed() {
    let Some((site, podman)) = set_up(Form::Buildx) else { return };
    for architecture in ARCHITECTURES {
        podman.pull_for(architecture, &site.reference());
        podman.assert_holds(&site.reference(), architecture);
    }
}

#[test]
fn podman_pulls_through_onetag_as_the_mirror_of_another_registry() {
    let Some((site, podman)) = set_up(Form::Oci) else { return };
    podman.mirror(ELSEWHERE, &site.address());
    let reference = reference_in(ELSEWHERE);
    for architecture in ARCHITECTURES {
        podman.pull_arch(architecture, &reference);
        podman.assert_holds(&reference, architecture);
    }
}
