use std::path::Path;

use serde_json::{Value, json};

use onetag_config::{Config, UpstreamUrl};

use super::super::args::Client;
use super::command::output;
use super::endpoint::Endpoint;
use super::output::Output;

/// A registry by default, Docker Hub by prefix and by a name of onetag's, and one that has neither.
const MANY: &str = r#"
[upstream]
url = "https://registry.example.com"
[[registry]]
name = "docker.io"
hosts = ["hub.example.com"]
[[registry]]
name = "other.example.com:5000"
"#;

/// TLS of its own, with client certificates.
const TLS: &str = r#"
[tls]
certificate = "/etc/onetag/tls.crt"
key = "/etc/onetag/tls.key"
client_ca = "/etc/onetag/clients-ca.pem"
"#;

const PASSWORDS: &str = "[access]\nhtpasswd = \"/etc/onetag/htpasswd\"\n";

const PLAIN: &str = "http://onetag.example.com:5080";

fn configuration(settings: &str) -> Config {
    Config::parse(settings, Path::new("onetag.toml")).expect("a configuration")
}

fn printed(
    settings: &str,
    client: Client,
    address: Option<&str>,
    only: Option<&str>,
) -> Result<Output, String> {
    let config = configuration(settings);
    let address = address.map(|address| address.parse().expect("an address"));
    output(&config, client, address.as_ref(), only).map_err(|failure| failure.to_string())
}

fn at(settings: &str, client: Client, address: &str) -> Output {
    printed(settings, client, Some(address), None).expect("an output")
}

fn paths(output: &Output) -> Vec<&str> {
    output.files.iter().map(|file| &*file.path).collect()
}

fn content<'a>(output: &'a Output, path: &str) -> &'a str {
    let file = output.files.iter().find(|file| file.path == path);
    &file.unwrap_or_else(|| panic!("{path} is not in {:?}", paths(output))).content
}

fn toml_of(output: &Output, path: &str) -> Value {
    let table: toml::Table = content(output, path).parse().expect("TOML");
    serde_json::to_value(table).expect("TOML is told in JSON")
}

fn hosts_of(output: &Output, name: &str) -> Value {
    toml_of(output, &format!("/etc/containerd/certs.d/{name}/hosts.toml"))
}

fn refused(settings: &str, client: Client, address: Option<&str>, only: Option<&str>) -> String {
    printed(settings, client, address, only).expect_err("it is refused")
}

#[test]
fn every_file_stands_below_its_path_and_everything_else_is_a_comment() {
    let text = at(&format!("{MANY}{TLS}"), Client::Docker, "https://onetag.example.com").to_string();
    let mut json = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        json += line;
    }
    let daemon: Value = serde_json::from_str(&json).expect("all but comments is the one JSON file");
    assert_eq!(daemon, json!({ "registry-mirrors": ["https://hub.example.com"] }));
    for path in ["daemon.json", "certs.d/onetag.example.com/ca.crt", "certs.d/hub.example.com/client.key"] {
        assert!(text.contains(&format!("\n# /etc/docker/{path}\n")), "{path}: {text}");
    }
}

#[test]
fn docker_has_plain_http_allowed_and_docker_hub_alone_mirrored() {
    let output = at(MANY, Client::Docker, PLAIN);
    assert_eq!(paths(&output), ["/etc/docker/daemon.json"]);
    let daemon: Value = serde_json::from_str(content(&output, "/etc/docker/daemon.json")).expect("JSON");
    let hosts = ["onetag.example.com:5080", "hub.example.com:5080"];
    assert_eq!(
        daemon,
        json!({ "insecure-registries": hosts, "registry-mirrors": ["http://hub.example.com:5080"] })
    );
    let notes = output.notes.join("\n");
    for note in [
        "registry.example.com: docker pull onetag.example.com:5080/team/app:latest",
        "docker.io: docker pull onetag.example.com:5080/docker.io/library/nginx:latest",
        "other.example.com:5000: has neither",
        "for Docker Hub alone",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
}

#[test]
fn docker_mirrors_docker_hub_where_it_is_the_default_upstream() {
    let output =
        at("[upstream]\nurl = \"https://registry-1.docker.io\"\n", Client::Docker, "http://127.0.0.1:5080");
    let daemon: Value = serde_json::from_str(content(&output, "/etc/docker/daemon.json")).expect("JSON");
    assert_eq!(daemon, json!({ "registry-mirrors": ["http://127.0.0.1:5080"] }));
}

#[test]
fn docker_has_no_mirror_that_asks_for_a_password_or_is_below_a_prefix() {
    for settings in [
        format!("{MANY}{PASSWORDS}"),
        "[[registry]]\nname = \"docker.io\"\n".into(),
        "[upstream]\nurl = \"https://registry.example.com\"\n".into(),
    ] {
        let output = at(&settings, Client::Docker, "https://onetag.example.com");
        assert_eq!(paths(&output), ["/etc/docker/certs.d/onetag.example.com/ca.crt"]);
        assert!(output.notes.join("\n").contains("registry-mirrors"), "{output}");
    }
}

#[test]
fn containerd_finds_every_registry_at_onetag_and_nowhere_else() {
    let output = at(MANY, Client::Containerd, PLAIN);
    for name in ["onetag.example.com:5080", "registry.example.com", "docker.io", "other.example.com:5000"] {
        let expected = json!({ "server": PLAIN, "host": { PLAIN: { "capabilities": ["pull", "resolve"] } } });
        assert_eq!(hosts_of(&output, name), expected, "{name}");
    }
    let config = toml_of(&output, "/etc/containerd/config.toml");
    let directory = &config["plugins"]["io.containerd.grpc.v1.cri"]["registry"]["config_path"];
    assert_eq!(directory, "/etc/containerd/certs.d");
    assert_eq!(output.files.len(), 5, "{:?}", paths(&output));
}

#[test]
fn containerd_shows_its_certificate_wherever_it_asks() {
    let output = at(&format!("{MANY}{TLS}"), Client::Containerd, "https://onetag.example.com");
    let below = |name: &str| format!("/etc/containerd/certs.d/onetag.example.com/{name}");
    let hosts = hosts_of(&output, "docker.io");
    for side in [&hosts, &hosts["host"]["https://onetag.example.com"]] {
        assert_eq!(side["ca"], below("ca.crt"));
        assert_eq!(side["client"], json!([[below("client.cert"), below("client.key")]]));
    }
    for name in ["ca.crt", "client.cert", "client.key"] {
        assert_eq!(content(&output, &below(name)), "");
    }
}

#[test]
fn what_is_optional_is_offered_and_does_not_hold() {
    let optional = format!("{MANY}{TLS}client_auth = \"optional\"\n");
    let hosts = at(&optional, Client::Containerd, "https://onetag.example.com");
    let text = content(&hosts, "/etc/containerd/certs.d/docker.io/hosts.toml");
    assert!(text.contains("\n  ca = ") && text.contains("\n  #client = "), "{text}");
    // A proxy in front has a certificate that is trusted more often than not.
    let hosts = at(MANY, Client::Containerd, "https://onetag.example.com");
    let text = content(&hosts, "/etc/containerd/certs.d/docker.io/hosts.toml");
    assert!(text.contains("\n  #ca = ") && !text.contains("client"), "{text}");
}

#[test]
fn podman_finds_onetag_in_the_place_of_every_registry() {
    let conf = "/etc/containers/registries.conf.d/onetag.conf";
    let output = at(MANY, Client::Podman, PLAIN);
    let own = "onetag.example.com:5080";
    let expected = json!([
        { "location": own, "insecure": true },
        { "prefix": "registry.example.com", "location": own, "insecure": true },
        { "prefix": "docker.io", "location": format!("{own}/docker.io"), "insecure": true },
    ]);
    assert_eq!(toml_of(&output, conf)["registry"], expected);
    assert!(output.notes.join("\n").contains("other.example.com:5000 has neither"), "{output}");

    let output = at(&format!("{MANY}{TLS}"), Client::Podman, "https://onetag.example.com");
    assert_eq!(toml_of(&output, conf)["registry"][0], json!({ "location": "onetag.example.com" }));
    assert_eq!(content(&output, "/etc/containers/certs.d/onetag.example.com/client.cert"), "");
}

#[test]
fn k3s_has_an_endpoint_for_every_registry_and_no_rewrite() {
    let path = "/etc/rancher/k3s/registries.yaml";
    let output = at(MANY, Client::K3s, PLAIN);
    let mirror = |name: &str| format!("  \"{name}\":\n    endpoint:\n      - \"{PLAIN}\"\n");
    let names = ["onetag.example.com:5080", "registry.example.com", "docker.io", "other.example.com:5000"];
    assert_eq!(content(&output, path), format!("mirrors:\n{}", names.map(mirror).concat()));

    let output = at(&format!("{MANY}{TLS}{PASSWORDS}"), Client::K3s, "https://onetag.example.com");
    let configs = r#"configs:
  "onetag.example.com":
    auth:
      username: "NAME"
      password: "PASSWORD"
    tls:
      ca_file: "/etc/rancher/k3s/onetag/ca.crt"
      cert_file: "/etc/rancher/k3s/onetag/client.cert"
      key_file: "/etc/rancher/k3s/onetag/client.key"
"#;
    assert!(content(&output, path).ends_with(configs), "{output}");
}

#[test]
fn kubernetes_has_a_secret_only_where_callers_log_in() {
    assert_eq!(paths(&at(MANY, Client::Kubernetes, PLAIN)), ["pod.yaml"]);
    let output = at(&format!("{MANY}{PASSWORDS}"), Client::Kubernetes, PLAIN);
    assert_eq!(paths(&output), ["secret.yaml", "pod.yaml"]);
    let secret = content(&output, "secret.yaml");
    let json =
        secret.lines().find_map(|line| line.trim().strip_prefix(".dockerconfigjson: '")?.strip_suffix('\''));
    let json: Value = serde_json::from_str(json.expect("the line")).expect("JSON");
    let account = json!({ "username": "NAME", "password": "PASSWORD" });
    assert_eq!(json, json!({ "auths": { "onetag.example.com:5080": account } }));
    let pod = content(&output, "pod.yaml");
    for image in ["team/app:latest", "docker.io/library/nginx:latest"] {
        assert!(pod.contains(&format!("      image: onetag.example.com:5080/{image}\n")), "{pod}");
    }
    assert!(pod.contains("imagePullSecrets:\n    - name: onetag\n"), "{pod}");
    // Whoever may pull without a name needs none.
    let open = format!("{MANY}{PASSWORDS}[[allow]]\nanonymous = true\n");
    assert_eq!(paths(&at(&open, Client::Kubernetes, PLAIN)), ["pod.yaml"]);
}

#[test]
fn one_registry_can_be_asked_for_by_name() {
    let output = printed(MANY, Client::Containerd, Some(PLAIN), Some("docker.io")).expect("an output");
    assert!(paths(&output).iter().any(|path| path.contains("/docker.io/")));
    assert!(!paths(&output).iter().any(|path| path.contains("registry.example.com")));
    let said = refused(MANY, Client::Podman, Some(PLAIN), Some("quay.io"));
    assert!(said.contains("registry.example.com, docker.io, other.example.com:5000"), "{said}");
}

#[test]
fn the_address_is_the_one_that_clients_use() {
    let upstream = "[upstream]\nurl = \"https://registry.example.com\"\n";
    let url = |server: &str, address| {
        let settings = format!("{upstream}[server]\n{server}");
        let config = configuration(&settings);
        let address: Option<UpstreamUrl> =
            Option::map(address, |address: &str| address.parse().expect("an address"));
        Endpoint::of(&config, address.as_ref())
            .map(|endpoint| endpoint.url())
            .map_err(|failure| failure.to_string())
    };
    assert_eq!(url("", None).as_deref(), Ok("http://127.0.0.1:5080"));
    assert_eq!(url("listen = \"[::1]:80\"", None).as_deref(), Ok("http://[::1]"));
    assert_eq!(
        url("hosts = [\"a.example\"]\nlisten = \"0.0.0.0:5080\"", None).as_deref(),
        Ok("http://a.example:5080")
    );
    assert_eq!(url("hosts = [\"a.example:1\"]", None).as_deref(), Ok("http://a.example:1"));
    let external = "external_url = \"https://b.example\"\nhosts = [\"a.example\"]";
    assert_eq!(url(external, None).as_deref(), Ok("https://b.example"));
    assert_eq!(url(external, Some("http://c.example:5080")).as_deref(), Ok("http://c.example:5080"));
    // Clients take "onetag/app" for an image of Docker Hub.
    assert_eq!(url("", Some("http://onetag")).as_deref(), Ok("http://onetag:80"));
    for nowhere in ["listen = \"0.0.0.0:5080\"", "listen = \"[::]:5080\"", "listen = \"127.0.0.1:0\""] {
        assert!(url(nowhere, None).expect_err(nowhere).contains("--address http://HOST:PORT"));
    }
}

#[test]
fn a_path_is_for_those_who_can_have_one() {
    let address = "https://example.com/registry";
    let hosts = hosts_of(&at(MANY, Client::Containerd, address), "docker.io");
    assert_eq!(hosts["server"], address);
    for client in [Client::Docker, Client::Podman] {
        assert!(refused(MANY, client, Some(address), None).contains("below a path"));
    }
}
