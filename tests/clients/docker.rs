//! Docker: a daemon of its own for each test, driven by its command line.

use std::path::Path;
use std::process::Command;

use testkit::image::{Image, hello};

use crate::support::{
    ARCHITECTURES, Arrival, Daemon, Form, HOST, Puller, Pusher, Scratch, Site, Way, archive, available,
    client, has_buildkit, reference_in, run, try_run,
};

/// A Docker daemon with its own directories and its own containerd, and its client.
pub(crate) struct Docker {
    _daemon: Daemon,
    scratch: Scratch,
    way: Way,
}

impl Docker {
    /// Starts it, where it is installed.
    pub(crate) fn installed() -> Option<Self> {
        docker_is_available().then(Self::start)
    }

    /// The same, with what a registry wants.
    pub(crate) fn reaching(way: Way) -> Option<Self> {
        (docker_is_available() && available(&["mount", "unshare"])).then(|| Self::start_with(way, &[]))
    }

    /// The same, with a mirror of Docker Hub.
    pub(crate) fn mirrored_by(url: &str) -> Option<Self> {
        let mirror = format!("--registry-mirror={url}");
        docker_is_available().then(|| Self::start_with(Way::default(), &[mirror]))
    }

    fn start() -> Self {
        Self::start_with(Way::default(), &[])
    }

    /// Starts it with `more` arguments for the daemon.
    fn start_with(way: Way, more: &[String]) -> Self {
        let scratch = Scratch::new();
        let args = [&daemon_args(&scratch), more].concat();
        let ready = || command(&scratch).arg("version").output().is_ok_and(|output| output.status.success());
        let (program, args) = match way.authority {
            Some(_) => ("unshare", with_own_etc(&scratch, &args)),
            None => ("dockerd", args),
        };
        let daemon = Daemon::start(program, &args, &scratch.path("log"), ready);
        Self { _daemon: daemon, scratch, way }
    }

    /// Tells of certificates for the host of `reference`.
    fn trust(&self, reference: &str) {
        let host = reference.split('/').next().unwrap_or_default();
        self.way.certificates(&self.scratch, &format!("etc/certs.d/{host}"));
    }

    fn run(&self, args: &[&str]) -> String {
        run(&mut command(&self.scratch), args)
    }

    fn pull(&self, reference: &str) {
        self.run(&["pull", reference]);
    }

    fn pull_for(&self, architecture: &str, reference: &str) {
        self.run(&["pull", "--platform", &format!("linux/{architecture}"), reference]);
    }

    fn inspect(&self, reference: &str, field: &str) -> String {
        self.run(&["image", "inspect", "--format", &format!("{{{{{field}}}}}"), reference])
    }

    /// Builds an image for `architecture` on top of `base`; returns its tag.
    fn build(&self, buildkit: &str, architecture: &str, base: &str) -> String {
        let tag = format!("built-{architecture}");
        let context = self.scratch.build_context(&tag, base);
        let platform = format!("linux/{architecture}");
        let mut docker = command(&self.scratch);
        docker.env("DOCKER_BUILDKIT", buildkit);
        run(&mut docker, &["build", "--pull", "--platform", &platform, "--tag", &tag, &context]);
        tag
    }

    /// The content of a file in the image, through a container that is never started.
    fn read(&self, reference: &str, file: &str) -> String {
        let container = self.run(&["create", "--network", "none", reference, "command"]);
        let copy = self.scratch.arg("copy");
        self.run(&["cp", &format!("{container}:{file}"), &copy]);
        self.run(&["rm", &container]);
        std::fs::read_to_string(copy).expect("docker copied the file")
    }

    /// Frees the reference: a digest stays with the platform that it was first pulled for.
    fn remove(&self, reference: &str) {
        self.run(&["image", "rm", reference]);
    }

    #[track_caller]
    fn assert_holds(&self, reference: &str, architecture: &str) {
        assert_eq!(self.inspect(reference, ".Architecture"), architecture);
        assert_eq!(self.read(reference, "/arch"), architecture);
    }
}

impl Puller for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn no_match(&self) -> &'static str {
        "no matching manifest for"
    }

    fn pull(&self, platform: &str, reference: &str) -> Result<Arrival, String> {
        self.trust(reference);
        try_run(&mut command(&self.scratch), &["pull", "--platform", platform, reference])?;
        Ok(Arrival {
            // An image is named by its config here.
            config: self.inspect(reference, ".Id"),
            platform: format!(
                "{}/{}",
                self.inspect(reference, ".Os"),
                self.inspect(reference, ".Architecture")
            ),
            file: self.read(reference, "/arch"),
        })
    }
}

impl Pusher for Docker {
    fn way(&mut self) -> &mut Way {
        &mut self.way
    }

    fn log_in(&self, address: &str) -> Result<String, String> {
        self.trust(address);
        let (user, password) = self.way.login.as_ref().expect("somebody logs in");
        let login = ["login", "--username", user, "--password", password, address];
        try_run(&mut command(&self.scratch), &login)
    }

    fn push(&self, image: &Image, reference: &str) -> Result<String, String> {
        self.trust(reference);
        self.run(&["load", "--input", &archive(&self.scratch, image, reference)]);
        let pushed = try_run(&mut command(&self.scratch), &["push", reference]);
        self.remove(reference);
        pushed
    }
}

/// Starts a daemon with a folder and a file of the scratch directory in the place of `/etc/docker` and `/etc/hosts`.
/// It looks for certificates there alone, and not at all for an address that is, or resolves to, one of 127.0.0.0/8.
fn with_own_etc(scratch: &Scratch, args: &[String]) -> Vec<String> {
    let hosts = scratch.write("hosts", "::1 localhost\n");
    std::fs::create_dir(scratch.path("etc")).expect("a folder");
    let script = "mkdir -p /etc/docker && mount --bind \"$0\" /etc/docker && mount --bind \"$1\" /etc/hosts && \
                  shift && exec dockerd \"$@\"";
    let start = ["--mount", "sh", "-c", script, &scratch.arg("etc"), &hosts].map(str::to_owned);
    [&start[..], args].concat()
}

/// No bridge and no firewall rules: nothing outside the daemon's own directories is touched. The vfs
/// driver works on every file system, also where these tests run in a container themselves.
fn daemon_args(scratch: &Scratch) -> Vec<String> {
    let mut args = ["--bridge=none", "--iptables=false", "--storage-driver=vfs"].map(str::to_owned).to_vec();
    args.extend(["--insecure-registry", "127.0.0.0/8"].map(str::to_owned));
    // Not the machine's own configuration.
    args.extend(["--config-file".to_owned(), scratch.write("daemon.json", "{}")]);
    args.extend(["--data-root".to_owned(), scratch.arg("root")]);
    args.extend(["--exec-root".to_owned(), scratch.arg("exec")]);
    args.extend(["--pidfile".to_owned(), scratch.arg("pid")]);
    args.extend(["--host".to_owned(), socket(scratch)]);
    args
}

fn socket(scratch: &Scratch) -> String {
    format!("unix://{}", scratch.arg("sock"))
}

fn command(scratch: &Scratch) -> Command {
    let mut command = client(program());
    command.env("DOCKER_HOST", socket(scratch)).env("DOCKER_CONFIG", scratch.arg("client"));
    command.env_remove("DOCKER_CONTEXT").env_remove("DOCKER_DEFAULT_PLATFORM").env("DOCKER_BUILDKIT", "0");
    command
}

/// The distribution's client where there is one: it comes with its dockerd and with BuildKit, while
/// another one earlier in the PATH may need a plugin for that.
fn program() -> &'static str {
    if Path::new("/usr/bin/docker").exists() { "/usr/bin/docker" } else { "docker" }
}

fn docker_is_available() -> bool {
    available(&["dockerd", "docker", "setpriv"])
}

fn set_up(form: Form) -> Option<(Site, Docker)> {
    if !docker_is_available() {
        return None;
    }
    Some((Site::start(form)?, Docker::start()))
}

#[test]
fn a_plain_docker_pull_gets_the_image_of_the_host() {
    let Some((site, docker)) = set_up(Form::Docker) else { return };
    docker.pull(&site.reference());
    docker.assert_holds(&site.reference(), HOST);
    let digests = docker.inspect(&site.reference(), ".RepoDigests");
    assert_eq!(digests, format!("[{}]", site.reference_by_digest()));
}

#[test]
fn a_docker_pull_gets_the_platform_that_it_names() {
    let Some((site, docker)) = set_up(Form::Docker) else { return };
    for architecture in ARCHITECTURES {
        docker.pull_for(architecture, &site.reference());
        docker.assert_holds(&site.reference(), architecture);
    }
}

#[test]
fn a_docker_pull_by_the_merged_digest_gets_either_platform() {
    let Some((site, docker)) = set_up(Form::Oci) else { return };
    for architecture in ARCHITECTURES {
        docker.pull_for(architecture, &site.reference_by_digest());
        docker.assert_holds(&site.reference_by_digest(), architecture);
        docker.remove(&site.reference_by_digest());
    }
}

#[test]
fn docker_pulls_either_platform_of_tags_that_buildx_pushed() {
    let Some((site, docker)) = set_up(Form::Buildx) else { return };
    for architecture in ARCHITECTURES {
        docker.pull_for(architecture, &site.reference());
        docker.assert_holds(&site.reference(), architecture);
    }
}

#[test]
fn docker_pulls_through_onetag_as_the_mirror_of_docker_hub() {
    let Some(site) = Site::start(Form::Docker) else { return };
    let Some(docker) = Docker::mirrored_by(&format!("http://{}", site.address())) else { return };
    let reference = reference_in("docker.io");
    for architecture in ARCHITECTURES {
        docker.pull_for(architecture, &reference);
        docker.assert_holds(&reference, architecture);
    }
}

#[test]
fn the_classic_docker_builder_builds_for_either_platform_from_the_merged_tag() {
    let Some((site, docker)) = set_up(Form::Docker) else { return };
    assert_builds(&site, &docker, "0");
}

#[test]
fn buildkit_builds_for_either_platform_from_the_merged_tag() {
    if !has_buildkit(program()) {
        return;
    }
    let Some((site, docker)) = set_up(Form::Docker) else { return };
    assert_builds(&site, &docker, "1");
}

#[track_caller]
fn assert_builds(site: &Site, docker: &Docker, buildkit: &str) {
    for architecture in ARCHITECTURES {
        let tag = docker.build(buildkit, architecture, &site.reference());
        docker.assert_holds(&tag, architecture);
        assert_eq!(docker.inspect(&tag, ".Config.Labels.built"), "yes");
        assert_eq!(docker.read(&tag, "/added"), "added\n");
    }
}

#[test]
fn a_container_runs_from_the_merged_tag() {
    if !docker_is_available() {
        return;
    }
    let images = ARCHITECTURES.map(|architecture| hello(&format!("linux/{architecture}")));
    let Some(site) = Site::holding(Form::Docker, images) else { return };
    let docker = Docker::start();
    let greeting = docker.run(&["run", "--rm", "--network", "none", &site.reference()]);
    assert_eq!(greeting, format!("hello from linux/{HOST}"));
}
