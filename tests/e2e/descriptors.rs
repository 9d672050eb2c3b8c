//! Few file descriptors: fewer connections, and a word about it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use testkit::image::media_type::DOCKER_LIST;
use testkit::{Registry, client};
use tokio::net::TcpStream;

use crate::support::{Legacy, Site, bin, eventually, serve_bin, served_as, whole_log};

/// A program that starts onetag with so many open files at most.
fn limited(folder: &std::path::Path, files: u32) -> std::path::PathBuf {
    let script = folder.join("onetag");
    let text = format!("#!/bin/sh\nulimit -n {files} && exec '{}' \"$@\"\n", bin().display());
    fs::write(&script, text).expect("a writable folder");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("a file of our own");
    script
}

#[tokio::test]
async fn with_few_file_descriptors_it_takes_fewer_connections_and_runs_out_of_neither() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start().await;
    let legacy = Legacy::docker();
    legacy.push(&registry, "latest");
    let onetag = serve_bin(&limited(folder.path(), 300), &registry.url(), &[]);
    let site = Site { registry, onetag };

    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(site.onetag.address()).await.unwrap());
    }
    let metrics = format!("{}/metrics", site.onetag.admin_url());
    let open = || async { client::get(&metrics, &[]).await.unwrap().text() };
    eventually("all places are taken", || async { open().await.contains("\nonetag_connections 22\n") }).await;
    drop(idle);
    served_as(&site.manifest("latest").await, DOCKER_LIST, legacy.merged());

    let log = whole_log(site.onetag);
    assert_eq!(log.matches("too few open files").count(), 1, "{log}");
    assert!(log.contains("max_connections=22") && log.contains("LimitNOFILE="), "{log}");
    assert!(!log.contains("cannot accept"), "{log}");
}
