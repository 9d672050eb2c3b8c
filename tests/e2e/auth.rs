//! Upstreams that ask who it is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use testkit::image::media_type::DOCKER_LIST;
use testkit::registry::Builder;
use testkit::{Fault, Kind, Match, Onetag, Registry, client};
use tokio::task::JoinSet;

use crate::support::{
    ACCEPT, Legacy, REPOSITORY, Site, command, eventually, manifest_path, refusal, serve_with, served_as,
    text, whole_log,
};

const USER: &str = "puller";
const PASSWORD: &str = "canary-7f3a9c-password";
const ACCOUNT: &[&str] = &["--upstream-username", USER, "--upstream-password", PASSWORD];

/// How a registry asks.
fn schemes() -> [Builder; 2] {
    [Registry::builder().basic(USER, PASSWORD), Registry::builder().bearer(Some((USER, PASSWORD)))]
}

fn encoded() -> String {
    BASE64.encode(format!("{USER}:{PASSWORD}"))
}

fn write(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, content).expect("the directory can be written");
    path
}

/// A credential helper that knows one registry.
fn write_helper(directory: &Path, registry: &str) {
    let answer = format!(r#"{{"ServerURL":"{registry}","Username":"{USER}","Secret":"{PASSWORD}"}}"#);
    let refusal = "echo 'credentials not found in native keychain'; exit 1";
    let script = format!(
        "#!/bin/sh\nread -r server\n[ \"$1 $server\" = 'get {registry}' ] || {{ {refusal}; }}\necho '{answer}'\n"
    );
    let path = write(directory, "docker-credential-test", &script);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("an own file");
}

async fn pull(onetag: &Onetag) -> client::Response {
    let url = format!("{}{}", onetag.url(), manifest_path("latest"));
    client::get(&url, &[ACCEPT]).await.expect("onetag answers")
}

/// An onetag for each place that the account may come from.
fn each_source(upstream: &str, host: &str, directory: &Path) -> Vec<(&'static str, Onetag)> {
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let file = text(&write(directory, "password", &format!("{PASSWORD}\n")));
    let auths = text(&write(
        directory,
        "auths.json",
        &format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, encoded()),
    ));
    let own = text(&write(directory, "own.json", &format!(r#"{{"credHelpers":{{"{host}":"test"}}}}"#)));
    write(directory, "config.json", r#"{"auths":{"other.example":{"auth":"eDp5"}},"credsStore":"test"}"#);
    write_helper(directory, host);
    let directory = text(directory);
    let path = format!("{directory}:{}", std::env::var("PATH").unwrap_or_default());
    let start =
        |args: &[&str], env: &[(&str, &str)]| serve_with(&[&["--upstream", upstream], args].concat(), env);
    let variables = [("ONETAG_UPSTREAM_USERNAME", USER), ("ONETAG_UPSTREAM_PASSWORD", PASSWORD)];
    vec![
        ("flags", start(ACCOUNT, &[])),
        ("environment", start(&[], &variables)),
        ("file", start(&["--upstream-username", USER, "--upstream-password-file", &file], &[])),
        ("auths", start(&["--docker-config", &auths], &[])),
        ("credHelpers", start(&["--docker-config", &own], &[("PATH", &path)])),
        ("credsStore", start(&[], &[("DOCKER_CONFIG", &directory), ("PATH", &path)])),
    ]
}

#[tokio::test]
async fn an_account_may_come_from_every_source_for_both_schemes() {
    for builder in schemes() {
        let registry = builder.start().await;
        let legacy = Legacy::docker();
        legacy.push(&registry, "latest");
        let directory = tempfile::tempdir().unwrap();
        let host = registry.address().to_string();
        for (source, onetag) in each_source(&registry.url(), &host, directory.path()) {
            let got = pull(&onetag).await;
            assert_eq!(got.status, 200, "{source}: {} {}", got.text(), onetag.stderr_text());
            served_as(&got, DOCKER_LIST, legacy.merged());
        }
    }
}

#[tokio::test]
async fn an_open_token_server_needs_no_account() {
    let site = Site::over(Registry::builder().bearer(None).start().await, &[]);
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
}

#[tokio::test]
async fn a_wrong_password_or_none_is_denied_and_nothing_of_it_is_kept() {
    let wrong: &[&str] = &["--upstream-username", USER, "--upstream-password", "wrong"];
    for (number, args) in [wrong, &[], wrong, &[]].into_iter().enumerate() {
        let [basic, bearer] = schemes();
        let registry = if number < 2 { basic } else { bearer }.start().await;
        let site = Site::over(registry, args);
        Legacy::docker().push(&site.registry, "latest");
        for _ in 0..2 {
            site.registry.forget_requests();
            let (status, code, _) = refusal(&site.manifest("latest").await);
            assert_eq!((status, &*code), (403, "DENIED"));
            assert!(!site.registry.requests().is_empty(), "the refusal was kept");
        }
        let blob = site.blob(&Legacy::docker().arm64.config_digest(), &[]).await.unwrap();
        assert_eq!(refusal(&blob).0, 403);
    }
}

#[tokio::test]
async fn a_repository_that_is_closed_to_the_account_is_denied_and_others_are_not() {
    let registry =
        Registry::builder().basic("admin", "x").account(USER, PASSWORD, &[REPOSITORY]).start().await;
    let legacy = Legacy::docker();
    legacy.push(&registry, "latest");
    registry.push("team/secret", "latest", &legacy.amd64);
    let site = Site::over(registry, ACCOUNT);
    assert_eq!(site.manifest("latest").await.status, 200);
    let closed = site.get("/v2/team/secret/manifests/latest", &[ACCEPT]).await;
    assert_eq!(refusal(&closed).1, "DENIED");
}

#[tokio::test]
async fn many_pulls_at_once_fetch_one_token_for_each_repository() {
    let site = Site::over(Registry::builder().bearer(Some((USER, PASSWORD))).start().await, ACCOUNT);
    let legacy = Legacy::docker();
    let repositories = ["team/a", "team/b"];
    for repository in repositories {
        site.registry.push(repository, "latest", &legacy.amd64);
    }
    let mut pulls: JoinSet<u16> = (0..200)
        .map(|number| {
            let (repository, tag) = (repositories[number % 2], number / 2);
            let url = site.url(&format!("/v2/{repository}/manifests/v{tag}"));
            async move { client::get(&url, &[ACCEPT]).await.expect("onetag answers").status }
        })
        .collect();
    pulls.spawn(std::future::ready(404));
    assert!(pulls.join_all().await.iter().all(|status| *status == 404));
    let tokens = site.registry.requests();
    let mut scopes: Vec<_> = tokens
        .iter()
        .filter(|request| request.kind == Kind::Token)
        .map(|request| request.query.as_str())
        .collect();
    scopes.sort_unstable();
    assert_eq!(scopes.len(), 2, "{scopes:?}");
    assert!(scopes[0].contains("team%2Fa%3Apull") && scopes[1].contains("team%2Fb%3Apull"), "{scopes:?}");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let builder = Registry::builder().bearer(Some((USER, PASSWORD))).token_ttl(Duration::from_secs(1));
    let site = Site::over(
        builder.start().await,
        &[ACCOUNT, &["--tag-ttl", "0s", "--stale-if-error", "0s"]].concat(),
    );
    Legacy::docker().push(&site.registry, "latest");
    let tokens = || site.registry.count(|request| request.kind == Kind::Token);
    eventually("a third token is fetched", || async {
        let got = site.manifest("latest").await;
        assert_eq!(got.status, 200, "{}", got.text());
        tokens() == 3
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_replaced_within_the_same_request() {
    let site = Site::over(Registry::builder().bearer(Some((USER, PASSWORD))).start().await, ACCOUNT);
    let legacy = Legacy::docker();
    legacy.push(&site.registry, "latest");
    assert_eq!(site.manifest("latest-arm").await.status, 200);
    let realm = format!("http://{}/token", site.registry.token_address().unwrap());
    let challenge = format!("Bearer realm=\"{realm}\",service=\"testkit-registry\",error=\"invalid_token\"");
    let headers = vec![("WWW-Authenticate".to_owned(), challenge)];
    let refused = Fault::Status { code: 401, headers, body: Vec::new() };
    let fault = site.registry.fail_times(1, Match::manifest(REPOSITORY, "latest"), refused);
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
    assert_eq!(site.registry.hits(fault), 1);
    assert_eq!(site.registry.count(|request| request.kind == Kind::Token), 2);
}

#[tokio::test]
async fn a_redirect_for_blobs_is_followed_without_authorization() {
    for builder in schemes() {
        let site = Site::over(builder.start().await, ACCOUNT);
        let legacy = Legacy::docker();
        legacy.push(&site.registry, "latest");
        let second = site.registry.redirect_blobs_to_second_server().await;
        served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());
        let layer = &legacy.arm64.layers[0];
        let own = ("authorization", "Bearer the-callers-own");
        let got = site.blob(&layer.digest(), &[own]).await.unwrap();
        assert_eq!((got.status, &got.body[..]), (200, &layer.bytes[..]));
        let arrived = second.requests();
        assert_eq!(arrived.len(), 3, "two configs and a layer");
        assert!(arrived.iter().all(|request| request.header("authorization").is_none()), "{arrived:?}");
        let callers = site.registry.count(|request| {
            request.header("authorization").is_some_and(|value| value.contains("the-callers-own"))
        });
        assert_eq!(callers, 0);
    }
}

#[tokio::test]
async fn a_token_server_elsewhere_is_never_shown_the_account() {
    let site = Site::start(ACCOUNT).await;
    for realm in ["http://169.254.169.254/token", "http://user@127.0.0.1/token", "ftp://127.0.0.1/token"] {
        let headers =
            vec![("WWW-Authenticate".to_owned(), format!("Bearer realm=\"{realm}\",service=\"x\""))];
        site.registry.fail(Match::all(), Fault::Status { code: 401, headers, body: Vec::new() });
        let (status, code, message) = refusal(&site.manifest("latest").await);
        assert_eq!((status, &*code), (403, "DENIED"), "{realm}: {message}");
        site.registry.heal();
    }
}

#[tokio::test]
async fn no_secret_is_ever_written_anywhere() {
    for builder in schemes() {
        let registry = builder.start().await;
        let legacy = Legacy::docker();
        legacy.push(&registry, "latest");
        let second = registry.redirect_blobs_to_second_server().await;
        let site = Site::over(registry, &[ACCOUNT, &["--log-level", "trace"]].concat());
        assert_eq!(site.manifest("latest").await.status, 200);
        assert_eq!(site.blob(&legacy.arm64.layers[0].digest(), &[]).await.unwrap().status, 200);
        site.registry.fail(Match::all(), Fault::status(500));
        assert_eq!(site.manifest("other").await.status, 503);
        second.fail(Match::all(), Fault::status(403));
        site.registry.heal();
        let refused = site.blob(&legacy.arm64.layers[0].digest(), &[]).await.unwrap();
        let metrics = client::get(&format!("{}/metrics", site.onetag.admin_url()), &[]).await.unwrap();
        let written = [whole_log(site.onetag), refused.text(), metrics.text()].concat();
        assert!(written.contains("TRACE") && written.contains("upstream answered"));
        for secret in [PASSWORD, &encoded(), "testkit-token-", "X-Sig"] {
            let line = written.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in the log");
        }
    }
}

#[test]
fn printed_settings_hide_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let content = format!(
        "[upstream]\nurl = \"https://registry.example\"\nusername = \"{USER}\"\npassword = \"{PASSWORD}\"\n"
    );
    let file = write(directory.path(), "onetag.toml", &content);
    let output = command(&["check", "--print", file.to_str().unwrap()], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains(USER) && printed.contains("password"), "{printed}");
    assert!(!printed.contains(PASSWORD), "{printed}");
}
