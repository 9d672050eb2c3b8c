//! `onetag client-config`: the files that point a client at this onetag.

use std::fmt::Write as _;

use onetag_config::{ClientAuth, Config, CredentialSource, UpstreamUrl};

use super::args::{ClientConfigArguments, ClientKind};
use super::exit::{Failure, print};

/// The registry of Docker Hub, by its host; people and clients call it `docker.io`.
const HUB: (&str, &str) = ("registry-1.docker.io", "docker.io");

pub(super) fn client_config(arguments: &ClientConfigArguments) -> Result<(), Failure> {
    let config = match &arguments.config {
        Some(path) => Config::load(path).map_err(Failure::usage)?,
        None => Config::default(),
    };
    let mut onetag = Onetag::of(&config, arguments.address.as_ref());
    if let Some(url) = &arguments.upstream {
        onetag.names.insert(0, Named::of_default(url));
    }
    if let Some(wanted) = &arguments.registry {
        onetag.names.retain(|named| named.registry == *wanted);
    }
    if onetag.names.is_empty() {
        let known = config.registry.iter().map(|registry| registry.name().to_owned());
        let known: Vec<_> =
            known.chain(config.upstream.url.iter().map(|url| url.authority().into())).collect();
        return Err(Failure::usage(format!(
            "there is no such registry; name a configuration (--config) with one, or --upstream. Known: {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        )));
    }
    print(&match arguments.client {
        ClientKind::Docker => docker(&onetag),
        ClientKind::Containerd => containerd(&onetag),
        ClientKind::Podman => podman(&onetag),
        ClientKind::K3s => k3s(&onetag),
        ClientKind::Kubernetes => kubernetes(&onetag),
    })
}

/// This onetag, as clients see it.
struct Onetag {
    url: String,
    /// The host, and the port where there is one.
    host: String,
    is_tls: bool,
    is_loopback: bool,
    shows_certificate: bool,
    logs_in: bool,
    names: Vec<Named>,
}

/// A registry, by the name that clients call it and where it is here.
struct Named {
    registry: String,
    prefix: String,
    is_default: bool,
}

impl Named {
    fn of_default(url: &UpstreamUrl) -> Self {
        let registry = if url.authority() == HUB.0 { HUB.1 } else { url.authority() };
        Self { registry: registry.into(), prefix: String::new(), is_default: true }
    }
}

impl Onetag {
    fn of(config: &Config, address: Option<&UpstreamUrl>) -> Self {
        let is_tls = config.tls.certificate.is_some();
        let scheme = if is_tls { "https" } else { "http" };
        let set = address.or(config.server.external_url.as_ref());
        let url = set.map_or_else(|| format!("{scheme}://{}", config.server.listen), ToString::to_string);
        let host = url.split_once("://").map_or(&*url, |(_, rest)| rest).to_owned();
        let registries = config.registry.iter().map(|registry| Named {
            registry: registry.name().into(),
            prefix: registry.prefix().map_or_else(String::new, |prefix| format!("/{prefix}")),
            is_default: false,
        });
        let is_loopback =
            host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
        Self {
            is_tls: url.starts_with("https:"),
            is_loopback,
            shows_certificate: config.tls.client_auth() != ClientAuth::None,
            logs_in: config.access.htpasswd.is_some()
                || config.upstream.credentials == CredentialSource::Client,
            names: config.upstream.url.iter().map(Named::of_default).chain(registries).collect(),
            url,
            host,
        }
    }

    /// Where trust in the certificate, and a client's own, are put; `certs` is the client's folder for that.
    fn certificates(&self, certs: &str, files: [&str; 3]) -> String {
        let mut text = String::new();
        let [ca, certificate, key] = files;
        if self.is_tls {
            _ = writeln!(
                text,
                "# {certs}/{}/{ca}: the authority of onetag's certificate, unless the system trusts it",
                self.host
            );
            if self.shows_certificate {
                _ = writeln!(
                    text,
                    "# {certs}/{0}/{certificate} and {certs}/{0}/{key}: the client's own certificate",
                    self.host
                );
            }
        }
        text
    }

    fn login(&self, command: &str) -> String {
        if self.logs_in { format!("# once: {command} {}\n", self.host) } else { String::new() }
    }
}

fn docker(onetag: &Onetag) -> String {
    let mut settings = serde_json::Map::new();
    if !onetag.is_tls && !onetag.is_loopback {
        settings.insert("insecure-registries".into(), serde_json::json!([onetag.host]));
    }
    // Docker's mirrors are for Docker Hub alone, and are asked without a word of what is mirrored.
    if onetag.names.iter().any(|named| named.is_default && named.registry == HUB.1) {
        settings.insert("registry-mirrors".into(), serde_json::json!([onetag.url]));
    }
    let mut text = String::new();
    if !settings.is_empty() {
        let json = serde_json::to_string_pretty(&settings).unwrap_or_default();
        _ = write!(text, "# /etc/docker/daemon.json, then: systemctl reload docker\n{json}\n\n");
    }
    text += &onetag.certificates("/etc/docker/certs.d", ["ca.crt", "client.cert", "client.key"]);
    text += &onetag.login("docker login");
    for named in &onetag.names {
        _ = writeln!(
            text,
            "# {}: docker pull {}{}/REPOSITORY:TAG",
            named.registry, onetag.host, named.prefix
        );
    }
    text
}

fn containerd(onetag: &Onetag) -> String {
    let mut text = "# /etc/containerd/config.toml (containerd 1.x; restart it once)\n\
                    version = 2\n\
                    [plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"
        .to_owned();
    for named in &onetag.names {
        text += "\n";
        text += &hosts(onetag, &named.registry);
    }
    text
}

/// The `hosts.toml` of a registry. What fails is asked of onetag again, never of the registry itself, which has the
/// tags that are not merged.
fn hosts(onetag: &Onetag, registry: &str) -> String {
    let folder = format!("/etc/containerd/certs.d/{registry}");
    let url = &onetag.url;
    let mut text = format!(
        "# {folder}/hosts.toml\nserver = \"{url}\"\n\n[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    );
    if onetag.is_tls {
        _ = writeln!(text, "  ca = \"{folder}/ca.crt\"");
        if onetag.shows_certificate {
            _ = writeln!(text, "  client = [[\"{folder}/client.cert\", \"{folder}/client.key\"]]");
        }
    }
    text
}

fn podman(onetag: &Onetag) -> String {
    let mut text =
        "# /etc/containers/registries.conf.d/onetag.conf (podman, buildah, skopeo, CRI-O)\n".to_owned();
    for named in &onetag.names {
        let (registry, prefix) = (&named.registry, &named.prefix);
        _ = write!(
            text,
            "[[registry]]\nprefix = \"{registry}\"\nlocation = \"{}{prefix}\"\ninsecure = {}\n\n",
            onetag.host, !onetag.is_tls
        );
    }
    text += &onetag.certificates("/etc/containers/certs.d", ["ca.crt", "client.cert", "client.key"]);
    text += &onetag.login("podman login");
    text
}

fn k3s(onetag: &Onetag) -> String {
    let mut text =
        "# /etc/rancher/k3s/registries.yaml on each node, then restart k3s, which is started with\n\
                    # --disable-default-registry-endpoint: else what fails is asked of the registry itself\n\
                    mirrors:\n"
            .to_owned();
    for named in &onetag.names {
        _ = write!(text, "  \"{}\":\n    endpoint:\n      - \"{}\"\n", named.registry, onetag.url);
    }
    if onetag.is_tls {
        _ = write!(
            text,
            "configs:\n  \"{}\":\n    tls:\n      ca_file: \"/etc/rancher/k3s/onetag-ca.crt\"\n",
            onetag.host
        );
        if onetag.shows_certificate {
            text += "      cert_file: \"/etc/rancher/k3s/onetag-client.cert\"\n      key_file: \"/etc/rancher/k3s/onetag-client.key\"\n";
        }
    }
    text
}

fn kubernetes(onetag: &Onetag) -> String {
    let mut text =
        "# Nodes pull: this is for containerd on each of them; for CRI-O take client-config podman.\n"
            .to_owned();
    text += &containerd(onetag);
    text += "\n# Pods keep the names of their images:\n";
    for named in &onetag.names {
        _ = writeln!(text, "#   image: {}/REPOSITORY:TAG", named.registry);
    }
    if onetag.logs_in {
        text += "# With a login, for each namespace, and imagePullSecrets in its pods:\n";
        for named in &onetag.names {
            _ = writeln!(
                text,
                "#   kubectl create secret docker-registry onetag --docker-server={} --docker-username=USER --docker-password=PASSWORD",
                named.registry
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn onetag(text: &str) -> Onetag {
        Onetag::of(&Config::parse(text, Path::new("onetag.toml")).unwrap(), None)
    }

    const PLAIN: &str = "[server]\nexternal_url = \"http://onetag.internal:5080\"\n\
                         [upstream]\nurl = \"https://registry.example.com\"\n[[registry]]\nname = \"docker.io\"\n";
    const SAFE: &str = "[server]\nexternal_url = \"https://onetag.internal\"\n[upstream]\n\
                        url = \"https://registry-1.docker.io\"\n[tls]\nclient_ca = \"x\"\n[access]\nhtpasswd = \"h\"\n";

    /// The text without its comments.
    fn bare(text: &str) -> String {
        text.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |all, line| all + line + "\n")
    }

    #[test]
    fn dockers_file_is_json_and_its_mirror_is_for_docker_hub_alone() {
        let plain = docker(&onetag(PLAIN));
        let json: serde_json::Value = serde_json::from_str(&bare(&plain)).unwrap();
        assert_eq!(json, serde_json::json!({ "insecure-registries": ["onetag.internal:5080"] }));
        assert!(plain.contains("docker pull onetag.internal:5080/docker.io/REPOSITORY:TAG"), "{plain}");
        let safe = docker(&onetag(SAFE));
        let json: serde_json::Value = serde_json::from_str(&bare(&safe)).unwrap();
        assert_eq!(json, serde_json::json!({ "registry-mirrors": ["https://onetag.internal"] }));
        for said in ["certs.d/onetag.internal/ca.crt", "client.key", "docker login onetag.internal"] {
            assert!(safe.contains(said), "{said}: {safe}");
        }
    }

    #[test]
    fn containerds_and_podmans_files_are_toml_with_an_entry_for_each_registry() {
        let table: toml::Table = bare(&hosts(&onetag(SAFE), "docker.io")).parse().unwrap();
        assert_eq!(table["server"].as_str(), Some("https://onetag.internal"));
        let host = &table["host"]["https://onetag.internal"];
        assert_eq!(host["capabilities"].as_array().unwrap().len(), 2);
        assert!(host["client"].as_array().unwrap()[0].is_array());
        let both = containerd(&onetag(PLAIN));
        assert!(
            both.contains("certs.d/registry.example.com/hosts.toml")
                && both.contains("certs.d/docker.io/hosts.toml")
        );
        let podman: toml::Table = bare(&podman(&onetag(PLAIN))).parse().unwrap();
        let all = podman["registry"].as_array().unwrap();
        assert_eq!(all[0]["location"].as_str(), Some("onetag.internal:5080"));
        assert_eq!(all[1]["location"].as_str(), Some("onetag.internal:5080/docker.io"));
        assert_eq!(all[1]["insecure"].as_bool(), Some(true));
    }

    #[test]
    fn k3s_and_kubernetes_name_every_registry_and_what_a_login_takes() {
        let k3s = k3s(&onetag(PLAIN));
        assert!(
            k3s.contains("  \"docker.io\":\n    endpoint:\n      - \"http://onetag.internal:5080\"\n"),
            "{k3s}"
        );
        let pods = kubernetes(&onetag(SAFE));
        assert!(
            pods.contains("image: docker.io/REPOSITORY:TAG") && pods.contains("--docker-server=docker.io")
        );
    }
}
