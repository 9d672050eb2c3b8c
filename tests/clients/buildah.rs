//! buildah: builds on top of the merged tag, in a storage of its own for each test.

use std::process::Command;

use testkit::image::Image;

use crate::support::{
    ARCHITECTURES, Arrival, Form, HOST, Puller, Pusher, Scratch, Site, Way, archive, available, client,
    platform_args, run, try_run,
};

/// buildah with its own storage.
pub(crate) struct Buildah {
    scratch: Scratch,
    way: Way,
}

impl Buildah {
    /// With an empty storage, where it is installed.
    pub(crate) fn installed() -> Option<Self> {
        Self::reaching(Way::default())
    }

    /// The same, with what a registry wants.
    pub(crate) fn reaching(way: Way) -> Option<Self> {
        let buildah = available(&["buildah"]).then(|| Self { scratch: Scratch::new(), way })?;
        // Not the machine's own credentials.
        buildah.scratch.write("auth.json", "{}");
        Some(buildah)
    }

    fn run(&self, args: &[&str]) -> String {
        run(&mut self.command(), args)
    }

    fn command(&self) -> Command {
        let mut command = client("buildah");
        command.args(["--root", &self.scratch.arg("root"), "--runroot", &self.scratch.arg("run")]);
        command.args(["--storage-driver", "vfs"]).env("REGISTRY_AUTH_FILE", self.scratch.arg("auth.json"));
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

    fn pull_arch(&self, architecture: &str, reference: &str) {
        self.run(&["pull", "--tls-verify=false", "--policy", "always", "--arch", architecture, reference]);
    }

    /// Builds an image for `architecture` on top of `base`; returns its tag.
    fn build(&self, architecture: &str, base: &str) -> String {
        let tag = format!("built-{architecture}");
        let context = self.scratch.build_context(&tag, base);
        let platform = format!("linux/{architecture}");
        let pull = ["--tls-verify=false", "--pull-always", "--platform", &platform];
        self.run(&[&["bud"], &pull[..], &["--isolation", "chroot", "--tag", &tag, &context]].concat());
        tag
    }

    fn inspect(&self, image: &str, field: &str) -> String {
        self.run(&["inspect", "--type", "image", "--format", &format!("{{{{{field}}}}}"), image])
    }

    /// The content of a file in a local image.
    fn read(&self, image: &str, file: &str) -> String {
        let container = self.run(&["from", "--pull-never", image]);
        let mount = self.run(&["mount", &container]);
        let content = std::fs::read_to_string(format!("{mount}{file}"));
        self.run(&["rm", &container]);
        content.expect("the image has the file")
    }

    #[track_caller]
    fn assert_holds(&self, image: &str, architecture: &str) {
        assert_eq!(self.inspect(image, ".OCIv1.Architecture"), architecture);
        assert_eq!(self.read(image, "/arch"), architecture);
    }
}

impl Puller for Buildah {
    fn name(&self) -> &'static str {
        "buildah"
    }

    fn no_match(&self) -> &'static str {
        "no image found in"
    }

    fn pull(&self, platform: &str, reference: &str) -> Result<Arrival, String> {
        let choice = platform_args(["--os", "--arch", "--variant"], platform);
        let transport = self.transport();
        let pull = ["pull", &transport, "--policy", "always"];
        try_run(&mut self.command(), &[&pull[..], &choice[..], &[reference]].concat())?;
        let platform =
            ["OS", "Architecture"].map(|field| self.inspect(reference, &format!(".OCIv1.{field}")));
        Ok(Arrival {
            // An image is named by its config here.
            config: format!("sha256:{}", self.inspect(reference, ".FromImageID")),
            platform: platform.join("/"),
            file: self.read(reference, "/arch"),
        })
    }
}

impl Pusher for Buildah {
    fn way(&mut self) -> &mut Way {
        &mut self.way
    }

    fn log_in(&self, address: &str) -> Result<String, String> {
        let (user, password) = self.way.login.as_ref().expect("somebody logs in");
        let login = ["login", &self.transport(), "--username", user, "--password", password, address];
        try_run(&mut self.command(), &login)
    }

    fn push(&self, image: &Image, reference: &str) -> Result<String, String> {
        let source = format!("oci-archive:{}", archive(&self.scratch, image, reference));
        let id = self.run(&["pull", "--quiet", &source]);
        let target = format!("docker://{reference}");
        let pushed = try_run(&mut self.command(), &["push", &self.transport(), &id, &target]);
        self.run(&["rmi", "--force", &id]);
        pushed
    }
}

fn set_up(form: Form) -> Option<(Site, Buildah)> {
    let buildah = Buildah::installed()?;
    Some((Site::start(form)?, buildah))
}

#[test]
fn a_plain_buildah_pull_gets_the_image_of_the_host() {
    let Some((site, buildah)) = set_up(Form::Oci) else { return };
    buildah.pull(&site.reference());
    buildah.assert_holds(&site.reference(), HOST);
}

#[test]
fn a_buildah_pull_gets_the_architecture_that_it_names() {
    let Some((site, buildah)) = set_up(Form::Docker) else { return };
    for architecture in ARCHITECTURES {
        buildah.pull_arch(architecture, &site.reference());
        buildah.assert_holds(&site.reference(), architecture);
    }
}

#[test]
fn buildah_builds_for_either_platform_from_the_merged_tag() {
    let Some((site, buildah)) = set_up(Form::Oci) else { return };
    for architecture in ARCHITECTURES {
        let tag = buildah.build(architecture, &site.reference());
        buildah.assert_holds(&tag, architecture);
        assert_eq!(buildah.inspect(&tag, ".OCIv1.Config.Labels.built"), "yes");
        assert_eq!(buildah.read(&tag, "/added"), "added\n");
    }
}
