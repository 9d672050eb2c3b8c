//! Nobody gets more than the registry itself would give (threats T1, T2; goal G12).

#![expect(clippy::print_stdout, reason = "a goal tells its figures")]

mod oracle;
mod private;

use std::time::Duration;

use testkit::Registry;
use testkit::registry::Builder;

pub(crate) use private::{
    HASH, PASSWORD, PRIVATE, Private, SECRET, Who, accounts, assert_tells_nothing, basic_registry,
    bearer_registry, htpasswd, manifest,
};

/// How long a grant and a token live here, and a little more.
const LIFETIME: Duration = Duration::from_secs(1);
const OVER: Duration = Duration::from_millis(1_200);

async fn matrix(builder: Builder, what: &str, more: impl AsyncFn(&Registry) -> Vec<(&'static str, Who)>) {
    let private = Private::start(builder, "credentials = \"client\"\ngrant_ttl = \"1s\"").await;
    let mut denied = vec![
        ("nobody", Who::nobody()),
        ("a wrong password", Who::login("right", "wrong")),
        ("an unknown user", Who::account("nobody")),
        ("another tenant", Who::account("other")),
        ("a password of the wrong kind", Who::basic("right", "wrong")),
        ("a token that is none", Who::Header("Bearer none".into())),
    ];
    denied.extend(more(&private.registry).await);
    tokio::time::sleep(OVER).await;
    let (right, mut ways) = (Who::account("right"), 0);
    for (name, who) in &denied {
        ways += private.all(&format!("{what}, cold, {name}"), who, false).await;
    }
    ways += private.all(&format!("{what}, cold, right"), &right, true).await;
    // Those who had access, and lost it.
    denied.push(("one who is revoked", Who::account("revoked")));
    ways += private.all(&format!("{what}, hot, before"), &Who::account("revoked"), true).await;
    for (name, had) in more(&private.registry).await {
        assert_eq!(private.status(&had, &private.paths[0]).await, 200, "{name}");
        denied.push((name, had));
    }
    private.registry.revoke("revoked");
    tokio::time::sleep(OVER).await;
    for (name, who) in &denied {
        ways += private.all(&format!("{what}, hot, {name}"), who, false).await;
        ways += private.all(&format!("{what}, hot, right"), &right, true).await;
    }
    println!("{what}: {ways} ways, 0 leaks");
}

#[tokio::test]
async fn t1_only_who_may_gets_anything_with_basic() {
    matrix(basic_registry(), "Basic", async |_| Vec::new()).await;
}

#[tokio::test]
async fn t1_only_who_may_gets_anything_with_bearer() {
    matrix(bearer_registry().token_ttl(LIFETIME), "Bearer", async |registry| {
        vec![("a token that has expired", Who::token(registry, "right", &[PRIVATE]).await)]
    })
    .await;
}

#[tokio::test]
async fn t1_only_who_may_gets_anything_where_onetag_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let private = Private::start(Registry::builder(), &allowing(folder.path())).await;
    let mut ways = 0;
    for _ in 0..2 {
        for (name, who) in [
            ("nobody", Who::nobody()),
            ("a wrong password", Who::login("right", "wrong")),
            ("an unknown user", Who::login("nobody", PASSWORD)),
            ("a token", Who::Header("Bearer none".into())),
            ("another tenant", Who::login("other", PASSWORD)),
        ] {
            ways += private.all(name, &who, false).await;
        }
        ways += private.all("right", &Who::login("right", PASSWORD), true).await;
    }
    println!("htpasswd: {ways} ways, 0 leaks");
}

/// Settings by which onetag itself lets callers in: one to the private repository, all to `other/`.
fn allowing(folder: &std::path::Path) -> String {
    let file = htpasswd(folder, &["right", "other"]);
    format!(
        "[access]\nhtpasswd = \"{}\"\n[[allow]]\nusers = [\"right\"]\nrepositories = [\"team/*\"]\n\
         [[allow]]\nusers = [\"*\"]\nrepositories = [\"other/*\"]\nactions = [\"pull\", \"push\"]\n",
        file.display()
    )
}
