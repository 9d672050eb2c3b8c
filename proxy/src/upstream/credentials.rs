//! Where the credentials for the upstream come from.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use onetag_config::UpstreamUrl;
use tracing::warn;

use crate::flight::Flights;

use super::credential::Credential;
use super::docker;
use super::setup::SetupError;

/// How long a credential is kept before its source is asked again: helpers hand out passwords that expire.
const KEPT: Duration = Duration::from_mins(5);

/// How old a refused credential must be for its source to be asked again. Else each refused request would
/// run a helper.
const RENEWED_AFTER: Duration = Duration::from_secs(10);

/// The credentials for one upstream: none, an account, or a place to look them up.
pub struct Credentials {
    source: Arc<Source>,
    kept: Arc<Mutex<Option<Kept>>>,
    lookups: Flights<(), Option<Arc<Credential>>>,
}

enum Source {
    Anonymous,
    Account(Arc<Credential>),
    PasswordFile { username: String, path: PathBuf },
    Docker { config: PathBuf, server: String },
}

struct Kept {
    credential: Option<Arc<Credential>>,
    since: Instant,
}

impl Credentials {
    /// Decides by the settings where credentials come from. An account that is set wins; then the Docker
    /// configuration, where there is one; else there are none.
    ///
    /// Fails when half an account is set or the password file cannot be read. It may change later: it is
    /// read again every few minutes, and after a refusal.
    pub fn resolve(config: &onetag_config::Upstream) -> Result<Self, SetupError> {
        let source = match (&config.username, &config.password, &config.password_file) {
            (Some(username), Some(password), None) => Credential::new(username, password.expose())
                .map_or(Source::Anonymous, |c| Source::Account(c.into())),
            (Some(username), None, Some(path)) => {
                read_password(path).map_err(|error| SetupError::File {
                    setting: "upstream.password_file",
                    path: path.clone(),
                    error,
                })?;
                Source::PasswordFile { username: username.clone(), path: path.clone() }
            }
            (None, None, None) => docker_source(config),
            _ => return Err(SetupError::HalfCredentials),
        };
        Ok(Self::of(source))
    }

    /// No credentials.
    pub fn anonymous() -> Self {
        Self::of(Source::Anonymous)
    }

    fn of(source: Source) -> Self {
        Self { source: Arc::new(source), kept: Arc::default(), lookups: Flights::default() }
    }

    /// The credential to send, looked up where it is not known or too old.
    pub(super) async fn current(&self) -> Option<Arc<Credential>> {
        match &*self.source {
            Source::Anonymous => None,
            Source::Account(credential) => Some(Arc::clone(credential)),
            _ => self.look_up(KEPT).await,
        }
    }

    /// What to send in place of a credential that was refused; `None` when there is nothing else.
    pub(super) async fn instead_of(&self, refused: Option<&Credential>) -> Option<Arc<Credential>> {
        match &*self.source {
            Source::Anonymous | Source::Account(_) => None,
            _ => self.look_up(RENEWED_AFTER).await.filter(|found| Some(&**found) != refused),
        }
    }

    /// The credential that is kept, if it is younger than `age`; else from its source, once for all callers.
    async fn look_up(&self, age: Duration) -> Option<Arc<Credential>> {
        if let Some(credential) = kept(&self.kept, age) {
            return credential;
        }
        let (source, store) = (Arc::clone(&self.source), Arc::clone(&self.kept));
        let work = || async move {
            if let Some(credential) = kept(&store, age) {
                return credential;
            }
            let credential = source.read().await.map(Arc::new);
            let now_kept = Kept { credential: credential.clone(), since: Instant::now() };
            *store.lock().unwrap_or_else(PoisonError::into_inner) = Some(now_kept);
            credential
        };
        self.lookups.join((), work).await.ok().flatten()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.source {
            Source::Anonymous => "no credentials",
            Source::Account(_) => "an account with its password",
            Source::PasswordFile { .. } => "an account with a password file",
            Source::Docker { .. } => "a Docker configuration",
        })
    }
}

impl Source {
    async fn read(&self) -> Option<Credential> {
        match self {
            Self::Anonymous | Self::Account(_) => None,
            Self::PasswordFile { username, path } => match read_password(path) {
                Ok(password) => Credential::new(username, &password),
                Err(error) => {
                    warn!(path = %path.display(), %error, "upstream.password_file cannot be read");
                    None
                }
            },
            Self::Docker { config, server } => docker::look_up(config, server).await,
        }
    }
}

#[expect(clippy::option_option, reason = "nothing kept, or kept that there is no credential")]
fn kept(store: &Mutex<Option<Kept>>, age: Duration) -> Option<Option<Arc<Credential>>> {
    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
    // That there is none may be a helper's bad moment: it is not believed for long.
    let age = |kept: &Kept| if kept.credential.is_some() { age } else { age.min(RENEWED_AFTER) };
    store.as_ref().filter(|kept| kept.since.elapsed() < age(kept)).map(|kept| kept.credential.clone())
}

/// The content of a password file without the line end that editors add.
fn read_password(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn docker_source(config: &onetag_config::Upstream) -> Source {
    match (&config.docker_config, &config.url) {
        (Some(path), Some(url)) if config.use_docker_config => {
            let config = if path.is_dir() { path.join("config.json") } else { path.clone() };
            Source::Docker { config, server: server_name(url) }
        }
        _ => Source::Anonymous,
    }
}

/// The name under which `docker login` files the credentials of a registry.
fn server_name(url: &UpstreamUrl) -> String {
    match url.host() {
        "registry-1.docker.io" | "index.docker.io" => "https://index.docker.io/v1/".to_owned(),
        _ => url.authority().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Credentials {
        /// As if they had been looked up that much earlier.
        pub(in super::super) fn age(&self, by: Duration) {
            if let Some(kept) = &mut *self.kept.lock().unwrap() {
                kept.since = kept.since.checked_sub(by).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_password_that_changes_is_found_after_a_refusal_but_not_looked_for_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let source = Source::PasswordFile { username: "jo".into(), path: path.clone() };
        let credentials = Credentials::of(source);
        fs::write(&path, "old").unwrap();
        let old = credentials.current().await.unwrap();
        fs::write(&path, "new").unwrap();
        assert_eq!(credentials.instead_of(Some(&old)).await, None);
        credentials.age(RENEWED_AFTER);
        assert_eq!(credentials.current().await.as_ref(), Some(&old));
        let new = credentials.instead_of(Some(&old)).await.unwrap();
        assert_eq!(Some(&*new), Credential::new("jo", "new").as_ref());
        assert_eq!(credentials.instead_of(Some(&new)).await, None);
        fs::write(&path, "newest").unwrap();
        credentials.age(KEPT);
        assert_ne!(credentials.current().await, Some(new));
    }
}
