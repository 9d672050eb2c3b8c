//! Kubernetes: the nodes pull, so most is set on them; a pod names the image, and perhaps a secret.

use std::fmt::Write;

use super::endpoint::Endpoint;
use super::output::{File, Output};
use super::registries::{Login, Registry};

/// The secret's name.
const SECRET: &str = "onetag";

pub(super) fn output(endpoint: &Endpoint, registries: &[Registry]) -> Output {
    let mut notes = vec![
        format!("Kubernetes, to pull through onetag at {}", endpoint.url()),
        "Nodes pull, not pods: on every node set up what pulls there, with onetag client-config containerd,"
            .into(),
        "podman (for CRI-O) or k3s. That name must resolve on the nodes; those of cluster services do not."
            .into(),
        "Where that is done, images may keep the names that they have in their registries, too.".into(),
    ];
    let unreachable = registries.iter().filter(|registry| registry.image().is_none());
    notes.extend(unreachable.map(|registry| format!("{}: by that name alone", registry.name)));
    let needs_login = registries.iter().any(|registry| registry.login != Login::None);
    let mut files = Vec::new();
    if needs_login {
        files.push(secret(endpoint, registries));
    }
    files.push(pod(registries, needs_login));
    Output { notes, files }
}

fn secret(endpoint: &Endpoint, registries: &[Registry]) -> File {
    let mut accounts = serde_json::Map::new();
    for host in super::registries::hosts(endpoint, registries) {
        accounts.insert(host.to_owned(), serde_json::json!({ "username": "NAME", "password": "PASSWORD" }));
    }
    let content = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {SECRET}\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  \
         .dockerconfigjson: '{}'\n",
        serde_json::json!({ "auths": accounts })
    );
    File::new("secret.yaml", content).note("In each namespace that has such pods.")
}

fn pod(registries: &[Registry], needs_login: bool) -> File {
    let mut content = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n".to_owned();
    if needs_login {
        // Writing to a string cannot fail.
        let _ = writeln!(content, "  imagePullSecrets:\n    - name: {SECRET}");
    }
    content += "  containers:\n";
    for (number, registry) in registries.iter().enumerate() {
        let Some(image) = registry.image() else { continue };
        let _ = write!(content, "    # {}\n    - name: app-{number}\n      image: {image}\n", registry.name);
    }
    File::new("pod.yaml", content).note("The names of images, for all nodes whatever their architecture.")
}
