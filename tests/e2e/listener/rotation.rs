//! Certificates that are exchanged under load (threat T43): no handshake fails.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onetag::server::{ClientAuth, ListenerTls};
use rustls::pki_types::CertificateDer;
use testkit::Authority;
use testkit::tls::Identity;
use tokio::time::sleep;

use super::certificates::{HTTP1, HTTP2, certificate, connector, get, handshake};
use super::house::{House, LIMITS};
use crate::support::eventually;

const LOOK_EVERY: Duration = Duration::from_millis(20);
const CHANGES: usize = 50;
/// Long enough for onetag to look a few times at what a change leaves half done.
const HALF_DONE: Duration = Duration::from_millis(80);

/// Files as Kubernetes mounts a secret: `tls.crt` leads to `..data/tls.crt`, and `..data` to a directory that is
/// exchanged as a whole. Other changes write through the links.
struct Secret {
    root: PathBuf,
    generation: usize,
}

impl Secret {
    fn new(root: &Path, identity: &Identity) -> Self {
        let mut secret = Self { root: root.to_owned(), generation: 0 };
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), root.join(name)).expect("a link");
        }
        secret.swap(identity);
        secret
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a writable file");
    }

    /// A new directory takes the place of the old one.
    fn swap(&mut self, identity: &Identity) {
        self.generation += 1;
        let name = format!("..{}", self.generation);
        fs::create_dir(self.path(&name)).expect("a directory");
        self.write(&format!("{name}/tls.crt"), &identity.certificate);
        self.write(&format!("{name}/tls.key"), &identity.key);
        symlink(&name, self.path("..next")).expect("a link");
        fs::rename(self.path("..next"), self.path("..data")).expect("an exchange");
    }

    /// One of the ways in which files change.
    async fn change(&mut self, way: usize, identity: &Identity) {
        let Identity { certificate, key } = identity;
        match way % 6 {
            0 => self.swap(identity),
            1 => {
                self.write("tls.crt", certificate);
                sleep(HALF_DONE).await;
                self.write("tls.key", key);
            }
            2 => {
                self.write("tls.key", key);
                sleep(HALF_DONE).await;
                self.write("tls.crt", certificate);
            }
            3 => {
                self.write("tls.crt", &certificate[..certificate.len() / 2]);
                sleep(HALF_DONE).await;
                self.write("tls.crt", certificate);
                self.write("tls.key", &key[..key.len() / 3]);
                sleep(HALF_DONE).await;
                self.write("tls.key", key);
            }
            4 => {
                fs::remove_file(self.path("..data/tls.key")).expect("a file");
                sleep(HALF_DONE).await;
                self.write("tls.crt", certificate);
                self.write("..data/tls.key", key);
            }
            _ => {
                self.write("tls.crt", "no certificate");
                self.write("tls.key", "");
                sleep(HALF_DONE).await;
                self.swap(identity);
            }
        }
    }
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    answers: [AtomicUsize; 2],
    failures: Mutex<Vec<String>>,
}

/// Connects and asks, over and over.
async fn pull(seen: Arc<Seen>, which: usize, connector: tokio_rustls::TlsConnector, house: Arc<House>) {
    while !seen.stop.load(Ordering::Relaxed) {
        let failure = match get(&connector, house.address, "/v2/").await {
            Ok(response) if response.status == 200 => {
                seen.answers[which].fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Ok(response) => response.status.to_string(),
            Err(error) => error.to_string(),
        };
        seen.failures.lock().expect("no panic").push(failure);
    }
}

/// The certificate that a new connection is shown.
async fn shown(house: &House, authority: &Authority) -> CertificateDer<'static> {
    let stream = handshake(&connector(authority, None, HTTP1), house.address).await.expect("a handshake");
    let (_, session) = stream.get_ref();
    session.peer_certificates().expect("a certificate")[0].clone().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t43_no_handshake_fails_while_certificates_are_exchanged() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a directory");
    let mut secret = Secret::new(directory.path(), &authority.server_identity());
    let tls = ListenerTls::load(&secret.path("tls.crt"), &secret.path("tls.key"), None, ClientAuth::None)
        .expect("fit files")
        .looking_every(LOOK_EVERY);
    let house = Arc::new(House::start(LIMITS, Some(tls)).await);
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = [(0, HTTP1), (1, HTTP2), (0, HTTP1), (1, HTTP2)]
        .into_iter()
        .map(|(which, protocol)| {
            let connector = connector(&authority, None, protocol);
            tokio::spawn(pull(Arc::clone(&seen), which, connector, Arc::clone(&house)))
        })
        .collect();
    let mut exchanged = 0;
    for way in 0..CHANGES {
        let identity = authority.server_identity();
        secret.change(way, &identity).await;
        let expected = certificate(&identity.certificate);
        eventually("the new certificate", || async { shown(&house, &authority).await == expected }).await;
        exchanged += 1;
    }
    seen.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no panic");
    }
    let [http1, http2] = seen.answers.each_ref().map(|count| count.load(Ordering::Relaxed));
    let failures = seen.failures.lock().expect("no panic");
    println!("rotation: changes={exchanged} http1={http1} http2={http2} failures={}", failures.len());
    assert!(failures.is_empty(), "{failures:?}");
    assert!(http1 >= CHANGES && http2 >= CHANGES, "{http1} {http2}");
}
