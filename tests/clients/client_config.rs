//! What `onetag client-config` prints, put where clients look for it: they pull through onetag, by its name and under
//! the names that images have in their registries.

use std::path::Path;

use testkit::image::Image;
use testkit::{Authority, DockerRegistry, Onetag, run};

use crate::containerd::Containerd;
use crate::podman::Podman;
use crate::support::{ARCHITECTURES, Scratch, fresh_seed};

/// A registry that does not exist under its name: only onetag knows where it is.
const FURTHER: &str = "further.invalid";

/// Two registries with the same tag for other images, and onetag in front of both.
struct Stage {
    onetag: Onetag,
    /// Holds what is printed, below `etc`.
    scratch: Scratch,
    default: DockerRegistry,
    _further: DockerRegistry,
}

impl Stage {
    /// With these settings besides the registries.
    fn start(scratch: Scratch, settings: &str) -> Option<Self> {
        let (default, further) = (DockerRegistry::start()?, DockerRegistry::start()?);
        push(&default, "default");
        push(&further, "further");
        let (url, further_url) = (default.url(), further.url());
        let settings = format!(
            "{settings}[upstream]\nurl = \"{url}\"\n[[registry]]\nname = \"{FURTHER}\"\n[registry.upstream]\n\
             url = \"{further_url}\"\n"
        );
        let onetag = Onetag::start(bin(), &["--config", &scratch.write("onetag.toml", &settings)]);
        Some(Self { onetag, scratch, default, _further: further })
    }

    /// Writes the files for `client`, and returns the directory that stands for `/etc`.
    fn set_up(&self, client: &str) -> String {
        let (settings, etc) = (self.scratch.arg("onetag.toml"), self.scratch.arg("etc"));
        let args = ["client-config", client, "--config", &settings, "--address", self.onetag.url()];
        let printed = run(bin(), &args, &[]);
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let text = String::from_utf8(printed.stdout).expect("text");
        for file in text.split("\n# /etc/").skip(1) {
            let (path, content) = file.split_once('\n').expect("the path is a line of its own");
            // Certificates are their owner's to put there.
            if content.lines().any(|line| !line.is_empty() && !line.starts_with('#')) {
                self.scratch.write(&format!("etc/{path}"), content.replace("/etc/", &format!("{etc}/")));
            }
        }
        etc
    }

    /// The images as clients name them, each with whose content it has.
    fn images(&self) -> [(String, &'static str); 4] {
        let (own, (_, default)) =
            (self.onetag.address(), self.default.url().split_once("://").expect("a URL"));
        [
            (own.to_string(), "default"),
            (format!("{own}/{FURTHER}"), "further"),
            (default.to_owned(), "default"),
            (FURTHER.to_owned(), "further"),
        ]
        .map(|(registry, content)| (format!("{registry}/team/app:latest"), content))
    }

    /// Pulls all of them, for an architecture that is not the tag's own: only merged tags have it.
    #[track_caller]
    fn assert_pulled_by(&self, pull: impl Fn(&str) -> String) {
        for (image, content) in self.images() {
            assert_eq!(pull(&image), format!("{content} arm64"), "{image}");
        }
    }
}

fn bin() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_onetag"))
}

/// Pushes an image for each architecture; the file `/arch` says which, and whose it is.
fn push(registry: &DockerRegistry, content: &str) {
    let seed = fresh_seed();
    for (architecture, tag) in ARCHITECTURES.into_iter().zip(["latest", "latest-arm"]) {
        let image = Image::builder(&format!("linux/{architecture}")).docker().seed(seed);
        let image = image.file("/arch", format!("{content} {architecture}").as_bytes());
        registry.push("team/app", tag, &image.build());
    }
}

#[test]
fn containerd_pulls_with_the_files_that_are_printed() {
    let Some(containerd) = Containerd::installed() else { return };
    let Some(stage) = Stage::start(Scratch::new(), "") else { return };
    let hosts = format!("{}/containerd/certs.d", stage.set_up("containerd"));
    stage.assert_pulled_by(|image| containerd.pulled_with(&hosts, "arm64", image));
}

#[test]
fn containerd_shows_the_certificate_that_the_printed_files_name() {
    let Some(containerd) = Containerd::installed() else { return };
    let (scratch, authority) = (Scratch::new(), Authority::new());
    let server = authority.server_identity();
    let settings = format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"\n",
        scratch.write("tls.crt", &server.certificate),
        scratch.write("tls.key", &server.key),
        scratch.write("ca.crt", authority.ca_pem()),
    );
    let Some(stage) = Stage::start(scratch, &settings) else { return };
    let hosts = format!("{}/containerd/certs.d", stage.set_up("containerd"));
    let put = |name: &str, content: &str| {
        let path = format!("etc/containerd/certs.d/{}/{name}", stage.onetag.address());
        stage.scratch.write(&path, content);
    };
    let client = authority.client_identity("node");
    put("ca.crt", &authority.ca_pem());
    put("client.cert", &client.certificate);
    put("client.key", &client.key);
    stage.assert_pulled_by(|image| containerd.pulled_with(&hosts, "arm64", image));
    // What is not there is asked of onetag again, which is trusted then, too: the error is the one that matters.
    let missing = format!("{FURTHER}/team/app:missing");
    let said = containerd.refused_with(&hosts, &missing);
    assert!(said.contains("not found"), "{said}");
}

#[test]
fn podman_pulls_with_the_file_that_is_printed() {
    let Some(podman) = Podman::installed() else { return };
    let Some(stage) = Stage::start(Scratch::new(), "") else { return };
    let registries = format!("{}/containers/registries.conf.d/onetag.conf", stage.set_up("podman"));
    stage.assert_pulled_by(|image| podman.pulled_with(&registries, "arm64", image));
}
