//! Credentials in a Docker configuration, and from the helpers that it names.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::credential::Credential;

/// How long a helper may take; some ask a cloud.
const HELPER_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// The most bytes that are read of a configuration.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The most bytes that are read of a helper's answer.
const MAX_HELPER_BYTES: u64 = 64 << 10;

/// The credential for `server`. Whatever goes wrong is one warning, and then there is none: the registry
/// may be open to everyone.
pub(super) async fn look_up(config: &Path, server: &str) -> Option<Credential> {
    let found = match Config::read(config) {
        Ok(config) => config.credential(server).await,
        Err(Failure::Absent) => Ok(None),
        Err(failure) => Err(failure),
    };
    found.unwrap_or_else(|failure| {
        warn!(config = %config.display(), server, "no credentials from the Docker configuration: {failure}");
        None
    })
}

/// What keeps a configuration or a helper from answering. No variant holds what a helper wrote: it may
/// have been the secret.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there is no such file")]
    Absent,
    #[error("it cannot be read: {0}")]
    Read(std::io::Error),
    #[error("it is not a Docker configuration")]
    Form,
    #[error("an entry of its auths is malformed")]
    Entry,
    #[error("{0} cannot be run: {1}")]
    NotRun(String, std::io::Error),
    #[error("{0} failed; try: echo SERVER | {0} get")]
    Failed(String),
    #[error("{0} did not answer within {t} s", t = HELPER_TIMEOUT.as_secs())]
    Slow(String),
    #[error("{0} answered something that is no credential")]
    Answer(String),
}

/// A Docker configuration: the helpers for us to run, and the rest for the library to read.
struct Config {
    helpers: Map<String, Value>,
    store: Option<String>,
    rest: Map<String, Value>,
}

impl Config {
    fn read(path: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::Absent,
            _ => Failure::Read(error),
        })?;
        let mut text = Vec::new();
        file.take(MAX_CONFIG_BYTES).read_to_end(&mut text).map_err(Failure::Read)?;
        let mut rest: Map<String, Value> = serde_json::from_slice(&text).map_err(|_| Failure::Form)?;
        let helpers = rest.remove("credHelpers").and_then(|value| value.as_object().cloned());
        let store = rest.remove("credsStore").and_then(|value| value.as_str().map(str::to_owned));
        Ok(Self { helpers: helpers.unwrap_or_default(), store: store.filter(|s| !s.is_empty()), rest })
    }

    /// As Docker looks: the server's own helper, then the file, then the helper for all.
    async fn credential(self, server: &str) -> Result<Option<Credential>, Failure> {
        let host = server.trim_start_matches("https://").split('/').next().unwrap_or(server);
        let own = self.helpers.get(server).or_else(|| self.helpers.get(host)).and_then(Value::as_str);
        if let Some(helper) = own.filter(|name| !name.is_empty()) {
            return ask_helper(helper, server).await;
        }
        let rest = serde_json::to_vec(&self.rest).map_err(|_| Failure::Form)?;
        match (get_credential_from_reader(rest.as_slice(), server), self.store) {
            (Ok(DockerCredential::UsernamePassword(username, password)), _) => {
                Ok(Credential::new(&username, &password))
            }
            (Ok(DockerCredential::IdentityToken(token)), _) => Ok(Some(Credential::Identity(token.into()))),
            (Err(CredentialRetrievalError::NoCredentialConfigured), Some(helper)) => {
                ask_helper(&helper, server).await
            }
            (Err(CredentialRetrievalError::NoCredentialConfigured), None) => Ok(None),
            (Err(_), _) => Err(Failure::Entry),
        }
    }
}

/// The answer of a helper (`docker-credential-helpers`, action `get`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

// Not by the library: it waits for a helper without end, and cannot stop it.
async fn ask_helper(suffix: &str, server: &str) -> Result<Option<Credential>, Failure> {
    let name = format!("docker-credential-{suffix}");
    debug!(helper = name, server, "asking the credential helper");
    let Ok(ran) = timeout(HELPER_TIMEOUT, run(&name, server)).await else {
        return Err(Failure::Slow(name));
    };
    let (success, output) = ran.map_err(|error| Failure::NotRun(name.clone(), error))?;
    // The one failure that the protocol names; it is told on the standard output.
    if !success && output.starts_with(b"credentials not found") {
        return Ok(None);
    }
    if !success {
        return Err(Failure::Failed(name));
    }
    let Answer { username, secret } = serde_json::from_slice(&output).map_err(|_| Failure::Answer(name))?;
    Ok(Credential::new(&username, &secret))
}

/// Runs a helper to its end; it dies with this future.
async fn run(name: &str, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut helper = Command::new(name)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = helper.stdin.take() {
        // A helper that answers without reading closes its end early.
        let _unread = input.write_all(server.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(pipe) = helper.stdout.take() {
        pipe.take(MAX_HELPER_BYTES).read_to_end(&mut output).await?;
    }
    Ok((helper.wait().await?.success(), output))
}
