//! The arguments, as they are written (clap). What they mean is decided in `settings`.

#![expect(clippy::doc_markdown, reason = "these comments are help texts for a terminal")]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use onetag_config::{
    Age, CredentialSource, LogFilter, LogFormat, NegativeTtl, Secret, Size, Timeout, UpstreamUrl, Word,
};

/// One tag, every architecture: a registry endpoint that merges single-architecture tags at pull time.
///
/// Where a repository holds app:latest for amd64 and app:latest-arm for arm64, a pull of app:latest
/// through onetag gets an image index with both.
#[derive(Debug, Parser)]
#[command(
    name = "onetag",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 findings that need a person."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve pulls in front of a registry
    Serve(Box<ServeArguments>),
    /// Show what a pull of a reference would get, and why
    Inspect(Box<InspectArguments>),
    /// Have a running onetag fetch what pulls of some references will need
    Warm(WarmArguments),
    /// Validate a configuration file
    Check(CheckArguments),
    /// Print what a client needs to pull through this onetag
    ClientConfig(ClientConfigArguments),
    /// Ask a running onetag whether it is healthy (for containers)
    #[command(hide = true)]
    Healthcheck(HealthcheckArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onetag serve --upstream https://registry.example.com --data-dir /var/lib/onetag
  onetag serve --config /etc/onetag.toml

Flags win over the environment, the environment over the file, the file over the defaults.")]
pub(super) struct ServeArguments {
    #[command(flatten)]
    pub(super) settings: SettingArguments,
    /// Where clients come [default: 127.0.0.1:5080]
    #[arg(long, env = "ONETAG_LISTEN", value_name = "ADDR", help_heading = "Listeners")]
    pub(super) listen: Option<SocketAddr>,
    /// Metrics, health and readiness [default: 127.0.0.1:5081]
    #[arg(long, env = "ONETAG_ADMIN", value_name = "ADDR", help_heading = "Listeners")]
    pub(super) admin: Option<SocketAddr>,
    /// Where clients reach onetag, if another proxy stands in front of it
    #[arg(long, env = "ONETAG_EXTERNAL_URL", value_name = "URL", help_heading = "Listeners")]
    pub(super) external_url: Option<UpstreamUrl>,
    /// A PEM file with the listener's certificate; without it clients come without TLS
    #[arg(long, env = "ONETAG_TLS_CERTIFICATE", value_name = "FILE", help_heading = "Listeners")]
    pub(super) tls_certificate: Option<PathBuf>,
    /// A PEM file with the certificate's private key
    #[arg(long, env = "ONETAG_TLS_KEY", value_name = "FILE", help_heading = "Listeners")]
    pub(super) tls_key: Option<PathBuf>,
    /// A PEM file of authorities; clients have to show a certificate of one of them
    #[arg(long, env = "ONETAG_TLS_CLIENT_CA", value_name = "FILE", help_heading = "Listeners")]
    pub(super) tls_client_ca: Option<PathBuf>,
    /// A file of users and bcrypt hashes (htpasswd -B): only they are let in, unless [[allow]] says more
    #[arg(long, env = "ONETAG_HTPASSWD", value_name = "FILE", help_heading = "Callers")]
    pub(super) htpasswd: Option<PathBuf>,
    /// With whose credentials the upstream is asked: proxy (onetag's own) or client (each caller's) [default: proxy]
    #[arg(long, env = "ONETAG_CREDENTIALS", value_name = "WHOSE", help_heading = "Callers")]
    pub(super) credentials: Option<CredentialSource>,
    /// How many client connections there may be at once [default: 10000]
    #[arg(long, env = "ONETAG_MAX_CONNECTIONS", value_name = "N", help_heading = "Listeners")]
    pub(super) max_connections: Option<u32>,
    /// How long running pulls may take to end when onetag is stopped [default: 30s]
    #[arg(long, env = "ONETAG_SHUTDOWN_GRACE", value_name = "TIME", help_heading = "Listeners")]
    pub(super) shutdown_grace: Option<Age>,
    /// Keep merged indexes, manifests, tags and blobs here; without it, in memory only, and no blobs
    #[arg(long, env = "ONETAG_DATA_DIR", value_name = "DIR", help_heading = "Cache")]
    pub(super) data_dir: Option<PathBuf>,
    /// How much memory manifests and indexes may take [default: 256MiB]
    #[arg(long, env = "ONETAG_MEMORY", value_name = "SIZE", help_heading = "Cache")]
    pub(super) memory: Option<Size>,
    /// Whether blobs are kept in the data directory: true or false [default: true]
    #[arg(long, env = "ONETAG_BLOBS_CACHE", value_name = "BOOL", help_heading = "Cache")]
    pub(super) blobs_cache: Option<bool>,
    /// How much of the disk blobs may take [default: 10GiB]
    #[arg(long, env = "ONETAG_BLOBS_MAX_BYTES", value_name = "SIZE", help_heading = "Cache")]
    pub(super) blobs_max_bytes: Option<Size>,
    /// How long a tag is answered without asking the upstream again [default: 60s]
    #[arg(long, env = "ONETAG_TAG_TTL", value_name = "TIME", help_heading = "Cache")]
    pub(super) tag_ttl: Option<Age>,
    /// How long after that it is answered at once while the upstream is asked in the background [default: 1h]
    #[arg(long, env = "ONETAG_STALE_WHILE_REVALIDATE", value_name = "TIME", help_heading = "Cache")]
    pub(super) stale_while_revalidate: Option<Age>,
    /// How long a missing tag is believed to be missing, at most 10s [default: 5s]
    #[arg(long, env = "ONETAG_NEGATIVE_TTL", value_name = "TIME", help_heading = "Cache")]
    pub(super) negative_ttl: Option<NegativeTtl>,
    /// How long the last good answer is served while the upstream fails [default: 7d]
    #[arg(long, env = "ONETAG_STALE_IF_ERROR", value_name = "TIME", help_heading = "Cache")]
    pub(super) stale_if_error: Option<Age>,
    /// What a registry must send with its notifications of pushes, as Authorization: Bearer TOKEN. Every user of
    /// the machine can see it in the process list: prefer --webhook-token-file or the environment
    #[arg(long, env = "ONETAG_WEBHOOK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(value_parser = secret, conflicts_with = "webhook_token_file", help_heading = "Notifications")]
    pub(super) webhook_token: Option<Secret>,
    /// A file with that token; without either, notifications have no path
    #[arg(long, env = "ONETAG_WEBHOOK_TOKEN_FILE", value_name = "FILE", help_heading = "Notifications")]
    pub(super) webhook_token_file: Option<PathBuf>,
    /// The form of the log: auto, text or json
    #[arg(long, env = "ONETAG_LOG_FORMAT", value_name = "FORMAT", help_heading = "Log")]
    pub(super) log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, env = "ONETAG_LOG_LEVEL", value_name = "LEVEL", help_heading = "Log")]
    pub(super) log_level: Option<LogFilter>,
}

/// The settings that all commands that ask a registry share.
#[derive(Debug, Args)]
pub(super) struct SettingArguments {
    /// Read settings from this TOML file
    #[arg(long, env = "ONETAG_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The registry behind onetag, for example https://registry.example.com
    #[arg(long, env = "ONETAG_UPSTREAM", value_name = "URL", help_heading = "Upstream")]
    pub(super) upstream: Option<UpstreamUrl>,
    /// Trust the certificates in this PEM file besides those of the system
    #[arg(long, env = "ONETAG_UPSTREAM_CA", value_name = "FILE", help_heading = "Upstream")]
    pub(super) upstream_ca: Option<PathBuf>,
    /// The user at the registry; without it, the Docker configuration is searched for credentials
    #[arg(long, env = "ONETAG_UPSTREAM_USERNAME", value_name = "NAME", help_heading = "Upstream")]
    pub(super) upstream_username: Option<String>,
    /// The user's password. Every user of the machine can see it in the process list: prefer
    /// --upstream-password-file or the environment
    #[arg(long, env = "ONETAG_UPSTREAM_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    #[arg(value_parser = secret, conflicts_with = "upstream_password_file", help_heading = "Upstream")]
    pub(super) upstream_password: Option<Secret>,
    /// A file with the user's password
    #[arg(long, env = "ONETAG_UPSTREAM_PASSWORD_FILE", value_name = "FILE", help_heading = "Upstream")]
    pub(super) upstream_password_file: Option<PathBuf>,
    /// The Docker config.json with credentials [default: $DOCKER_CONFIG or ~/.docker]
    #[arg(long, env = "ONETAG_DOCKER_CONFIG", value_name = "PATH", help_heading = "Upstream")]
    pub(super) docker_config: Option<PathBuf>,
    /// How long to connect may take, TLS included [default: 5s]
    #[arg(long, env = "ONETAG_CONNECT_TIMEOUT", value_name = "TIME", help_heading = "Upstream")]
    pub(super) connect_timeout: Option<Timeout>,
    /// How long response headers may take [default: 30s]
    #[arg(long, env = "ONETAG_HEADER_TIMEOUT", value_name = "TIME", help_heading = "Upstream")]
    pub(super) header_timeout: Option<Timeout>,
    /// How long a body may stand still [default: 60s]
    #[arg(long, env = "ONETAG_IDLE_BODY_TIMEOUT", value_name = "TIME", help_heading = "Upstream")]
    pub(super) idle_body_timeout: Option<Timeout>,
    /// The suffixes of members, in order of precedence: with "arm", app:latest-arm is a member of
    /// app:latest [default: arm,arm64,arm64v8,aarch64,armv7,arm32v7,armhf,amd64,x86_64]
    #[arg(long, env = "ONETAG_SUFFIXES", value_name = "LIST", value_delimiter = ',', help_heading = "Merge")]
    pub(super) suffixes: Option<Vec<Word>>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onetag inspect registry.example.com/team/app:latest
  onetag inspect --upstream http://127.0.0.1:5000 team/app:latest --json

Exit code 3 says that a warning needs a person, 1 that there is nothing to pull.")]
pub(super) struct InspectArguments {
    /// The reference: [REGISTRY/]REPOSITORY[:TAG|@DIGEST]
    #[arg(value_name = "REF")]
    pub(super) reference: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) settings: SettingArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onetag warm team/app:latest team/web:v1.4
  onetag warm --platform linux/arm64 team/app:latest

Without a data directory, or with blobs.cache = false, only manifests are kept. [[warm]] in the
configuration does the same on a schedule. Exit code 1 says that something could not be fetched.")]
pub(super) struct WarmArguments {
    /// What to fetch: REPOSITORY[:TAG|@DIGEST]
    #[arg(value_name = "REF", required = true)]
    pub(super) references: Vec<String>,
    /// Fetch images for this platform only; may be repeated [default: all]
    #[arg(long = "platform", value_name = "OS/ARCH")]
    pub(super) platforms: Vec<String>,
    /// The admin listener of the running onetag
    #[arg(long, env = "ONETAG_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:5081")]
    pub(super) admin: SocketAddr,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The configuration file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Print the effective settings, passwords masked
    #[arg(long)]
    pub(super) print: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onetag client-config containerd --config /etc/onetag.toml
  onetag client-config docker --upstream https://registry.example.com --address https://onetag.internal

Each file stands below a comment with its path.")]
pub(super) struct ClientConfigArguments {
    /// What pulls
    #[arg(value_name = "CLIENT")]
    pub(super) client: Client,
    /// The settings of the onetag that serves
    #[arg(long, env = "ONETAG_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The registry behind onetag, where the file does not name it
    #[arg(long, env = "ONETAG_UPSTREAM", value_name = "URL")]
    pub(super) upstream: Option<UpstreamUrl>,
    /// Where clients reach onetag [default: server.external_url, else the listener]
    #[arg(long, env = "ONETAG_EXTERNAL_URL", value_name = "URL")]
    pub(super) address: Option<UpstreamUrl>,
    /// For this registry alone, by its name: docker.io [default: all that are behind onetag]
    #[arg(long, value_name = "NAME")]
    pub(super) registry: Option<String>,
}

/// What `client-config` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Client {
    /// The docker daemon
    Docker,
    /// containerd, by its hosts.toml
    Containerd,
    /// podman, skopeo, buildah and CRI-O
    Podman,
    /// k3s, by its registries.yaml
    K3s,
    /// Pods, and a secret where callers log in
    Kubernetes,
}

#[derive(Debug, Args)]
pub(super) struct HealthcheckArguments {
    /// The admin listener
    #[arg(long, env = "ONETAG_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:5081")]
    pub(super) admin: SocketAddr,
}

/// A password is taken as it stands; there is no wrong one that clap could repeat on the terminal.
#[expect(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::from(text))
}
