//! Nobody gets more than the registry itself would give (threats T1, T2, T3, T21; goal G12).

#![expect(clippy::print_stdout, reason = "a goal tells its figures")]

use std::time::Duration;

use testkit::client::{Client, Login, Response, basic};
use testkit::registry::Builder;
use testkit::{Account, Onetag, Registry, sha256};

use crate::support::{ACCEPT, Legacy, eventually, serve_config};

const PRIVATE: &str = "team/app";

/// What is private, and what can be asked of it.
struct Private {
    registry: Registry,
    onetag: Onetag,
    /// The paths of everything in the repository, merged and not.
    paths: Vec<String>,
    _data: tempfile::TempDir,
}

/// A way to ask.
#[derive(Debug, Clone, Copy)]
struct Form {
    method: &'static str,
    header: Option<(&'static str, &'static str)>,
}

const FORMS: [Form; 4] = [
    Form { method: "GET", header: None },
    Form { method: "HEAD", header: None },
    Form { method: "GET", header: Some(("range", "bytes=0-3")) },
    Form { method: "GET", header: Some(("if-none-match", "*")) },
];

impl Private {
    async fn start(builder: Builder, settings: &str) -> Self {
        let registry = builder.start().await;
        let legacy = Legacy::docker();
        legacy.push(&registry, "latest");
        let data = tempfile::tempdir().expect("a folder");
        let settings = format!(
            "[upstream]\nurl = \"{}\"\n{settings}\n[cache]\ndata_dir = {:?}\n",
            registry.url(),
            data.path().to_str().expect("text")
        );
        let onetag = serve_config(&settings, &[]);
        let manifest = |reference: &str| format!("/v2/{PRIVATE}/manifests/{reference}");
        let layer = sha256(&legacy.amd64.layers[0].bytes);
        let paths = vec![
            manifest("latest"),
            manifest(&sha256(legacy.merged())),
            manifest("latest-arm"),
            manifest(&legacy.amd64.digest()),
            format!("/v2/{PRIVATE}/blobs/{layer}"),
            format!("/v2/{PRIVATE}/tags/list"),
            format!("/v2/{PRIVATE}/referrers/{}", legacy.amd64.digest()),
            format!("/v2/{PRIVATE}/referrers/{}", sha256(legacy.merged())),
        ];
        Self { registry, onetag, paths, _data: data }
    }

    async fn ask(&self, login: &Login, form: Form, path: &str) -> Response {
        let headers: Vec<_> = [ACCEPT].into_iter().chain(form.header).collect();
        let url = format!("{}{path}", self.onetag.url());
        login.request(form.method, &url, &headers, "").await.expect("onetag answers")
    }

    /// Every way to ask for everything: whether all, or none of it, is given. How many ways that were.
    async fn all(&self, who: &str, login: &Login, given: bool) -> usize {
        let mut ways = 0;
        for path in &self.paths {
            for form in FORMS {
                let got = self.ask(login, form, path).await;
                let is_given = got.status < 400;
                assert_eq!(is_given, given, "{who}: {form:?} {path}: {} {}", got.status, got.text());
                if !given {
                    assert!([401, 404].contains(&got.status), "{who}: {form:?} {path}: {}", got.status);
                    for told in ["docker-content-digest", "etag", "content-range", "onetag-members", "link"] {
                        assert_eq!(got.header(told), None, "{who}: {form:?} {path}");
                    }
                }
                ways += 1;
            }
        }
        ways
    }
}

fn accounts() -> [Account; 3] {
    let account = |user: &str, repositories: &[&str]| Account::new(user, "secret").repositories(repositories);
    [account("right", &[PRIVATE]), account("other", &["other/app"]), account("revoked", &[PRIVATE])]
}

fn login(user: &str, password: &str) -> Login {
    Login::new(Client::plain(), user, password)
}

fn basic_registry() -> Builder {
    Registry::builder().basic("root", "secret")
}

async fn matrix(builder: Builder, what: &str) {
    let builder = accounts().into_iter().fold(builder, Builder::admit);
    let private = Private::start(builder, "credentials = \"client\"\ngrant_ttl = \"1s\"").await;
    private.registry.revoke("revoked");
    let denied = [
        ("nobody", Login::anonymous(Client::plain())),
        ("a wrong password", login("right", "wrong")),
        ("an unknown user", login("nobody", "secret")),
        ("another tenant", login("other", "secret")),
        ("one who is revoked", login("revoked", "secret")),
    ];
    let mut ways = 0;
    for heat in ["cold", "hot"] {
        for (who, login) in &denied {
            ways += private.all(&format!("{what}, {heat}, {who}"), login, false).await;
        }
        ways += private.all(&format!("{what}, {heat}, right"), &login("right", "secret"), true).await;
    }
    println!("{what}: {ways} ways, 0 leaks");
}

#[tokio::test]
async fn t1_only_who_may_gets_anything_with_basic() {
    matrix(basic_registry(), "Basic").await;
}

#[tokio::test]
async fn t1_only_who_may_gets_anything_with_bearer() {
    matrix(Registry::builder().bearer(None), "Bearer").await;
}

#[tokio::test]
async fn t1_only_who_may_gets_anything_where_onetag_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("htpasswd");
    let users = ["right", "other"].map(|user| format!("{user}:{HASH}\n")).concat();
    std::fs::write(&file, users).expect("written");
    let settings = format!(
        "[access]\nhtpasswd = {:?}\n[[allow]]\nusers = [\"right\"]\nrepositories = [\"team/*\"]\n\
         [[allow]]\nusers = [\"*\"]\nrepositories = [\"other/*\"]\n",
        file.to_str().expect("text")
    );
    let private = Private::start(Registry::builder(), &settings).await;
    let mut ways = 0;
    for _ in 0..2 {
        for (who, login) in [
            ("nobody", Login::anonymous(Client::plain())),
            ("a wrong password", login("right", "wrong")),
            ("another tenant", login("other", PASSWORD)),
        ] {
            ways += private.all(who, &login, false).await;
        }
        ways += private.all("right", &login("right", PASSWORD), true).await;
    }
    println!("htpasswd: {ways} ways, 0 leaks");
}

const PASSWORD: &str = "correct horse";
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

#[tokio::test]
async fn t2_what_is_denied_and_what_is_absent_are_told_in_the_same_bytes() {
    for code in [403, 404] {
        let builder = accounts().into_iter().fold(basic_registry().denied(code), Builder::admit);
        let private = Private::start(builder, "credentials = \"client\"").await;
        private.all("warm", &login("right", "secret"), true).await;
        let other = login("other", "secret");
        for path in &private.paths {
            for form in FORMS {
                let denied = private.ask(&other, form, path).await;
                let absent = private.ask(&other, form, &path.replace(PRIVATE, "team/nil")).await;
                let told = |response: &Response| {
                    let mut headers = response.headers.clone();
                    headers.remove("x-request-id");
                    headers.remove("date");
                    (response.status, format!("{headers:?}"), response.text())
                };
                assert_eq!(told(&denied), told(&absent), "{code}: {form:?} {path}");
            }
        }
    }
}

#[tokio::test]
async fn t3_revoked_access_lives_on_for_the_time_of_a_grant_and_outages_stretch_it_no_further_than_set() {
    let builder = accounts().into_iter().fold(basic_registry(), Builder::admit);
    let private =
        Private::start(builder, "credentials = \"client\"\ngrant_ttl = \"1s\"\nstale_grant = \"2s\"").await;
    let (path, form) = (&private.paths[0], FORMS[0]);
    let headers = [ACCEPT, ("authorization", &*basic("right", "secret"))];
    let status = async || {
        Client::plain().get(&format!("{}{path}", private.onetag.url()), &headers).await.unwrap().status
    };
    assert_eq!(private.ask(&login("right", "secret"), form, path).await.status, 200);
    // An outage: the grant is stretched, and ends.
    private.registry.fail(testkit::Match::all(), testkit::Fault::status(503));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(status().await, 200);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(status().await, 503);
    // What is refused is never stretched.
    private.registry.heal();
    eventually("the upstream is asked again", async || status().await == 200).await;
    private.registry.revoke("right");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(status().await, 401);
    private.registry.fail(testkit::Match::all(), testkit::Fault::status(503));
    assert_eq!(status().await, 503, "a refusal has taken the grant away");
}

#[tokio::test]
async fn t21_what_one_caller_is_denied_is_there_for_another() {
    let builder = accounts().into_iter().fold(basic_registry().denied(404), Builder::admit);
    let private = Private::start(builder, "credentials = \"client\"").await;
    for _ in 0..2 {
        private.all("another tenant", &login("other", "secret"), false).await;
        private.all("right", &login("right", "secret"), true).await;
    }
}

#[tokio::test]
async fn callers_with_and_without_rights_come_together_and_each_gets_its_own() {
    let builder = accounts().into_iter().fold(basic_registry(), Builder::admit);
    let private = Private::start(builder, "credentials = \"client\"").await;
    let asked = (0..100).map(|n| {
        let (private, is_right) = (&private, n % 3 == 1);
        let caller = login(if is_right { "right" } else { "other" }, "secret");
        async move {
            for place in [0, 4] {
                let got = private.ask(&caller, FORMS[0], &private.paths[place]).await;
                assert_eq!(got.status == 200, is_right, "{n}: {} {}", got.status, got.text());
            }
        }
    });
    futures_util::future::join_all(asked).await;
}
