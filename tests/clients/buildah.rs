//! buildah: builds on top of the merged tag, in a storage of its own for each test.

use std::process::Command;

use crate::support::{ARCHITECTURES, Form, HOST, Scratch, Site, available, client, run};

/// buildah with its own storage.
struct Buildah {
    scratch: Scratch,
}

impl Buildah {
    fn run(&self, args: &[&str]) -> String {
        run(&mut self.command(), args)
    }

    fn command(&self) -> Command {
        let mut command = client("buildah");
        command.args(["--root", &self.scratch.arg("root"), "--runroot", &self.scratch.arg("run")]);
        command.args(["--storage-driver", "vfs"]);
        command
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

fn set_up(form: Form) -> Option<(Site, Buildah)> {
    if !available(&["buildah"]) {
        return None;
    }
    Some((Site::start(form)?, Buildah { scratch: Scratch::new() }))
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
