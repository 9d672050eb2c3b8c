use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::keys::REGISTRY;
use crate::value::table::{self, Entry};
use crate::value::{HostName, grammar};
use crate::{Upstream, UpstreamUrl};

/// The name by which people and clients know Docker Hub, and where its registry is.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_URL: &str = "https://registry-1.docker.io";

/// One `[[registry]]`: an upstream besides `[upstream]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    name: HostName,
    #[serde(default, deserialize_with = "prefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<HostName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespaces: Option<Vec<HostName>>,
    #[serde(rename = "library", default, skip_serializing_if = "Option::is_none")]
    has_library: Option<bool>,
    #[serde(default, deserialize_with = "table::deserialize")]
    upstream: Upstream,
}

impl Registry {
    /// What clients call it: a host, and perhaps a port, as `docker.io`.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The first parts of the names of its repositories here: `/v2/<prefix>/<repository>/`. None where it has none.
    pub fn prefix(&self) -> Option<&str> {
        let usual = Some(self.name()).filter(|name| grammar::is_repository(name));
        self.prefix.as_deref().or(usual).filter(|prefix| !prefix.is_empty())
    }

    /// The names of onetag under which it is meant.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(HostName::as_str)
    }

    /// The values of `?ns=` by which containerd means it.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        let all = self.namespaces.as_deref().unwrap_or(std::slice::from_ref(&self.name));
        all.iter().map(HostName::as_str)
    }

    /// Whether a repository's name of one part is that of an official image, below `library/`.
    pub fn has_library(&self) -> bool {
        self.has_library.unwrap_or(self.name() == DOCKER_HUB)
    }

    /// Where credentials are looked up, if the file does not say so.
    pub fn has_docker_config(&mut self, usual: Option<&Path>) {
        let own = self.upstream.docker_config.take();
        self.upstream.docker_config = own.or_else(|| usual.map(Path::to_owned));
    }

    /// How it is asked; its URL is that of its name where none is set.
    pub fn upstream(&self) -> Upstream {
        let usual = match self.name() {
            DOCKER_HUB => DOCKER_HUB_URL.to_owned(),
            name => format!("https://{name}"),
        };
        let url = self.upstream.url.clone().or_else(|| usual.parse::<UpstreamUrl>().ok());
        Upstream { url, ..self.upstream.clone() }
    }
}

impl Entry for Registry {
    const SECTION: &'static str = REGISTRY;
    const MAX: usize = 64;
    const ADVICE: &'static str = "run a second onetag";

    fn check(&self, earlier: &[Self]) -> Result<(), String> {
        for other in earlier {
            let twice =
                |what: &str, value: &str| Err(format!("{what} {value:?} is that of another registry, too"));
            if other.name == self.name {
                return twice("the name", self.name());
            }
            if let Some(prefix) = self.prefix().filter(|prefix| other.prefix() == Some(prefix)) {
                return twice("the prefix", prefix);
            }
            if let Some(host) = self.hosts().find(|host| other.hosts().any(|known| known == *host)) {
                return twice("the host", host);
            }
            if let Some(name) = self.namespaces().find(|name| other.namespaces().any(|known| known == *name))
            {
                return twice("the namespace", name);
            }
        }
        Ok(())
    }
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let prefix = String::deserialize(deserializer)?;
    if prefix.is_empty() || grammar::is_repository(&prefix) {
        return Ok(Some(prefix));
    }
    Err(D::Error::custom(format_args!(
        "{prefix:?} cannot begin a repository's name; write lower-case letters and digits, as in \"mirror/hub\", or \"\" for none"
    )))
}
