//! onetag in front of an empty registry, for clients that push: open, or with each way to know its callers.

use std::path::Path;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use testkit::client::Response;
use testkit::image::media_type::{DOCKER_LIST, OCI_INDEX};
use testkit::process::{DockerRegistry, Onetag};
use testkit::{Account, Authority, TokenServer, wait_for};

use super::arrival::platform_name;
use super::command::has_ipv6_loopback;
use super::way::Way;

/// Who may pull and push `team/*`; the password has what a command line might trip over.
pub(crate) const WRITER: (&str, &str) = ("jo", "open: se$ame");

/// Who may only pull there.
pub(crate) const READER: (&str, &str) = ("ann", "just looking");

/// How the writer and the reader are told to onetag.
const ALLOWED: &str =
    "[[allow]]\nusers = [\"jo\"]\nactions = [\"pull\", \"push\"]\n\n[[allow]]\nusers = [\"ann\"]\n";

/// Low, because each request of a client has its password hashed.
const BCRYPT_COST: u32 = 4;

/// Where onetag listens, and how clients call that.
#[derive(Clone, Copy)]
pub(crate) enum Loopback {
    /// `127.0.0.1:PORT`
    V4,
    /// On `::1`, as `localhost:PORT`, for a client that resolves it so.
    V6,
}

/// onetag in front of a registry that nobody else has pushed to.
pub(crate) struct Front {
    onetag: Onetag,
    address: String,
    way: Way,
    _upstream: DockerRegistry,
    _tokens: Option<TokenServer>,
    _folder: TempDir,
}

/// What a [`Front`] is started from.
struct Plan {
    upstream: DockerRegistry,
    tokens: Option<TokenServer>,
    folder: TempDir,
    loopback: Loopback,
    way: Way,
}

impl Loopback {
    fn is_there(self) -> bool {
        matches!(self, Self::V4) || has_ipv6_loopback()
    }
}

impl Front {
    /// Everybody may pull and push; `None` if no registry is installed, as with the others.
    pub(crate) fn open() -> Option<Self> {
        let plan = Plan::of(DockerRegistry::start()?, Way::default());
        Some(plan.start("[[allow]]\nanonymous = true\nactions = [\"pull\", \"push\"]\n", ""))
    }

    /// onetag asks for a password, and the registry for onetag's own.
    pub(crate) fn with_passwords() -> Option<Self> {
        let plan = Plan::of(DockerRegistry::start_with_basic()?, Way::default().with_login(WRITER));
        let access = plan.passwords();
        let (user, password) = (DockerRegistry::USER, DockerRegistry::PASSWORD);
        let account = format!("username = {user:?}\npassword = {password:?}\n");
        Some(plan.start(&format!("{access}\n{ALLOWED}"), &account))
    }

    /// The registry asks for tokens, which each client gets for itself.
    pub(crate) fn with_tokens() -> Option<Self> {
        let (writer, reader) = (Account::new(WRITER.0, WRITER.1), Account::new(READER.0, READER.1));
        // As public registries do, the server gives a token to everybody; this one is good for nothing.
        let accounts = [writer, reader.actions(&["pull"]), Account::anonymous().actions(&[])];
        let tokens = wait_for(TokenServer::start(accounts, Duration::from_mins(1)));
        let upstream = DockerRegistry::builder().tokens_of(&tokens).start()?;
        let plan = Plan::of(upstream, Way::default().with_login(WRITER));
        Some(Plan { tokens: Some(tokens), ..plan }.start("", "credentials = \"client\"\n"))
    }

    /// HTTPS by an authority of the site's own, and a password.
    pub(crate) fn with_tls(loopback: Loopback) -> Option<Self> {
        let authority = Authority::new();
        let way = Way { authority: Some(authority.ca_pem()), ..Way::default() }.with_login(WRITER);
        let plan = Plan { loopback, ..Plan::of(loopback.is_there().then(DockerRegistry::start)??, way) };
        let (tls, access) = (plan.certificate(&authority), plan.passwords());
        Some(plan.start(&format!("{tls}\n{access}\n{ALLOWED}"), ""))
    }

    /// HTTPS, and a certificate of the client instead of a password.
    pub(crate) fn with_client_certificates(loopback: Loopback) -> Option<Self> {
        let (authority, clients) = (Authority::new(), Authority::new());
        let identity = Some(clients.client_identity(WRITER.0));
        let way = Way { authority: Some(authority.ca_pem()), identity, login: None };
        let plan = Plan { loopback, ..Plan::of(loopback.is_there().then(DockerRegistry::start)??, way) };
        let tls = plan.certificate(&authority);
        let client_ca = plan.write("clients.crt", &clients.ca_pem());
        Some(plan.start(&format!("{tls}client_ca = {client_ca:?}\n\n{ALLOWED}"), ""))
    }

    /// How the writer gets in.
    pub(crate) fn way(&self) -> Way {
        self.way.clone()
    }

    /// Host and port, as clients name them.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A tag of `team/app`, as clients name it.
    pub(crate) fn reference(&self, tag: &str) -> String {
        self.reference_in("team/app", tag)
    }

    /// A tag of a repository, as clients name it.
    pub(crate) fn reference_in(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// The platforms of the index that a tag is answered with, in its order; none for a single image.
    pub(crate) fn platforms(&self, repository: &str, tag: &str) -> Vec<String> {
        let index: Value = serde_json::from_slice(&self.index(repository, tag).body).expect("JSON");
        let entries = index["manifests"].as_array().into_iter().flatten();
        entries.map(|entry| platform_name(&entry["platform"])).collect()
    }

    /// What a tag is answered with, by a client that takes indexes alone.
    pub(crate) fn index(&self, repository: &str, tag: &str) -> Response {
        let (login, url) = (self.way.kit(), format!("{}/v2/{repository}/manifests/{tag}", self.onetag.url()));
        let answer = wait_for(async move {
            let accept = [("accept", OCI_INDEX), ("accept", DOCKER_LIST)];
            login.request("GET", &url, &accept, Bytes::new()).await.expect("onetag answers")
        });
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// How many layers and configs were taken from another repository instead of being uploaded to this one. Of
    /// requests that begin an upload these clients get 201 for nothing else.
    pub(crate) fn mounts(&self, repository: &str) -> usize {
        let mounted = format!("answered method=POST path=\"/v2/{repository}/blobs/uploads/\" status=201");
        self.onetag.stderr_text().matches(&mounted).count()
    }
}

impl Drop for Front {
    #[expect(clippy::print_stderr, reason = "a client says little about why it failed, onetag's log more")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("onetag's log:\n{}", self.onetag.stderr_text());
        }
    }
}

impl Plan {
    fn of(upstream: DockerRegistry, way: Way) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        Self { upstream, tokens: None, folder, loopback: Loopback::V4, way }
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("the file is written");
        path.to_str().expect("temporary paths are UTF-8").to_owned()
    }

    fn passwords(&self) -> String {
        let line = |(user, password): (&str, &str)| {
            format!("{user}:{}\n", bcrypt::hash(password, BCRYPT_COST).expect("a hash"))
        };
        let file = self.write("htpasswd", &[WRITER, READER].map(line).concat());
        format!("[access]\nhtpasswd = {file:?}\n")
    }

    fn certificate(&self, authority: &Authority) -> String {
        let (certificate, key) = authority.server_identity().write(self.folder.path(), "server");
        let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
        format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")
    }

    fn start(self, sections: &str, upstream: &str) -> Front {
        let upstream = format!("[upstream]\nurl = {:?}\n{upstream}", self.upstream.url());
        let config = self.write("onetag.toml", &format!("{sections}\n{upstream}"));
        let listen = match self.loopback {
            Loopback::V4 => "127.0.0.1:0",
            Loopback::V6 => "[::1]:0",
        };
        let binary = Path::new(env!("CARGO_BIN_EXE_onetag"));
        let onetag =
            Onetag::start(binary, &["--config", &config, "--listen", listen, "--log-level", "debug"]);
        let address = match self.loopback {
            Loopback::V4 => onetag.address().to_string(),
            Loopback::V6 => format!("localhost:{}", onetag.address().port()),
        };
        let Self { upstream, tokens, folder, way, .. } = self;
        Front { onetag, address, way, _upstream: upstream, _tokens: tokens, _folder: folder }
    }
}
