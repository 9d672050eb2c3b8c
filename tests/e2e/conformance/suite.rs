//! All checks, run one after another.

use std::time::SystemTime;

use futures_util::future::BoxFuture;
use testkit::client::Login;

use super::subject::Subject;
use super::verdict::Verdict;
use super::{discovery, management, manifests, pull, uploads};

/// One check; its name is its function's.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) run: fn(Subject) -> BoxFuture<'static, Verdict>,
}

macro_rules! checks {
    ($($check:ident,)*) => {
        &[$($crate::conformance::suite::Check {
            name: stringify!($check),
            run: |subject| Box::pin($check(subject)),
        }),*]
    };
}
pub(super) use checks;

const WORKFLOWS: [&[Check]; 5] =
    [pull::CHECKS, uploads::CHECKS, manifests::CHECKS, discovery::CHECKS, management::CHECKS];

/// Runs every check against the registry at `url`, each in repositories of its own, and asserts that exactly those
/// named in `known_to_fail` fail.
pub(crate) async fn conforms(url: &str, login: &Login, known_to_fail: &[&str]) {
    let stamp = SystemTime::UNIX_EPOCH.elapsed().expect("a clock past 1970").as_nanos();
    let (mut failed, mut surprises) = (Vec::new(), Vec::new());
    for check in WORKFLOWS.iter().copied().flatten() {
        let subject = Subject::new(url, login.clone(), &format!("conformance/{stamp}/{}", check.name));
        if let Err(reason) = (check.run)(subject).await {
            failed.push(check.name);
            if !known_to_fail.contains(&check.name) {
                surprises.push(format!("{} failed: {reason}", check.name));
            }
        }
    }
    let missed = known_to_fail.iter().filter(|name| !failed.contains(*name));
    surprises.extend(missed.map(|name| format!("{name} is known to fail and did not, or is no check")));
    assert!(surprises.is_empty(), "{url}:\n{}", surprises.join("\n"));
}
