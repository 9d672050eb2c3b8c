//! Programs start, are watched and end.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::client::{Client, Error, Login};
use crate::image::{Image, buildx, hello};
use crate::registry::{Account, TokenServer};
use crate::tls::Authority;
use crate::{client, wait_for};

const PATIENCE: Duration = Duration::from_secs(5);

/// A shell script in the place of the proxy.
fn program(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    (directory, path)
}

const SERVES: &str = "trap 'echo asked to end >&2; exit 7' TERM
echo \"arguments: $*\" >&2
echo 'registry listening on http://127.0.0.1:5001'
echo 'admin listening on http://127.0.0.1:5002'
while :; do sleep 0.05; done";

#[test]
fn the_proxy_is_started_watched_and_asked_to_end() {
    let (_directory, bin) = program(SERVES);
    let mut onetag = Onetag::start(&bin, &["--upstream", "http://x"]);
    assert_eq!((onetag.url(), onetag.admin_url()), ("http://127.0.0.1:5001", "http://127.0.0.1:5002"));
    assert_eq!(onetag.address().port(), 5001);
    onetag.terminate();
    assert_eq!(onetag.wait(PATIENCE).code(), Some(7));
    let said =
        "arguments: serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --upstream http://x\nasked to end\n";
    assert_eq!(onetag.stderr_text(), said);
}

#[test]
fn an_address_of_the_tests_own_is_kept() {
    let (_directory, bin) = program(SERVES);
    let mut onetag = Onetag::start(&bin, &["--listen=127.0.0.1:9", "--admin", "127.0.0.1:8"]);
    onetag.kill();
    onetag.wait(PATIENCE);
    assert_eq!(onetag.stderr_text(), "arguments: serve --listen=127.0.0.1:9 --admin 127.0.0.1:8\n");
}

#[test]
fn the_proxy_can_be_killed_halted_and_outlived() {
    let (_directory, bin) = program(SERVES);
    let mut onetag = Onetag::start(&bin, &[]);
    onetag.halt();
    onetag.terminate();
    onetag.kill();
    assert_eq!(onetag.wait(PATIENCE).signal(), Some(9));
    onetag.kill();

    let onetag = Onetag::start(&bin, &[]);
    let entry = PathBuf::from(format!("/proc/{}", onetag.pid()));
    assert!(entry.exists());
    drop(onetag);
    assert!(!entry.exists(), "dropped, so killed and reaped");
}

#[test]
#[should_panic(expected = "no upstream given")]
fn a_proxy_that_does_not_start_shows_what_it_said() {
    let (_directory, bin) = program("echo 'no upstream given' >&2; exit 2");
    Onetag::start(&bin, &[]);
}

#[test]
#[should_panic(expected = "registry listening on")]
fn waiting_for_an_end_that_does_not_come_shows_the_log() {
    let (_directory, bin) = program(SERVES);
    Onetag::start(&bin, &[]).wait(Duration::from_millis(20));
}

#[test]
fn a_command_is_run_to_its_end_with_its_environment_alone() {
    let output =
        run(Path::new("/bin/sh"), &["-c", "printf '%s\\377' $ONETAG_X; env; exit 3"], &[("ONETAG_X", "set")]);
    assert!(output.stdout.starts_with(b"set\xff"));
    assert_eq!(output.status.code(), Some(3));
    let output = run(Path::new("/bin/sh"), &["-c", "cat; echo err >&2"], &[]);
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b""[..], &b"err\n"[..]));
}

#[test]
fn what_is_installed_is_found() {
    assert!(require("sh"));
}

#[test]
fn a_real_registry_takes_the_fixtures() {
    let Some(registry) = DockerRegistry::start() else { return };
    let image = hello("linux/arm64");
    let pushed = registry.push("team/app", "latest-arm", &image);
    let index = buildx(&Image::builder("linux/amd64").build());
    registry.push_index("team/app", "latest", &index);
    for (reference, digest) in [("latest-arm", pushed), ("latest", index.digest())] {
        let url = format!("{}/v2/team/app/manifests/{reference}", registry.url());
        let accept = [("accept", image.media_type.clone()), ("accept", index.media_type.clone())];
        let answer = wait_for(async move {
            let accept: Vec<_> = accept.iter().map(|(name, value)| (*name, value.as_str())).collect();
            client::get(&url, &accept).await.expect("an answer")
        });
        assert_eq!((answer.status, answer.header("docker-content-digest")), (200, Some(digest.as_str())));
    }
    registry.delete_manifest("team/app", &image.digest());
}

#[test]
fn a_real_registry_asks_for_its_password() {
    let Some(registry) = DockerRegistry::start_with_basic() else { return };
    registry.push("app", "latest", &hello("linux/amd64"));
    let url = format!("{}/v2/", registry.url());
    let refused = wait_for(async move { client::get(&url, &[]).await.expect("an answer") });
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_real_registry_takes_the_token_servers_tokens() {
    let accounts = [
        Account::new(DockerRegistry::USER, DockerRegistry::PASSWORD),
        Account::new("reader", "r").repositories(&["app"]).actions(&["pull"]),
    ];
    let tokens = TokenServer::start(accounts, Duration::from_mins(1)).await;
    let Some(registry) = DockerRegistry::builder().tokens_of(&tokens).start() else { return };
    registry.push("app", "latest", &hello("linux/amd64"));
    registry.push("other", "latest", &hello("linux/amd64"));
    registry.delete_manifest("other", &hello("linux/amd64").digest());
    let reader = Login::new(Client::plain(), "reader", "r");
    for (method, path, status) in [
        ("GET", "app/tags/list", 200),
        ("POST", "app/blobs/uploads/", 401),
        ("GET", "other/tags/list", 401),
        ("GET", "_catalog", 401),
    ] {
        let url = format!("{}/v2/{path}", registry.url());
        assert_eq!(reader.request(method, &url, &[], "").await.unwrap().status, status, "{path}");
    }
    let url = format!("{}/v2/_catalog", registry.url());
    let root = Login::new(Client::plain(), DockerRegistry::USER, DockerRegistry::PASSWORD);
    assert_eq!(root.request("GET", &url, &[], "").await.unwrap().status, 200);
    tokens.revoke("reader");
    let url = format!("{}/v2/app/tags/list", registry.url());
    assert_eq!(reader.request("GET", &url, &[], "").await.unwrap().status, 401);
    let forged = client::bearer(&tokens_of_another().await);
    assert_eq!(client::get(&url, &[("authorization", &forged)]).await.unwrap().status, 401);
}

/// A token for the same from a server with another authority.
async fn tokens_of_another() -> String {
    let other = TokenServer::start([Account::anonymous()], Duration::from_mins(1)).await;
    let url = format!("{}?service={}&scope=repository:app:pull", other.realm(), TokenServer::SERVICE);
    client::get(&url, &[]).await.unwrap().json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_real_registry_speaks_http2_and_asks_for_certificates() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let Some(registry) = DockerRegistry::builder().tls(&authority).start() else { return };
    registry.push("app", "latest", &hello("linux/amd64"));
    let url = format!("{}/v2/app/tags/list", registry.url());
    let client = Client::trusting(&authority.ca_pem());
    for (client, http2) in
        [(client.clone(), false), (client.clone().negotiating(), true), (client.clone().http2(), true)]
    {
        let mut connection = client.connect(&url).await.unwrap();
        assert_eq!(connection.is_http2(), http2);
        assert_eq!(connection.request("GET", &url, &[], "").await.unwrap().status, 200);
    }

    let registry = DockerRegistry::builder().tls(&authority).client_ca(&clients).start().unwrap();
    registry.push("app", "latest", &hello("linux/amd64"));
    let url = format!("{}/v2/", registry.url());
    let known = client.clone().identity(&clients.client_identity("ci"));
    assert_eq!(known.get(&url, &[]).await.unwrap().status, 200);
    let stranger = client.clone().identity(&Authority::new().client_identity("ci"));
    for refused in [client, stranger] {
        assert!(matches!(refused.get(&url, &[]).await, Err(Error::Connect(_) | Error::Exchange(_))));
    }
}

#[test]
fn a_real_registry_may_delete_nothing() {
    let Some(registry) = DockerRegistry::builder().without_deletion().start() else { return };
    let image = hello("linux/amd64");
    registry.push("app", "latest", &image);
    let url = format!("{}/v2/app/manifests/{}", registry.url(), image.digest());
    let refused = wait_for(async move { client::request("DELETE", &url, &[], "").await.unwrap() });
    assert_eq!(refused.status, 405);
}
