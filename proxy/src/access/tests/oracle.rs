//! The decisions against a naive reading of the same settings.

use futures_util::FutureExt as _;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use onetag_config::{Allow, Config, Group};

use super::super::{Access, Action, Caller};
use super::identity;

const ACTIONS: [Action; 3] = [Action::Pull, Action::Push, Action::Delete];
const USERS: [&str; 6] = ["a", "b", "ab", "aba", "abab", "bba"];
const GROUPS: [&str; 3] = ["g", "h", "i"];
const REPOSITORIES: [&str; 6] = ["a", "b", "a/b", "a/ab", "a/b/a", "ab/a"];
const GLOBS: [&str; 10] = ["**", "*", "a", "a/*", "a/**", "**/a", "*b/a", "a/*b", "*/**/a", "b/**/**"];

fn settings() -> impl Strategy<Value = Config> {
    let groups = prop::collection::vec(subsequence(&USERS[..], 0..=4), GROUPS.len());
    let entry = (
        prop::collection::vec("[ab*]{0,4}", 0..3),
        subsequence(&GROUPS[..], 0..=2),
        prop::bool::weighted(0.2),
        subsequence(&GLOBS[..], 0..=3),
        subsequence(&ACTIONS[..], 1..=3),
    );
    (groups, prop::collection::vec(entry, 1..5)).prop_map(|(groups, entries)| {
        let group =
            |(name, users): (&&str, Vec<&str>)| Group { name: (*name).into(), users: super::texts(&users) };
        let allow = |(users, groups, anonymous, globs, actions): (_, Vec<&str>, _, Vec<&str>, _)| Allow {
            users,
            groups: super::texts(&groups),
            anonymous,
            repositories: globs.iter().map(|glob| glob.parse().expect("a glob")).collect(),
            actions,
        };
        Config {
            group: GROUPS.iter().zip(groups).map(group).collect(),
            allow: entries.into_iter().map(allow).collect(),
            ..Config::default()
        }
    })
}

/// Whether a pattern of units takes a list of units: `many` takes any number of them.
fn takes<T: PartialEq>(pattern: &[T], text: &[T], many: &T, one: &dyn Fn(&T, &T) -> bool) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([first, rest @ ..], _) if first == many => {
            (0..=text.len()).any(|end| takes(rest, &text[end..], many, one))
        }
        ([first, rest @ ..], [unit, behind @ ..]) => one(first, unit) && takes(rest, behind, many, one),
        (_, []) => false,
    }
}

fn takes_text(pattern: &str, text: &str) -> bool {
    takes(pattern.as_bytes(), text.as_bytes(), &b'*', &|a, b| a == b)
}

fn takes_repository(pattern: &str, name: &str) -> bool {
    let parts = |text| str::split(text, '/').collect::<Vec<_>>();
    takes(&parts(pattern), &parts(name), &"**", &|a, b| takes_text(a, b))
}

/// What the settings say of a user with the groups of a certificate; of an anonymous caller where there is no user.
fn expected(settings: &Config, user: Option<(&str, &[&str])>, action: Action, repository: &str) -> bool {
    settings.allow.iter().any(|entry| {
        let is_in = |group: &String, (user, certified): (&str, &[&str])| {
            let listed = |other: &Group| other.name == *group && other.users.iter().any(|name| name == user);
            certified.contains(&group.as_str()) || settings.group.iter().any(listed)
        };
        let is_meant = entry.anonymous
            || user.is_some_and(|user| {
                entry.users.iter().any(|glob| takes_text(glob, user.0))
                    || entry.groups.iter().any(|group| is_in(group, user))
            });
        let is_there = entry.repositories.is_empty()
            || entry.repositories.iter().any(|glob| takes_repository(&glob.to_string(), repository));
        is_meant && is_there && entry.actions.contains(&action)
    })
}

proptest! {
    #[test]
    fn groups_and_globs_agree_with_a_naive_reading(
        settings in settings(),
        user in prop::option::of((select(&USERS[..]), subsequence(&GROUPS[..], 0..=2))),
    ) {
        let access = Access::load(&settings, true).expect("settings without a file");
        let identity = user.as_ref().map(|(user, groups)| identity(user, groups));
        let caller = access.caller(None, identity.as_ref()).now_or_never().expect("an answer at once");
        let caller = caller.expect("a caller");
        prop_assert_eq!(caller == Caller::Anonymous, user.is_none());
        let user = user.as_ref().map(|(user, groups)| (*user, groups.as_slice()));
        for action in ACTIONS {
            for repository in REPOSITORIES {
                let (found, wanted) =
                    (access.allows(&caller, action, repository), expected(&settings, user, action, repository));
                prop_assert_eq!(found, wanted, "{:?} {:?} {}", user, action, repository);
                prop_assert!(found || !access.allows_all(&caller, action));
            }
        }
        let anonymous = |action| REPOSITORIES.iter().any(|name| expected(&settings, None, action, name));
        prop_assert!(!access.needs_login() || !ACTIONS.into_iter().any(anonymous));
    }
}
