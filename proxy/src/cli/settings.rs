//! The effective settings: flags over environment over file over defaults.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use onetag_config::{Config, Limit, Secret, Tls, Webhook, webhook_token_is_fit};

use crate::server::{ClientAuth, ListenerTls};
use crate::upstream::{Credentials, Upstream};

use super::args::{ClientConfigArguments, ServeArguments, SettingArguments};
use super::exit::Failure;

/// Puts a value where one was given.
fn set<T>(setting: &mut T, given: Option<impl Into<T>>) {
    if let Some(value) = given {
        *setting = value.into();
    }
}

/// The settings that all commands share; not yet validated.
pub(super) fn shared(arguments: &SettingArguments) -> Result<Config, Failure> {
    let mut config = of_file(arguments.config.as_deref())?;
    let given = arguments;
    let upstream = &mut config.upstream;
    set(&mut upstream.url, given.upstream.clone());
    set(&mut upstream.ca_file, given.upstream_ca.clone());
    set(&mut upstream.username, given.upstream_username.clone());
    if given.upstream_password.is_some() || given.upstream_password_file.is_some() {
        upstream.password.clone_from(&given.upstream_password);
        upstream.password_file.clone_from(&given.upstream_password_file);
    }
    set(&mut upstream.docker_config, given.docker_config.clone());
    let usual = usual_docker_config();
    upstream.docker_config = upstream.docker_config.take().or_else(|| usual.clone());
    for registry in &mut config.registry {
        registry.has_docker_config(usual.as_deref());
    }
    let upstream = &mut config.upstream;
    set(&mut upstream.connect_timeout, given.connect_timeout);
    set(&mut upstream.header_timeout, given.header_timeout);
    set(&mut upstream.idle_body_timeout, given.idle_body_timeout);
    set(&mut config.merge.suffixes, given.suffixes.clone());
    Ok(config)
}

/// The settings of `serve`, validated.
pub(super) fn of_serve(arguments: &ServeArguments) -> Result<Config, Failure> {
    let mut config = shared(&arguments.settings)?;
    let server = &mut config.server;
    set(&mut server.listen, arguments.listen);
    set(&mut server.admin, arguments.admin);
    set(&mut server.external_url, arguments.external_url.clone());
    set(&mut server.shutdown_grace, arguments.shutdown_grace);
    if arguments.tls_certificate.is_some() || arguments.tls_key.is_some() {
        config.tls.certificate.clone_from(&arguments.tls_certificate);
        config.tls.key.clone_from(&arguments.tls_key);
    }
    set(&mut config.tls.client_ca, arguments.tls_client_ca.clone());
    set(&mut config.access.htpasswd, arguments.htpasswd.clone());
    set(&mut config.upstream.credentials, arguments.credentials);
    if let Some(given) = arguments.max_connections {
        server.max_connections = Limit::try_from(i64::from(given))
            .map_err(|error| Failure::usage(format!("--max-connections {given}: it {error}")))?;
    }
    let cache = &mut config.cache;
    set(&mut cache.data_dir, arguments.data_dir.clone());
    set(&mut cache.memory, arguments.memory);
    set(&mut cache.tag_ttl, arguments.tag_ttl);
    set(&mut cache.stale_while_revalidate, arguments.stale_while_revalidate);
    set(&mut cache.negative_ttl, arguments.negative_ttl);
    set(&mut cache.stale_if_error, arguments.stale_if_error);
    if arguments.webhook_token.is_some() || arguments.webhook_token_file.is_some() {
        config.webhook.token.clone_from(&arguments.webhook_token);
        config.webhook.token_file.clone_from(&arguments.webhook_token_file);
    }
    set(&mut config.blobs.cache, arguments.blobs_cache);
    set(&mut config.blobs.max_bytes, arguments.blobs_max_bytes);
    set(&mut config.log.format, arguments.log_format);
    set(&mut config.log.level, arguments.log_level.clone());
    validate(&config)?;
    Ok(config)
}

/// The settings of `client-config`, validated.
pub(super) fn of_client_config(arguments: &ClientConfigArguments) -> Result<Config, Failure> {
    let mut config = of_file(arguments.config.as_deref())?;
    set(&mut config.upstream.url, arguments.upstream.clone());
    validate(&config)?;
    Ok(config)
}

fn of_file(path: Option<&Path>) -> Result<Config, Failure> {
    path.map_or_else(|| Ok(Config::default()), |path| Config::load(path).map_err(Failure::usage))
}

/// What the settings alone can show to be wrong.
pub(super) fn validate(config: &Config) -> Result<(), Failure> {
    config.validate().map_err(Failure::usage)
}

/// The upstream of these settings.
pub(super) fn upstream(
    config: &Config,
    metrics: std::sync::Arc<crate::telemetry::Metrics>,
) -> Result<Upstream, Failure> {
    let credentials = Credentials::resolve(&config.upstream).map_err(Failure::usage)?;
    Upstream::new(&config.upstream, credentials, metrics).map_err(Failure::usage)
}

/// What a registry must send with its notifications; none when they have no path.
pub(super) fn webhook_token(config: &Config) -> Result<Option<Secret>, Failure> {
    let Webhook { token, token_file } = &config.webhook;
    let Some(path) = token_file else { return Ok(token.clone()) };
    let wrong = |why: &dyn Display| Failure::usage(format!("webhook.token_file: {}: {why}", path.display()));
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(&format_args!("cannot be read: {error}")))?;
    let token = text.trim_end_matches(['\n', '\r']);
    if webhook_token_is_fit(token) {
        Ok(Some(Secret::from(token)))
    } else {
        Err(wrong(&"the token in it has to be 16 to 512 visible ASCII characters without spaces"))
    }
}

/// The TLS of the listener, if it has a certificate.
pub(super) fn listener_tls(config: &Config) -> Result<Option<ListenerTls>, Failure> {
    let Tls { certificate: Some(certificate), key: Some(key), client_ca, .. } = &config.tls else {
        return Ok(None);
    };
    let client_auth = match config.tls.client_auth() {
        onetag_config::ClientAuth::None => ClientAuth::None,
        onetag_config::ClientAuth::Optional => ClientAuth::Optional,
        onetag_config::ClientAuth::Required => ClientAuth::Required,
    };
    let tls = ListenerTls::load(certificate, key, client_ca.as_deref(), client_auth);
    tls.map(Some).map_err(Failure::usage)
}

/// Where Docker keeps its configuration, if it is there.
fn usual_docker_config() -> Option<PathBuf> {
    let directory = std::env::var_os("DOCKER_CONFIG")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".docker")))?;
    let file = directory.join("config.json");
    file.is_file().then_some(file)
}
