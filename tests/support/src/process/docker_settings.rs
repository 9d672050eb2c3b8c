//! How the distribution project's registry is set up.

use std::fmt::Write as _;
use std::path::Path;

use super::docker_registry::DockerRegistry;
use super::require::require;
use crate::client::{Client, Login};
use crate::registry::TokenServer;
use crate::tls::{Authority, Identity};

pub(super) const PROGRAM: &str = "docker-registry";

/// bcrypt, as htpasswd writes it, of [`DockerRegistry::PASSWORD`].
const HTPASSWD: &str = "testkit:$2b$04$UvUVetrAc99GN54M4CQ1X.RLNaeREDC0cc9hHunk4U6bHYqkufTpq\n";

/// See [`DockerRegistry::builder`].
#[must_use]
pub struct DockerRegistryBuilder {
    auth: Auth,
    tls: Option<Tls>,
    client_ca: Option<(String, Identity)>,
    deletes: bool,
    settings: String,
}

enum Auth {
    Open,
    Basic,
    Token { realm: String, root: String },
}

struct Tls {
    ca: String,
    certificate: String,
    key: String,
}

impl DockerRegistryBuilder {
    pub(super) const CONFIG: &str = "config.yml";

    pub(super) fn new() -> Self {
        Self { auth: Auth::Open, tls: None, client_ca: None, deletes: true, settings: String::new() }
    }

    /// Asks for [`DockerRegistry::USER`] and [`DockerRegistry::PASSWORD`].
    pub fn basic(mut self) -> Self {
        self.auth = Auth::Basic;
        self
    }

    /// Asks for tokens of this server. The pushes of [`DockerRegistry`] itself are [`DockerRegistry::USER`]'s.
    pub fn tokens_of(mut self, server: &TokenServer) -> Self {
        self.auth = Auth::Token { realm: server.realm(), root: server.root_pem() };
        self
    }

    /// HTTPS (with HTTP/2), with a certificate of this authority.
    pub fn tls(mut self, authority: &Authority) -> Self {
        let identity = authority.server_identity();
        self.tls = Some(Tls { ca: authority.ca_pem(), certificate: identity.certificate, key: identity.key });
        self
    }

    /// Asks clients for a certificate of this authority; with [`Self::tls`]. The pushes of [`DockerRegistry`] itself
    /// show one.
    pub fn client_ca(mut self, authority: &Authority) -> Self {
        self.client_ca = Some((authority.ca_pem(), authority.client_identity(DockerRegistry::USER)));
        self
    }

    /// Deletes nothing.
    pub fn without_deletion(mut self) -> Self {
        self.deletes = false;
        self
    }

    /// Further YAML for its configuration: whole sections.
    pub fn settings(mut self, yaml: &str) -> Self {
        self.settings.push_str(yaml);
        self
    }

    /// Starts it on a free port of 127.0.0.1; `None` when the program is not installed (see [`super::require`]).
    pub fn start(self) -> Option<DockerRegistry> {
        if !require(PROGRAM) {
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = self.config(directory.path());
        write(directory.path(), Self::CONFIG, &config);
        let client = self.tls.as_ref().map_or_else(Client::plain, |tls| Client::trusting(&tls.ca));
        let client = match &self.client_ca {
            Some((_, identity)) => client.identity(identity),
            None => client,
        };
        let login = match self.auth {
            Auth::Open => Login::anonymous(client),
            _ => Login::new(client, DockerRegistry::USER, DockerRegistry::PASSWORD),
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Some(DockerRegistry::launch(directory, scheme, login))
    }

    /// The configuration; what it names is written to `directory`.
    fn config(&self, directory: &Path) -> String {
        let mut config = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    \
             enabled: {}\nhttp:\n  addr: 127.0.0.1:0\n  secret: testkit\n",
            directory.join("content").display(),
            self.deletes
        );
        let file = |name: &str, text: &str| write(directory, name, text);
        if let Some(tls) = &self.tls {
            let (certificate, key) = (file("server.crt", &tls.certificate), file("server.key", &tls.key));
            add(&mut config, format_args!("  tls:\n    certificate: {certificate}\n    key: {key}\n"));
            if let Some((ca, _)) = &self.client_ca {
                add(&mut config, format_args!("    clientcas:\n      - {}\n", file("clients.crt", ca)));
            }
        }
        match &self.auth {
            Auth::Open => {}
            Auth::Basic => {
                let path = file("htpasswd", HTPASSWD);
                add(&mut config, format_args!("auth:\n  htpasswd:\n    realm: testkit\n    path: {path}\n"));
            }
            Auth::Token { realm, root } => {
                let (service, issuer) = (TokenServer::SERVICE, TokenServer::ISSUER);
                let root = file("tokens.crt", root);
                add(
                    &mut config,
                    format_args!(
                        "auth:\n  token:\n    realm: {realm}\n    service: {service}\n    issuer: {issuer}\n    \
                         rootcertbundle: {root}\n"
                    ),
                );
            }
        }
        config.push_str(&self.settings);
        config
    }
}

fn add(config: &mut String, text: std::fmt::Arguments<'_>) {
    config.write_fmt(text).expect("a string takes any text");
}

/// Writes a file and returns its path.
fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the directory can be written");
    path.display().to_string()
}
