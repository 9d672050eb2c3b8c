//! The registries behind onetag, as clients name them.

use onetag_config::{Config, CredentialSource};

use super::super::exit::Failure;
use super::endpoint::Endpoint;

/// What clients call Docker Hub.
pub(super) const DOCKER_HUB: &str = "docker.io";

/// One registry.
#[derive(Debug)]
pub(super) struct Registry {
    /// What people call it.
    pub(super) name: String,
    /// The names in image names that containerd sends along as `?ns=`, and by which onetag finds it then.
    pub(super) names: Vec<String>,
    /// What stands before its repositories in image names, where no `?ns=` is sent: onetag's name, and perhaps a
    /// prefix. None where there is no such way to it.
    pub(super) location: Option<String>,
    /// A name of onetag under which nothing but this registry is meant.
    pub(super) host: Option<String>,
    pub(super) login: Login,
    has_library: bool,
}

/// Whether callers have to say who they are by a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// They have not.
    None,
    /// With a password that onetag knows.
    Onetag,
    /// If the registry wants it, with an account there.
    Registry,
}

impl Registry {
    /// An image of it by onetag's name.
    pub(super) fn image(&self) -> Option<String> {
        let repository = if self.has_library { "library/nginx" } else { "team/app" };
        self.location.as_ref().map(|location| format!("{location}/{repository}:latest"))
    }

    /// The name of onetag in that.
    pub(super) fn location_host(&self) -> Option<&str> {
        self.location.as_deref().and_then(|location| location.split('/').next())
    }
}

/// All of them, the default one first, or only the one of this name.
pub(super) fn of(config: &Config, endpoint: &Endpoint, only: Option<&str>) -> Result<Vec<Registry>, Failure> {
    let mut registries: Vec<_> = default(config, endpoint).into_iter().collect();
    registries.extend(config.registry.iter().map(|registry| further(config, endpoint, registry)));
    let Some(only) = only else { return Ok(registries) };
    let known: Vec<_> = registries.iter().map(|registry| registry.name.clone()).collect();
    registries.retain(|registry| registry.name.eq_ignore_ascii_case(only));
    if !registries.is_empty() {
        return Ok(registries);
    }
    let known =
        if known.is_empty() { "none is set".into() } else { format!("there is {}", known.join(", ")) };
    Err(Failure::usage(format!("--registry {only}: no registry of this name is behind onetag; {known}")))
}

fn default(config: &Config, endpoint: &Endpoint) -> Option<Registry> {
    let url = config.upstream.url.as_ref()?;
    let name = url.registry_name().to_owned();
    Some(Registry {
        names: vec![name.clone()],
        location: Some(endpoint.name.clone()),
        host: Some(endpoint.name.clone()),
        login: login(config, config.upstream.credentials),
        has_library: name == DOCKER_HUB,
        name,
    })
}

fn further(config: &Config, endpoint: &Endpoint, registry: &onetag_config::Registry) -> Registry {
    let host = registry.hosts().next().map(|host| endpoint.also_named(host));
    let prefixed = registry.prefix().map(|prefix| format!("{}/{prefix}", endpoint.name));
    Registry {
        name: registry.name().to_owned(),
        names: registry.namespaces().map(str::to_owned).collect(),
        location: prefixed.or_else(|| host.clone()),
        host,
        login: login(config, registry.upstream().credentials),
        has_library: registry.has_library(),
    }
}

fn login(config: &Config, credentials: CredentialSource) -> Login {
    let is_open = config.allow.iter().any(|allow| allow.anonymous);
    match credentials {
        CredentialSource::Client => Login::Registry,
        CredentialSource::Proxy if config.access.htpasswd.is_some() && !is_open => Login::Onetag,
        CredentialSource::Proxy => Login::None,
    }
}

/// The names of onetag by which clients reach these registries: its own, and those of the settings that are needed.
pub(super) fn hosts<'a>(endpoint: &'a Endpoint, registries: &'a [Registry]) -> Vec<&'a str> {
    let mut hosts = vec![&*endpoint.name];
    hosts.extend(registries.iter().filter_map(Registry::location_host));
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| seen.insert(*host));
    hosts
}

/// How to log in with a command, as comments, where callers have to.
pub(super) fn login_notes(command: &str, registries: &[Registry]) -> Vec<String> {
    let mut notes = Vec::new();
    for registry in registries {
        let Some(host) = registry.location_host() else { continue };
        let with = match registry.login {
            Login::None => continue,
            Login::Onetag => "with a name and password that onetag knows",
            Login::Registry => "with the account at the registry, if it wants one",
        };
        notes.push(format!("{command} login {host}    # {}: {with}", registry.name));
    }
    notes
}
