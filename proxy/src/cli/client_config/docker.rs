//! docker: one mirror for Docker Hub, everything else by onetag's name.

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::endpoint::Paths;
use super::output::{File, Output};
use super::registries::{self, DOCKER_HUB, Login, Registry};

pub(super) fn output(endpoint: &Endpoint, registries: &[Registry]) -> Output {
    let mut notes = vec![format!("docker, to pull through onetag at {}", endpoint.url())];
    for registry in registries {
        notes.push(match registry.image() {
            Some(image) => format!("{}: docker pull {image}", registry.name),
            None => format!("{}: has neither prefix nor hosts, so docker cannot reach it", registry.name),
        });
    }
    notes.extend(registries::login_notes("docker", registries));
    let mirror = mirror(endpoint, registries, &mut notes);
    let mut hosts = registries::hosts(endpoint, registries);
    if let Some(mirror) = mirror.as_ref().filter(|mirror| !hosts.contains(&mirror.host)) {
        hosts.push(mirror.host);
    }
    let mut files: Vec<File> =
        daemon(endpoint, &hosts, mirror.map(|mirror| mirror.url)).into_iter().collect();
    for host in hosts {
        files.extend(endpoint.certificates(&Paths::below(&format!("/etc/docker/certs.d/{host}"))));
    }
    if files.is_empty() {
        notes.push("No file is needed: docker speaks plain HTTP to loopback addresses.".into());
    }
    Output { notes, files }
}

struct Mirror<'a> {
    host: &'a str,
    url: String,
}

/// Where docker finds all of Docker Hub below `/v2/`: it tells a mirror neither the registry nor a prefix.
fn mirror<'a>(
    endpoint: &Endpoint,
    registries: &'a [Registry],
    notes: &mut Vec<String>,
) -> Option<Mirror<'a>> {
    let hub = registries.iter().find(|registry| registry.name == DOCKER_HUB);
    let Some(hub) = hub else {
        notes.push(
            "docker knows mirrors of Docker Hub alone (registry-mirrors), which is not behind onetag.".into(),
        );
        return None;
    };
    let Some(host) = &hub.host else {
        notes.push(
            "docker's registry-mirrors has no prefix: to be one, docker.io needs hosts in its [[registry]]."
                .into(),
        );
        return None;
    };
    if hub.login == Login::Onetag {
        notes.push(
            "No registry-mirrors: docker would send a mirror the account of Docker Hub, not onetag's.".into(),
        );
        return None;
    }
    notes.push(
        "registry-mirrors is for Docker Hub alone; when onetag fails, docker asks Docker Hub itself.".into(),
    );
    Some(Mirror { host, url: endpoint.url_of(host) })
}

/// The settings of the daemon, where it needs any.
fn daemon(endpoint: &Endpoint, hosts: &[&str], mirror: Option<String>) -> Option<File> {
    let mut settings = Map::new();
    if !endpoint.is_tls() && !endpoint.is_loopback {
        settings.insert("insecure-registries".into(), hosts.to_vec().into());
    }
    if let Some(mirror) = mirror {
        settings.insert("registry-mirrors".into(), vec![mirror].into());
    }
    let is_needed = !settings.is_empty();
    let content = format!("{:#}\n", Value::Object(settings));
    let file = File::new("/etc/docker/daemon.json", content);
    is_needed.then(|| file.note("Add these to what is there, then: systemctl reload docker"))
}
