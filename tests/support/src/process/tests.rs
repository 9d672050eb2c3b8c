//! Programs start, are watched and end.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::image::{Image, buildx, hello};
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
