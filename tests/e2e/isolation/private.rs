//! A repository that is private, and everything that can be asked of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::client::{Client, Login, Response, basic, bearer};
use testkit::registry::Builder;
use testkit::{Account, Onetag, Registry, TokenServer, sha256};

use crate::support::{ACCEPT, Legacy, serve_config, whole_log};

/// The repository.
pub(crate) const PRIVATE: &str = "team/app";

/// The password of the accounts of registries.
pub(crate) const SECRET: &str = "secret";

/// The password of the users of onetag, and its hash.
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

/// A registry with the private repository, and onetag in front of it.
pub(crate) struct Private {
    pub(crate) registry: Registry,
    pub(crate) onetag: Onetag,
    pub(crate) legacy: Legacy,
    /// The paths of everything in the repository, merged and not.
    pub(crate) paths: Vec<String>,
    settings: String,
    data: tempfile::TempDir,
}

/// A way to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    method: &'static str,
    header: Option<(&'static str, &'static str)>,
}

/// How somebody proves who it is.
pub(crate) enum Who {
    /// By answering challenges.
    Login(Login),
    /// By this `Authorization`.
    Header(String),
}

/// The plain way to ask.
pub(crate) const GET: Form = Form { method: "GET", header: None };

/// All ways to ask.
pub(crate) const FORMS: [Form; 4] = [
    GET,
    Form { method: "HEAD", header: None },
    Form { method: "GET", header: Some(("range", "bytes=0-3")) },
    Form { method: "GET", header: Some(("if-none-match", "*")) },
];

/// Where a tag or digest of the private repository is.
pub(crate) fn manifest(reference: &str) -> String {
    format!("/v2/{PRIVATE}/manifests/{reference}")
}

impl Private {
    /// A registry, and onetag with these settings, of which the first are of its `[upstream]`.
    pub(crate) async fn start(builder: Builder, settings: &str) -> Self {
        let registry = builder.start().await;
        let legacy = Legacy::docker();
        legacy.push(&registry, "latest");
        let data = tempfile::tempdir().expect("a folder");
        let folder = data.path().to_str().expect("text");
        let url = registry.url();
        // What can be said once may stand in the settings, too.
        let cache = if settings.contains("[cache]") { "" } else { "\n[cache]\n" };
        let settings = format!("[upstream]\nurl = \"{url}\"\n{settings}{cache}\ndata_dir = {folder:?}\n");
        let onetag = serve_config(&settings, &[]);
        let layer = sha256(&legacy.amd64.layers[0].bytes);
        let referrers = |digest: &str| format!("/v2/{PRIVATE}/referrers/{digest}");
        let merged = sha256(legacy.merged());
        let paths = vec![
            manifest("latest"),
            manifest(&merged),
            manifest("latest-arm"),
            manifest(&legacy.amd64.digest()),
            format!("/v2/{PRIVATE}/blobs/{layer}"),
            format!("/v2/{PRIVATE}/tags/list"),
            referrers(&legacy.amd64.digest()),
            referrers(&merged),
        ];
        Self { registry, onetag, legacy, paths, settings, data }
    }

    /// Kills onetag and starts it again over what it has on disk.
    pub(crate) fn restart(&mut self) {
        self.onetag.kill();
        self.onetag.wait(Duration::from_secs(5));
        self.onetag = serve_config(&self.settings, &[]);
    }

    /// Everything that onetag wrote until now, when it is killed; and where it kept what outlives it.
    pub(crate) fn into_log(self) -> (String, tempfile::TempDir) {
        (whole_log(self.onetag), self.data)
    }

    /// The address of a path at onetag.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.onetag.url())
    }

    pub(crate) async fn ask(&self, who: &Who, form: Form, path: &str) -> Response {
        let mut headers: Vec<_> = [ACCEPT].into_iter().chain(form.header).collect();
        let url = self.url(path);
        let asked = match who {
            Who::Login(login) => login.request(form.method, &url, &headers, "").await,
            Who::Header(authorization) => {
                headers.push(("authorization", authorization));
                Client::plain().request(form.method, &url, &headers, "").await
            }
        };
        asked.expect("onetag answers")
    }

    pub(crate) async fn get(&self, who: &Who, path: &str) -> Response {
        self.ask(who, GET, path).await
    }

    pub(crate) async fn status(&self, who: &Who, path: &str) -> u16 {
        self.get(who, path).await.status
    }

    /// Every way to ask for everything: whether all, or none of it, is given. How many ways that were.
    pub(crate) async fn all(&self, name: &str, who: &Who, given: bool) -> usize {
        let mut ways = 0;
        for path in &self.paths {
            for form in FORMS {
                let got = self.ask(who, form, path).await;
                let what = format!("{name}: {form:?} {path}: {} {:?}", got.status, got.headers);
                assert_eq!(got.status < 400, given, "{what}");
                if !given {
                    assert_tells_nothing(&got, &what);
                }
                ways += 1;
            }
        }
        ways
    }
}

/// Asserts that a refusal has nothing of what is refused.
#[track_caller]
pub(crate) fn assert_tells_nothing(got: &Response, what: &str) {
    assert!([401, 404].contains(&got.status), "{what}");
    for told in ["docker-content-digest", "etag", "content-range", "onetag-members", "onetag-source", "link"]
    {
        assert_eq!(got.header(told), None, "{what}");
    }
    let text = got.text();
    assert!(
        !text.contains("sha256:") && !text.contains("\"manifests\"") && !text.contains("\"tags\""),
        "{what}"
    );
}

impl Who {
    /// Nobody.
    pub(crate) fn nobody() -> Self {
        Self::Login(Login::anonymous(Client::plain()))
    }

    /// An account of the registry, which answers whatever it is asked for.
    pub(crate) fn account(user: &str) -> Self {
        Self::login(user, SECRET)
    }

    pub(crate) fn login(user: &str, password: &str) -> Self {
        Self::Login(Login::new(Client::plain(), user, password))
    }

    /// A password that is sent without being asked for.
    pub(crate) fn basic(user: &str, password: &str) -> Self {
        Self::Header(basic(user, password))
    }

    /// A token of an account, to read from these repositories as far as it may.
    pub(crate) async fn token(registry: &Registry, user: &str, repositories: &[&str]) -> Self {
        Self::token_for(registry, (user, SECRET), repositories, "pull").await
    }

    /// The same for these actions.
    pub(crate) async fn token_for(
        registry: &Registry,
        (user, password): (&str, &str),
        repositories: &[&str],
        actions: &str,
    ) -> Self {
        let realm = registry.token_address().expect("it has a token server");
        let mut url = format!("http://{realm}/token?service={}", TokenServer::SERVICE);
        for repository in repositories {
            url.extend(["&scope=repository:", repository, ":", actions]);
        }
        let issued = Client::plain().get(&url, &[("authorization", &basic(user, password))]).await;
        let issued = issued.expect("it answers").json();
        Self::Header(bearer(issued["token"].as_str().expect("a token")))
    }
}

/// The accounts of the registry: two for the private repository, one of another tenant.
pub(crate) fn accounts(builder: Builder) -> Builder {
    let account = |user: &str, repositories: &[&str]| Account::new(user, SECRET).repositories(repositories);
    builder
        .admit(account("right", &[PRIVATE]))
        .admit(account("revoked", &[PRIVATE]))
        .admit(account("other", &["other/app", "other/nil"]))
}

/// A registry that asks for passwords, with those accounts.
pub(crate) fn basic_registry() -> Builder {
    accounts(Registry::builder().basic("root", SECRET))
}

/// A registry that asks for tokens, with those accounts.
pub(crate) fn bearer_registry() -> Builder {
    accounts(Registry::builder().bearer(None))
}

/// Writes a file of passwords: all users have [`PASSWORD`].
pub(crate) fn htpasswd(folder: &Path, users: &[&str]) -> PathBuf {
    let path = folder.join("htpasswd");
    let lines = users.iter().fold(String::new(), |lines, user| lines + user + ":" + HASH + "\n");
    std::fs::write(&path, lines).expect("the folder can be written");
    path
}
