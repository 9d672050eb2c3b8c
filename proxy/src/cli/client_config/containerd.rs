//! containerd: a `hosts.toml` for each registry name, in which onetag is the registry.

use super::endpoint::Endpoint;
use super::endpoint::Paths;
use super::output::{File, Output};
use super::registries::{self, Login, Registry};

/// Where containerd looks for the hosts of registries.
const DIRECTORY: &str = "/etc/containerd/certs.d";

pub(super) fn output(endpoint: &Endpoint, registries: &[Registry]) -> Output {
    let mut notes = vec![
        format!("containerd, to pull through onetag at {}", endpoint.url()),
        "After the first file restart containerd; the others hold at once. ctr reads them with".into(),
        format!("ctr images pull --hosts-dir {DIRECTORY} IMAGE"),
    ];
    notes.extend(unreachable(registries));
    if registries.iter().any(|registry| registry.login != Login::None) {
        notes.push("These files hold no passwords: use imagePullSecrets in Kubernetes, ctr's --user.".into());
    }
    let paths = Paths::below(&format!("{DIRECTORY}/{}", endpoint.name));
    let mut files = vec![settings()];
    files.extend(registries::hosts(endpoint, registries).into_iter().map(|host| {
        hosts_file(host, &endpoint.url_of(host), endpoint, &paths).note("Images by onetag's name.")
    }));
    for registry in registries {
        let also = registry.names.iter().filter(|name| **name != endpoint.name);
        files.extend(also.map(|name| {
            let note =
                format!("Images by the name {name}, as they are; containerd tells onetag which with ?ns=.");
            hosts_file(name, &endpoint.url(), endpoint, &paths).note(note)
        }));
    }
    files.extend(endpoint.certificates(&paths));
    Output { notes, files }
}

/// The registries that containerd cannot ask for by their names.
pub(super) fn unreachable(registries: &[Registry]) -> impl Iterator<Item = String> {
    registries.iter().filter(|registry| registry.names.is_empty()).map(|registry| {
        let image = registry.image().unwrap_or_else(|| "nothing".into());
        format!("{} has no namespaces in its [[registry]]: its images are pulled as {image}", registry.name)
    })
}

fn settings() -> File {
    let content = format!(
        "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"{DIRECTORY}\"\n\n\
         # Where it begins with version = 3 (containerd 2), instead:\n\
         #[plugins.\"io.containerd.cri.v1.images\".registry]\n#  config_path = \"{DIRECTORY}\"\n"
    );
    File::new("/etc/containerd/config.toml", content).note("Add config_path to what is there.")
}

/// `server` is where containerd goes when the host fails: were it not onetag, that would be the registry itself, with
/// the tags of one architecture.
fn hosts_file(name: &str, url: &str, endpoint: &Endpoint, paths: &Paths) -> File {
    let certificates = |indent| {
        let ca = endpoint.ca_line(indent, &format!("ca = \"{}\"", paths.ca));
        let client = format!("client = [[\"{}\", \"{}\"]]", paths.certificate, paths.key);
        ca + &endpoint.client_line(indent, &client)
    };
    let content = format!(
        "server = \"{url}\"\n{}\n[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n{}",
        certificates(""),
        certificates("  ")
    );
    File::new(format!("{DIRECTORY}/{name}/hosts.toml"), content)
}
