//! The configuration of onetag: its schema, its defaults, and what makes it valid.
//!
//! The precedence in the product is flags, then the environment, then the file, then the defaults. This
//! crate owns the last two and reads no environment: the command line loads a [`Config`], overwrites
//! single fields, and then calls [`Config::validate`].

mod access;
mod blobs;
mod cache;
mod error;
mod excerpt;
mod explain;
mod keys;
mod load;
mod log;
mod merge;
mod registry;
mod rule;
mod server;
mod tls;
mod upstream;
mod validate;
pub mod value;
mod warm;
mod webhook;

#[cfg(test)]
mod tests;

pub use access::{Access, Allow, Group};
pub use blobs::Blobs;
pub use cache::Cache;
pub use error::{ConfigError, Location};
pub use excerpt::Excerpt;
pub use log::Log;
pub use merge::Merge;
pub use registry::Registry;
pub use rule::{
    GlobError, MAX_MEMBERS, MemberPattern, Part, PatternError, PlatformError, PlatformSource, Preset,
    PresetError, RepositoryGlob, RequiredPlatform, Rule, Skew, SkewError, SourceError, TagGlob, Word,
    WordError,
};
pub use server::Server;
pub use tls::Tls;
pub use upstream::Upstream;
pub use value::{
    Action, Age, ClientAuth, CredentialSource, HostName, Interval, Limit, LogFilter, LogFormat, NegativeTtl,
    Network, Retention, Scheme, Secret, Size, Span, Timeout, UpstreamUrl, WarmReference, WarmReferenceError,
};
pub use warm::Warm;
pub use webhook::{Webhook, webhook_token_is_fit};

use serde::{Deserialize, Serialize};
use value::table;

/// Every setting, one field per section of the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The listeners and what they grant their clients.
    #[serde(deserialize_with = "table::deserialize")]
    pub server: Server,
    /// TLS towards clients.
    #[serde(deserialize_with = "table::deserialize")]
    pub tls: Tls,
    /// How callers prove who they are.
    #[serde(deserialize_with = "table::deserialize")]
    pub access: Access,
    /// The registry that stands behind the proxy.
    #[serde(deserialize_with = "table::deserialize")]
    pub upstream: Upstream,
    /// What is kept, where, and for how long.
    #[serde(deserialize_with = "table::deserialize")]
    pub cache: Cache,
    /// Whether layers and configs are kept on disk, and how many.
    #[serde(deserialize_with = "table::deserialize")]
    pub blobs: Blobs,
    /// Which tags are taken together.
    #[serde(deserialize_with = "table::deserialize")]
    pub merge: Merge,
    /// How a registry that notifies of pushes proves itself.
    #[serde(deserialize_with = "table::deserialize")]
    pub webhook: Webhook,
    /// What is logged, and in which form.
    #[serde(deserialize_with = "table::deserialize")]
    pub log: Log,
    /// Users that have something in common.
    #[serde(deserialize_with = "table::list", skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Group>,
    /// What callers may do; without any, whoever is known may do everything, and others may pull where nobody is known.
    #[serde(deserialize_with = "table::list", skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
    /// Upstreams besides `[upstream]`.
    #[serde(deserialize_with = "table::list", skip_serializing_if = "Vec::is_empty")]
    pub registry: Vec<Registry>,
    /// What holds for some repositories and tags instead of `[merge]` and `[cache]`; the first that matches
    /// wins.
    #[serde(deserialize_with = "table::list", skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<Rule>,
    /// What is fetched before anybody asks for it.
    #[serde(deserialize_with = "table::list", skip_serializing_if = "Vec::is_empty")]
    pub warm: Vec<Warm>,
}

impl Config {
    /// Whether a login may be meant for one of several: onetag's own users, and each registry that is asked with the
    /// callers' credentials. Then each such `[[registry]]` takes logins by hosts of its own alone.
    pub fn has_several_logins(&self) -> bool {
        let is_clients = |upstream: &Upstream| upstream.credentials == CredentialSource::Client;
        let registries = self.registry.iter().filter(|registry| is_clients(&registry.upstream())).count();
        let default = self.upstream.url.is_some() && is_clients(&self.upstream);
        registries + usize::from(default) + usize::from(self.access.htpasswd.is_some()) > 1
    }

    /// The effective settings as TOML, every secret masked. Settings without a value are left out.
    pub fn print(&self) -> String {
        // Each value is a bounded number, a string or a list of strings, so this cannot fail; if it ever
        // does, the output says so and stays valid TOML.
        toml::to_string(self).unwrap_or_else(|error| format!("# cannot be printed: {error}\n"))
    }
}
