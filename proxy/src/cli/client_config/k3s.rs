//! k3s: its own file, from which it writes that of its containerd.

use std::fmt::Write;

use onetag_config::ClientAuth;

use super::containerd::unreachable;
use super::endpoint::Endpoint;
use super::endpoint::Paths;
use super::output::{File, Output};
use super::registries::{self, Login, Registry};

pub(super) fn output(endpoint: &Endpoint, registries: &[Registry]) -> Output {
    let mut notes = vec![
        format!("k3s, to pull through onetag at {}", endpoint.url()),
        "On every node; then restart k3s (k3s-agent). Start it with --disable-default-registry-endpoint: else".into(),
        "it asks the registry itself when onetag fails, and gets tags of one architecture.".into(),
    ];
    notes.extend(unreachable(registries));
    let paths = Paths::below("/etc/rancher/k3s/onetag");
    let file = File::new("/etc/rancher/k3s/registries.yaml", content(endpoint, registries, &paths));
    let file = file.note("No rewrite: k3s tells onetag with ?ns= which registry it means.");
    let mut files = vec![file];
    files.extend(endpoint.certificates(&paths));
    Output { notes, files }
}

fn content(endpoint: &Endpoint, registries: &[Registry], paths: &Paths) -> String {
    let hosts = registries::hosts(endpoint, registries);
    let mut content = "mirrors:\n".to_owned();
    let mut mirror = |name: &str, url: &str| {
        // Writing to a string cannot fail.
        let _ = write!(content, "  \"{name}\":\n    endpoint:\n      - \"{url}\"\n");
    };
    for host in &hosts {
        mirror(host, &endpoint.url_of(host));
    }
    let names = registries.iter().flat_map(|registry| &registry.names);
    for name in names.filter(|name| !hosts.contains(&name.as_str())) {
        mirror(name, &endpoint.url());
    }
    let settings = settings(endpoint, registries, paths);
    if settings.is_empty() {
        return content;
    }
    content += "configs:\n";
    for host in hosts {
        let _ = write!(content, "  \"{host}\":\n{settings}");
    }
    content
}

/// What k3s needs to know of an endpoint: nothing where it is open and speaks plain HTTP, or has a certificate that
/// is trusted.
fn settings(endpoint: &Endpoint, registries: &[Registry], paths: &Paths) -> String {
    let mut settings = String::new();
    if registries.iter().any(|registry| registry.login != Login::None) {
        settings += "    auth:\n      username: \"NAME\"\n      password: \"PASSWORD\"\n";
    }
    let is_required = endpoint.client_auth == ClientAuth::Required;
    let certificates = [
        endpoint.ca_line("      ", &format!("ca_file: \"{}\"", paths.ca)),
        endpoint.client_line("      ", &format!("cert_file: \"{}\"", paths.certificate)),
        endpoint.client_line("      ", &format!("key_file: \"{}\"", paths.key)),
    ];
    // A key without a value is none, so it is written where one of its lines is.
    if endpoint.is_tls() && (endpoint.has_certificate || is_required) {
        settings += "    tls:\n";
        settings.extend(certificates);
    }
    settings
}
