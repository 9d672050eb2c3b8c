//! Tests of the room.

mod allow;
mod basic;
mod htpasswd;
mod identity;
mod oracle;
mod passwords;
mod secrets;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use onetag_config::{Allow, Config, Group};

use super::{Access, Caller, Identity};

/// Made by another implementation of bcrypt (libxcrypt): of "correct horse" at cost 5, and "bob's" at cost 6.
const ALICE: &str = "alice:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
const BOB: &str = "bob:$2y$06$abcdefghijklmnopqrstuuMPL29vsMxRo0f0gb2hP0XGMs2oMnl/C";

fn basic(user: &str, password: &str) -> HeaderValue {
    encoded(format!("{user}:{password}").as_bytes())
}

fn encoded(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(bytes))).expect("a header value")
}

/// A file of passwords, in a folder that goes away with the first value.
fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("htpasswd");
    std::fs::write(&path, text).expect("a file");
    (folder, path)
}

fn with_file(htpasswd: Option<PathBuf>) -> Config {
    let mut config = Config::default();
    config.access.htpasswd = htpasswd;
    config
}

fn with_passwords(text: &str) -> Access {
    let (_folder, path) = file(text);
    let settings = with_file(Some(path));
    Access::load(&settings, false).expect("a fit file")
}

fn known(user: &str, groups: &[&str]) -> Caller {
    Caller::Known { user: user.into(), groups: groups.iter().map(|group| Arc::from(*group)).collect() }
}

fn identity(user: &str, groups: &[&str]) -> Arc<Identity> {
    let groups = groups.iter().map(|group| Arc::from(*group)).collect();
    Arc::new(Identity { user: user.into(), groups })
}

fn group(name: &str, users: &[&str]) -> Group {
    Group { name: name.into(), users: texts(users) }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn allow(users: &[&str], groups: &[&str], repositories: &[&str], actions: &[super::Action]) -> Allow {
    Allow {
        users: texts(users),
        groups: texts(groups),
        anonymous: users.is_empty() && groups.is_empty(),
        repositories: repositories.iter().map(|glob| glob.parse().expect("a glob")).collect(),
        actions: actions.to_vec(),
    }
}
