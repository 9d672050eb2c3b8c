//! podman, and what reads the same files: onetag in the place of each registry, so that there is nothing to fall
//! back to.

use super::endpoint::Endpoint;
use super::endpoint::Paths;
use super::output::{File, Output};
use super::registries::{self, Registry};

pub(super) fn output(endpoint: &Endpoint, registries: &[Registry]) -> Output {
    let mut notes = vec![
        format!("podman, skopeo, buildah and CRI-O, to pull through onetag at {}", endpoint.url()),
        "For one user: ~/.config/containers instead of /etc/containers.".into(),
    ];
    notes.extend(registries::login_notes("podman", registries));
    let hosts = registries::hosts(endpoint, registries);
    let mut content: String = hosts.iter().map(|host| entry(endpoint, None, host)).collect();
    for registry in registries {
        let Some(location) = &registry.location else {
            notes.push(format!("{} has neither prefix nor hosts, so podman cannot reach it.", registry.name));
            continue;
        };
        // Without a second entry for what has one already.
        if !hosts.contains(&&*registry.name) {
            content += &entry(endpoint, Some(&registry.name), location);
        }
    }
    let mut files = vec![File::new("/etc/containers/registries.conf.d/onetag.conf", content.trim_start())];
    for host in hosts {
        files.extend(endpoint.certificates(&Paths::below(&format!("/etc/containers/certs.d/{host}"))));
    }
    Output { notes, files }
}

fn entry(endpoint: &Endpoint, prefix: Option<&str>, location: &str) -> String {
    let prefix = prefix.map(|prefix| format!("prefix = \"{prefix}\"\n")).unwrap_or_default();
    let insecure = if endpoint.is_tls() { "" } else { "insecure = true\n" };
    format!("\n[[registry]]\n{prefix}location = \"{location}\"\n{insecure}")
}
