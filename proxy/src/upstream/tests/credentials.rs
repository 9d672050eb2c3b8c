use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::{Match, Registry};

use super::super::credential::Credential;
use super::super::docker;
use super::super::{Credentials, SetupError};
use super::{APP, Site, bearer_challenge, image, settings};

fn account(username: &str, password: &str) -> Option<Credential> {
    Credential::new(username, password)
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_credential_cannot_print() {
    let debug = format!("{:?} {:?}", account("jo", "secret"), account("<token>", "secret"));
    assert!(!debug.contains("secret") && !debug.contains("am86c2Vj"), "{debug}");
    assert_eq!(account("", ""), None);
    assert!(matches!(account("<token>", "x"), Some(Credential::Identity(_))));
}

#[tokio::test]
async fn a_password_file_is_read_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "password", "secret\r\n");
    let mut config = settings("https://registry.example.com");
    config.username = Some("jo".into());
    config.password_file = Some(path);
    let credentials = Credentials::resolve(&config).unwrap();
    assert_eq!(credentials.current().await.as_deref(), account("jo", "secret").as_ref());
}

#[tokio::test]
async fn a_password_that_was_renewed_is_found_by_the_request_that_runs_into_it() {
    for builder in [Registry::builder().basic("jo", "new"), Registry::builder().bearer(Some(("jo", "new")))] {
        let folder = tempfile::tempdir().unwrap();
        let registry = builder.start().await;
        registry.push(APP, "latest", &image());
        let mut config = settings(&registry.url());
        config.username = Some("jo".into());
        config.password_file = Some(write(folder.path(), "password", "old"));
        let site = Site::new(&config);
        assert!(site.manifest("latest").await.is_err());
        write(folder.path(), "password", "new");
        // Not at once: each refused request would ask the source.
        assert!(site.manifest("latest").await.is_err());
        site.upstream.attempts.auth.credentials.age(Duration::from_secs(10));
        assert!(site.manifest("latest").await.unwrap().is_some());
    }
}

#[test]
fn half_an_account_and_a_missing_password_file_are_setup_errors() {
    let mut config = settings("https://registry.example.com");
    config.username = Some("jo".into());
    assert!(matches!(Credentials::resolve(&config), Err(SetupError::HalfCredentials)));
    config.password_file = Some("/nonexistent/password".into());
    let text = Credentials::resolve(&config).unwrap_err().to_string();
    assert!(
        text.starts_with("upstream.password_file: cannot read /nonexistent/password: No such file"),
        "{text}"
    );
}

#[tokio::test]
async fn a_docker_configuration_gives_the_account_of_its_registry_alone() {
    let folder = tempfile::tempdir().unwrap();
    // "jo:secret"
    let text = r#"{"auths":{
        "registry.example.com":{"auth":"am86c2VjcmV0"},
        "https://index.docker.io/v1/":{"auth":"am86aHVi"},
        "id.example.com":{"auth":"am86c2VjcmV0","identitytoken":"identity"}}}"#;
    write(folder.path(), "config.json", text);
    for (url, found) in [
        ("https://registry.example.com", account("jo", "secret")),
        ("https://registry-1.docker.io", account("jo", "hub")),
        ("https://id.example.com", account("<token>", "identity")),
        ("https://registry.example.com:5000", None),
        ("https://other.example.com", None),
    ] {
        let mut config = settings(url);
        config.docker_config = Some(folder.path().to_owned());
        let credentials = Credentials::resolve(&config).unwrap();
        assert_eq!(credentials.current().await.as_deref(), found.as_ref(), "{url}");
        config.use_docker_config = false;
        assert_eq!(Credentials::resolve(&config).unwrap().current().await, None, "{url}");
    }
}

#[tokio::test]
async fn an_account_that_is_set_wins_over_the_docker_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"auths":{"registry.example.com":{"auth":"am86c2VjcmV0"}}}"#;
    let mut config = super::with_account("https://registry.example.com", "ann", "other");
    config.docker_config = Some(write(folder.path(), "config.json", text));
    let credentials = Credentials::resolve(&config).unwrap();
    assert_eq!(credentials.current().await.as_deref(), account("ann", "other").as_ref());
}

#[tokio::test]
async fn a_broken_docker_configuration_is_one_warning_and_an_anonymous_request() {
    let log = super::log::Log::default();
    let _guard = log.capture_everything();
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::builder().bearer(None).start().await;
    registry.push(APP, "latest", &image());
    let mut config = settings(&registry.url());
    config.docker_config = Some(write(folder.path(), "config.json", "{\"auths\": \"canary"));
    let site = Site::new(&config);
    assert!(site.manifest("latest").await.unwrap().is_some());
    let realm = format!("http://{}/token", registry.token_address().unwrap());
    registry.fail_times(1, Match::manifest(APP, "latest"), bearer_challenge(&realm));
    assert!(site.manifest("latest").await.unwrap().is_some());
    let text = log.text();
    assert_eq!(text.matches("it is not a Docker configuration").count(), 1, "{text}");
    assert!(!text.contains("canary"), "{text}");
    // A file that is not there is not worth a word.
    fs::remove_file(config.docker_config.as_ref().unwrap()).unwrap();
    assert!(Site::new(&config).manifest("latest").await.unwrap().is_some());
    assert_eq!(log.text().matches("no credentials from").count(), 1);
}

/// Set in the process that has the helpers in its search path.
const HAS_HELPERS: &str = "ONETAG_TEST_HAS_HELPERS";

/// Helpers are found by the search path, which a test can set for another process only: it begins itself anew.
#[tokio::test]
async fn helpers_are_asked_in_dockers_order_and_bounded_in_time() {
    if std::env::var_os(HAS_HELPERS).is_some() {
        return ask_helpers().await;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in [
        ("good", r#"read server; echo "{\"Username\":\"$server\",\"Secret\":\"from-helper\"}""#),
        ("identity", r#"echo '{"Username":"<token>","Secret":"identity"}'"#),
        ("none", "echo 'credentials not found in native keychain'; exit 1"),
        ("broken", "echo canary-secret; exit 1"),
        ("garbage", "echo canary-secret"),
        ("slow", "exec sleep 60"),
    ] {
        let path =
            write(folder.path(), &format!("docker-credential-{name}"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let search_path = format!("{}:/usr/bin:/bin", folder.path().display());
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "upstream::tests::credentials::helpers_are_asked_in_dockers_order_and_bounded_in_time",
            "--nocapture",
        ])
        .env("PATH", search_path)
        .env(HAS_HELPERS, "yes")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

async fn ask_helpers() {
    let log = super::log::Log::default();
    let _guard = log.capture_everything();
    let folder = tempfile::tempdir().unwrap();
    let auth = r#""auths":{"r.example":{"auth":"am86c2VjcmV0"},"s.example":{}}"#;
    for (config, server, found) in [
        (r#""credsStore":"good""#, "s.example", account("s.example", "from-helper")),
        (r#""credsStore":"good""#, "r.example", account("jo", "secret")),
        (
            r#""credHelpers":{"r.example":"identity"},"credsStore":"good""#,
            "r.example",
            account("<token>", "identity"),
        ),
        (
            r#""credHelpers":{"index.docker.io":"good"}"#,
            "https://index.docker.io/v1/",
            account("https://index.docker.io/v1/", "from-helper"),
        ),
        (r#""credsStore":"none""#, "s.example", None),
        (r#""credsStore":"broken""#, "s.example", None),
        (r#""credsStore":"garbage""#, "s.example", None),
        (r#""credsStore":"missing""#, "s.example", None),
        (r#""credsStore":"slow""#, "s.example", None),
    ] {
        let path = write(folder.path(), "config.json", &format!("{{{auth},{config}}}"));
        let started = std::time::Instant::now();
        assert_eq!(docker::look_up(&path, server).await, found, "{config}");
        assert!(started.elapsed() < Duration::from_secs(5), "{config}");
    }
    let text = log.text();
    for name in ["broken failed", "garbage answered", "missing cannot be run", "slow did not answer within"] {
        assert_eq!(text.matches(&format!("configuration: docker-credential-{name}")).count(), 1, "{text}");
    }
    assert!(!text.contains("canary") && !text.contains("docker-credential-none failed"), "{text}");
}
