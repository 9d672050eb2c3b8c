//! What is told of unfit files, and what is taken of changed ones.

use std::path::PathBuf;
use std::{fs, io};

use testkit::Authority;
use testkit::tls::Identity;
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

use super::*;

/// The files of a listener.
struct Files {
    directory: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(identity: &Identity) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = identity.write(directory.path(), "server");
        Self { directory, certificate, key }
    }

    fn load(&self) -> Result<ListenerTls, TlsError> {
        ListenerTls::load(&self.certificate, &self.key, None, ClientAuth::None)
    }

    fn write(&self, identity: &Identity) {
        identity.write(self.directory.path(), "server");
    }
}

/// What is said of files that were changed in some way.
fn said(change: impl FnOnce(&Files)) -> String {
    let files = Files::of(&Authority::new().server_identity());
    change(&files);
    let error = files.load().err().expect("unfit files").to_string();
    let directory = format!("{}/", files.directory.path().display());
    assert!(error.starts_with(&directory), "{error}");
    error.replace(&directory, "")
}

#[test]
fn unfit_files_are_told_by_name_and_reason() {
    let write = |file: &PathBuf, text: &str| fs::write(file, text).unwrap();
    let other = Authority::new().server_identity();
    for (said, expected) in [
        (said(|files| fs::remove_file(&files.key).unwrap()), "server.key: cannot be read: No such file"),
        (said(|files| write(&files.certificate, "")), "server.crt: holds no certificate in PEM"),
        (said(|files| write(&files.certificate, &other.key)), "server.crt: holds no certificate in PEM"),
        (said(|files| write(&files.key, &other.certificate)), "server.key: holds no private key in PEM"),
        (said(|files| write(&files.key, &other.key)), "server.key: is not the key of the certificate in "),
        (
            said(|files| write(&files.key, &other.key[..other.key.len() / 2])),
            "server.key: is not well-formed PEM: ",
        ),
        (
            said(|files| write(&files.certificate, &"x".repeat((4 << 20) + 1))),
            "server.crt: larger than 4194304 bytes",
        ),
    ] {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn clients_are_verified_by_an_authority_or_not_at_all() {
    let files = Files::of(&Authority::new().server_identity());
    let load = |ca| ListenerTls::load(&files.certificate, &files.key, ca, ClientAuth::Required);
    assert!(matches!(load(None), Err(TlsError::NoClientCa)));
    let error = load(Some(&files.key)).err().unwrap();
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
    let ca = Authority::new().write_ca(files.directory.path());
    assert!(load(Some(&ca)).is_ok());
}

#[test]
fn t43_what_is_half_done_is_waited_out() {
    let authority = Authority::new();
    let files = Files::of(&authority.server_identity());
    let tls = files.load().unwrap();
    let in_use = || std::ptr::from_ref(&**tls.shared.current.load());
    let before = in_use();
    let new = authority.server_identity();
    fs::write(&files.certificate, &new.certificate).unwrap();
    for _ in 0..4 {
        tls.shared.look();
        assert_eq!(in_use(), before, "the key is still the old one");
    }
    fs::write(&files.key, &new.key).unwrap();
    tls.shared.look();
    assert_eq!(in_use(), before, "it may still be written");
    tls.shared.look();
    assert_ne!(in_use(), before);
}

/// What this thread logs meanwhile.
fn logged(act: impl FnOnce()) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer({
        let log = log.clone();
        move || log.clone()
    });
    // With one subscriber alone, tracing asks that of the thread which comes to a line first, another test's maybe.
    let _second = Dispatch::new(NoSubscriber::new());
    tracing::subscriber::with_default(subscriber.with_ansi(false).finish(), act);
    String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn t42_unfit_files_are_told_once_and_what_is_in_use_stays() {
    let authority = Authority::new();
    let files = Files::of(&authority.server_identity());
    let tls = files.load().unwrap();
    let looks = || (0..5).for_each(|_| tls.shared.look());
    let log = logged(|| {
        looks();
        fs::write(&files.key, "").unwrap();
        looks();
    });
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("server.key: holds no private key in PEM"), "{log}");
    let log = logged(|| {
        files.write(&authority.expired_server_identity());
        looks();
    });
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("server.crt: the certificate has expired"), "{log}");
    let log = logged(|| {
        files.write(&authority.server_identity());
        looks();
    });
    assert!(!log.contains("WARN") && log.contains("new TLS files are in use"), "{log}");
}

#[test]
fn an_expired_certificate_is_taken_at_the_start_with_a_warning() {
    let files = Files::of(&Authority::new().expired_server_identity());
    let log = logged(|| assert!(files.load().is_ok()));
    assert!(log.contains("WARN") && log.contains("the certificate has expired"), "{log}");
    let files = Files::of(&Authority::new().server_identity());
    assert_eq!(logged(|| assert!(files.load().is_ok())), "");
}

#[tokio::test]
async fn a_reload_takes_what_is_fit_at_once_and_says_what_is_not() {
    let authority = Authority::new();
    let files = Files::of(&authority.server_identity());
    let tls = files.load().unwrap();
    assert!(!tls.reload().await.unwrap(), "nothing is new");
    files.write(&authority.server_identity());
    assert!(tls.reload().await.unwrap());
    assert!(!tls.reload().await.unwrap());
    fs::remove_file(&files.certificate).unwrap();
    let error = tls.reload().await.unwrap_err().to_string();
    assert!(error.contains("server.crt: cannot be read"), "{error}");
    files.write(&authority.expired_server_identity());
    assert!(matches!(tls.reload().await, Err(TlsError::Expired { .. })));
}
