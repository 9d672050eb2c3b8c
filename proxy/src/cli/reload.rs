//! What can change while onetag serves: who may do what, and the certificates of the listener. All else needs a
//! restart, and the log says so.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use onetag_config::{ClientAuth, Config};

use crate::access::Access;
use crate::server::ListenerTls;

use super::args::ServeArguments;
use super::exit::Failure;
use super::settings;

/// How often the file of passwords is looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// The settings that are in force, and what was made of them that can be exchanged.
pub(super) struct Reload {
    pub(super) config: Config,
    pub(super) access: Arc<ArcSwap<Access>>,
    pub(super) tls: Option<ListenerTls>,
    /// The file of passwords, as it was when it was last read.
    pub(super) passwords: Option<Stamp>,
}

/// What callers may do, by these settings.
pub(super) fn access(config: &Config) -> Result<Access, Failure> {
    Access::load(config, config.tls.client_auth() != ClientAuth::None).map_err(Failure::usage)
}

impl Reload {
    /// Reads everything again. What is wrong changes nothing (threat T42).
    pub(super) async fn everything(&mut self, arguments: &ServeArguments) {
        if let Some(tls) = &self.tls {
            match tls.reload().await {
                Ok(true) => tracing::info!("the certificates were read again and are in force"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the certificates stay as they were"),
            }
        }
        // It reads files.
        match tokio::task::block_in_place(|| self.settings(arguments)) {
            Ok(true) => {
                tracing::warn!("read again: who may do what is in force; the other changes need a restart");
            }
            Ok(false) => tracing::info!("read again: who may do what is in force"),
            Err(error) => tracing::error!(%error, "read again and not taken: the settings stay as they were"),
        }
    }

    /// Takes what can be taken of the settings; whether there is more that changed.
    fn settings(&mut self, arguments: &ServeArguments) -> Result<bool, Failure> {
        let config = settings::of_serve(arguments)?;
        let taken = |config: &Config| (config.access.clone(), config.group.clone(), config.allow.clone());
        let (access, group, allow) = taken(&config);
        let next = Config { access, group, allow, ..self.config.clone() };
        // What is read here, fit or not, is no change that is still to be told.
        self.passwords = Stamp::of_passwords(&next);
        self.access.store(Arc::new(self::access(&next)?));
        let needs_restart = next != config;
        self.config = next;
        Ok(needs_restart)
    }

    /// Reads the file of passwords again.
    fn passwords(&self) {
        match access(&self.config) {
            Ok(access) => {
                self.access.store(Arc::new(access));
                tracing::info!("the file of passwords has changed and is in force");
            }
            Err(error) => tracing::error!(%error, "the file of passwords has changed and is not taken"),
        }
    }

    /// Looks at the file of passwords again and again; ends with its first change, which is taken.
    pub(super) async fn passwords_changed(&mut self) {
        let Some(path) = self.config.access.htpasswd.clone() else { return std::future::pending().await };
        let mut before = self.passwords;
        loop {
            tokio::time::sleep(LOOKED_AT_EVERY).await;
            let now = Stamp::of(&path);
            // Whoever writes it in place is not finished before two looks see the same.
            let is_whole = now == std::mem::replace(&mut before, now);
            if now.is_some() && now != self.passwords && is_whole {
                self.passwords = now;
                // It reads the file.
                tokio::task::block_in_place(|| self.passwords());
                return;
            }
        }
    }
}

/// By what a file that changed is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// That of the file of passwords, where there is one.
    pub(super) fn of_passwords(config: &Config) -> Option<Self> {
        config.access.htpasswd.as_deref().and_then(Self::of)
    }

    /// That of a file that is there.
    fn of(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok()?;
        Some(Self { inode: data.ino(), size: data.size(), modified: (data.mtime(), data.mtime_nsec()) })
    }
}
