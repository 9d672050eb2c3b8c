use std::sync::Arc;

use onetag_config::{Allow, Config};

use super::super::Action::{Delete, Pull, Push};
use super::super::{Access, Action, Caller};
use super::{allow, file, group, identity, known, with_file};

const ALL: [Action; 3] = [Pull, Push, Delete];

/// Access with these entries, to callers that may have certificates.
fn access(allow: Vec<Allow>) -> Access {
    let groups = vec![group("team", &["ann", "ben"]), group("ops", &["ben"])];
    Access::load(&Config { group: groups, allow, ..Config::default() }, true)
        .expect("settings without a file")
}

/// What is allowed, one letter for each action.
fn allowed(access: &Access, caller: &Caller, repository: &str) -> String {
    let letter = |action: &Action| match action {
        Pull => 'r',
        Push => 'w',
        Delete => 'd',
    };
    ALL.iter().filter(|action| access.allows(caller, **action, repository)).map(letter).collect()
}

#[test]
fn without_entries_known_callers_may_do_everything_and_others_pull_where_nobody_is_known() {
    let (_folder, path) = file("");
    for (htpasswd, certificates, anonymous, is_known) in [
        (None, false, "r", false),
        (None, true, "", true),
        (Some(path.clone()), false, "", true),
        (Some(path), true, "", true),
    ] {
        let settings = with_file(htpasswd);
        let access = Access::load(&settings, certificates).expect("a fit file");
        assert_eq!(allowed(&access, &Caller::Anonymous, "app"), anonymous);
        assert_eq!(allowed(&access, &known("ann", &[]), "app"), "rwd");
        assert_eq!((access.knows_callers(), access.needs_login()), (is_known, is_known));
        assert!(access.allows_all(&known("ann", &[]), Delete));
        assert_eq!(access.allows_all(&Caller::Anonymous, Pull), !is_known);
    }
}

#[test]
fn entries_allow_what_they_say_and_no_more() {
    let access = access(vec![
        allow(&["ci-*"], &[], &["team/**"], &[Pull, Push]),
        allow(&[], &["team"], &["team/*", "tools"], &[Pull]),
        allow(&["root"], &["admins"], &[], &ALL),
        allow(&[], &[], &["public/**"], &[Pull]),
    ]);
    for (caller, repository, expected) in [
        (known("ci-7", &[]), "team/app", "rw"),
        (known("ci-7", &[]), "team/deep/app", "rw"),
        (known("ci-7", &[]), "team", "rw"),
        (known("ci-7", &[]), "teams/app", ""),
        (known("ci", &[]), "team/app", ""),
        (known("xci-7", &[]), "team/app", ""),
        (known("ann", &["team"]), "team/app", "r"),
        (known("ann", &["team"]), "team/deep/app", ""),
        (known("ann", &["team"]), "tools", "r"),
        (known("ann", &["Team"]), "tools", ""),
        (known("team", &[]), "tools", ""),
        (known("root", &[]), "any/thing", "rwd"),
        (known("eve", &["x", "admins"]), "any/thing", "rwd"),
        (known("eve", &[]), "any/thing", ""),
        (Caller::Anonymous, "public/app", "r"),
        (Caller::Anonymous, "team/app", ""),
        // Nobody may do less for having logged in.
        (known("eve", &[]), "public/app", "r"),
        // Names that no repository can have.
        (known("ci-7", &[]), "team//app", "rw"),
        (known("ci-7", &[]), "../team/app", ""),
        (known("ci-7", &[]), "TEAM/app", ""),
        (Caller::Anonymous, "", ""),
    ] {
        assert_eq!(allowed(&access, &caller, repository), expected, "{caller:?} {repository}");
    }
    assert!(!access.needs_login(), "anonymous callers may do something");
}

#[test]
fn all_repositories_are_allowed_only_by_an_entry_for_all_of_them() {
    for (repositories, expected) in [
        (&[][..], true),
        (&["**"], true),
        (&["a", "**/**"], true),
        (&["*"], false),
        (&["*/**"], false),
        (&["a", "b/**"], false),
    ] {
        let access = access(vec![allow(&["ann"], &[], repositories, &[Pull, Delete])]);
        let ann = known("ann", &[]);
        assert_eq!(access.allows_all(&ann, Pull), expected, "{repositories:?}");
        assert_eq!(access.allows_all(&ann, Delete), expected, "{repositories:?}");
        assert!(!access.allows_all(&ann, Push), "{repositories:?}");
        assert!(!access.allows_all(&Caller::Anonymous, Pull), "{repositories:?}");
        assert!(access.needs_login());
    }
}

#[tokio::test]
async fn a_certificates_groups_and_those_of_the_configuration_add_up() {
    let access = access(vec![]);
    for (user, groups, expected) in [
        ("eve", &["x"][..], &["x"][..]),
        ("ann", &[], &["team"]),
        ("ben", &["x", "y"], &["x", "y", "team", "ops"]),
    ] {
        let caller = access.caller(None, Some(&identity(user, groups))).await;
        assert_eq!(caller, Ok(known(user, expected)));
    }
    assert_eq!(access.caller(None, None).await, Ok(Caller::Anonymous));
}

#[tokio::test]
async fn a_caller_with_a_certificate_costs_no_copy_of_its_groups() {
    let (access, eve) = (access(vec![]), identity("eve", &["x"]));
    let Ok(Caller::Known { user, groups }) = access.caller(None, Some(&eve)).await else {
        panic!("a certificate names its user");
    };
    assert!(Arc::ptr_eq(&user, &eve.user) && Arc::ptr_eq(&groups, &eve.groups));
}
