//! Certificates that are exchanged while they are in use (threats T42, T43).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::error::TlsError;
use super::material::{ClientAuth, Files, Fingerprint, Validity};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The TLS of a listener. New connections use what was last found fit in its files; those that are open keep
/// what they began with.
#[derive(Clone)]
pub struct ListenerTls {
    shared: Arc<Shared>,
    look_every: Duration,
}

struct Shared {
    files: Files,
    current: ArcSwap<ServerConfig>,
    looks: Mutex<Looks>,
}

/// What was found in the files so far.
struct Looks {
    in_use: Fingerprint,
    last: Fingerprint,
    /// What was told to be unfit, so that it is told once.
    unfit: Option<Fingerprint>,
}

impl ListenerTls {
    /// Reads and checks the files. A certificate that has expired is taken, and the log warns of it.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(
        certificate: &Path,
        key: &Path,
        client_ca: Option<&Path>,
        client_auth: ClientAuth,
    ) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let files = Files { certificate, key, client_ca: client_ca.map(Path::to_owned), client_auth };
        let read = files.read();
        let found = Fingerprint::of(&read);
        let (config, validity) = files.settings(&read?)?;
        warn_of(validity, &files.certificate);
        let looks = Mutex::new(Looks { in_use: found, last: found, unfit: None });
        let shared = Shared { files, current: ArcSwap::from_pointee(config), looks };
        Ok(Self { shared: Arc::new(shared), look_every: LOOK_EVERY })
    }

    /// The same, with the files looked at as often as this.
    #[must_use]
    pub fn looking_every(self, look_every: Duration) -> Self {
        Self { look_every, ..self }
    }

    /// Reads the files now. What is fit is used from the next connection on; the answer is whether that is
    /// anything new.
    ///
    /// # Errors
    /// What is wrong with which file; then all stays as it was.
    pub async fn reload(&self) -> Result<bool, TlsError> {
        let shared = Arc::clone(&self.shared);
        let reloading = tokio::task::spawn_blocking(move || shared.reload());
        reloading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// What takes the next connection.
    pub(in crate::server) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.shared.current.load_full())
    }

    /// Looks at the files from time to time, for as long as anything uses them. Must be called within a runtime.
    pub(in crate::server) fn watch(&self) {
        tokio::spawn(watch(Arc::downgrade(&self.shared), self.look_every));
    }
}

async fn watch(watched: Weak<Shared>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(shared) = watched.upgrade() else { return };
        // The disk may hang; a second look begins only after the first one.
        if tokio::task::spawn_blocking(move || shared.look()).await.is_err() {
            tracing::error!("looking at the certificates failed; they are no longer looked at");
            return;
        }
    }
}

impl Shared {
    /// Takes what is new in the files once two looks have found the same: what is being written is let be.
    fn look(&self) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.files.read();
        let found = Fingerprint::of(&read);
        let settled = looks.last == found;
        looks.last = found;
        if found == looks.in_use {
            looks.unfit = None;
        }
        if !settled || found == looks.in_use || looks.unfit == Some(found) {
            return;
        }
        match read.and_then(|material| self.files.settings(&material)).and_then(|new| self.exchange(new)) {
            Ok(()) => (looks.in_use, looks.unfit) = (found, None),
            Err(error) => {
                tracing::warn!(%error, "new TLS files are unfit; those that are in use stay");
                looks.unfit = Some(found);
            }
        }
    }

    fn reload(&self) -> Result<bool, TlsError> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.files.read();
        let found = Fingerprint::of(&read);
        let material = read?;
        if found == looks.in_use {
            return Ok(false);
        }
        self.exchange(self.files.settings(&material)?)?;
        *looks = Looks { in_use: found, last: found, unfit: None };
        Ok(true)
    }

    fn exchange(&self, (config, validity): (ServerConfig, Validity)) -> Result<(), TlsError> {
        let certificate = &self.files.certificate;
        if validity == Validity::Past {
            return Err(TlsError::Expired { file: certificate.clone() });
        }
        warn_of(validity, certificate);
        self.current.store(Arc::new(config));
        tracing::info!(certificate = %certificate.display(), "new TLS files are in use");
        Ok(())
    }
}

fn warn_of(validity: Validity, certificate: &Path) {
    let certificate = certificate.display();
    match validity {
        Validity::Now => {}
        Validity::Past => tracing::warn!(%certificate, "the certificate has expired; clients will refuse it"),
        Validity::Future => tracing::warn!(%certificate, "the certificate is not valid yet"),
    }
}

#[cfg(test)]
mod tests;
