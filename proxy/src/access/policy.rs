//! What callers may do.

use std::collections::HashMap;
use std::sync::Arc;

use onetag_config::{Action, Allow, Config, RepositoryGlob};

use super::caller::{Caller, Groups};
use super::glob::NameGlob;
use super::identity::Identity;

/// The groups of the configuration, and what is allowed to whom.
pub(super) struct Policy {
    /// By user.
    groups: HashMap<Box<str>, Groups>,
    none: Groups,
    /// None where the configuration says nothing.
    entries: Option<Vec<Entry>>,
    /// Whether there is any way to be known.
    knows_callers: bool,
}

struct Entry {
    users: Vec<NameGlob>,
    groups: Vec<String>,
    anonymous: bool,
    /// None where it is for all of them.
    repositories: Option<Vec<RepositoryGlob>>,
    actions: Vec<Action>,
}

impl Policy {
    pub(super) fn new(config: &Config, knows_callers: bool) -> Self {
        let mut groups: HashMap<Box<str>, Vec<Arc<str>>> = HashMap::new();
        for group in &config.group {
            let name: Arc<str> = group.name.as_str().into();
            for user in &group.users {
                groups.entry(user.as_str().into()).or_default().push(Arc::clone(&name));
            }
        }
        let entries = || config.allow.iter().map(Entry::new).collect();
        Self {
            groups: groups.into_iter().map(|(user, groups)| (user, groups.into())).collect(),
            none: Arc::new([]),
            entries: (!config.allow.is_empty()).then(entries),
            knows_callers,
        }
    }

    /// The groups of a user by the configuration.
    pub(super) fn groups(&self, user: &str) -> Groups {
        Arc::clone(self.groups.get(user).unwrap_or(&self.none))
    }

    /// Whom a certificate names; the user is in the configuration's groups as well.
    pub(super) fn certified(&self, identity: &Identity) -> Caller {
        let groups = match self.groups.get(&*identity.user) {
            None => Arc::clone(&identity.groups),
            Some(configured) => identity.groups.iter().chain(configured.iter()).cloned().collect(),
        };
        Caller::Known { user: Arc::clone(&identity.user), groups }
    }

    /// Whether a caller may do this; `repository` is none where it must hold for all of them.
    pub(super) fn allows(&self, caller: &Caller, action: Action, repository: Option<&str>) -> bool {
        match (&self.entries, caller) {
            (Some(entries), _) => {
                entries.iter().any(|entry| entry.concerns(caller) && entry.allows(action, repository))
            }
            (None, Caller::Known { .. }) => true,
            (None, Caller::Anonymous) => !self.knows_callers && action == Action::Pull,
        }
    }

    /// Whether callers can be known, and others may do nothing at all.
    pub(super) fn needs_login(&self) -> bool {
        let is_open = |entries: &Vec<Entry>| entries.iter().any(|entry| entry.anonymous);
        self.knows_callers && !self.entries.as_ref().is_some_and(is_open)
    }

    pub(super) fn knows_callers(&self) -> bool {
        self.knows_callers
    }
}

impl Entry {
    fn new(allow: &Allow) -> Self {
        let Allow { users, groups, anonymous, repositories, actions } = allow;
        let is_all = repositories.is_empty() || repositories.iter().any(is_all);
        Self {
            users: users.iter().map(|glob| glob.as_str().into()).collect(),
            groups: groups.clone(),
            anonymous: *anonymous,
            repositories: (!is_all).then(|| repositories.clone()),
            actions: actions.clone(),
        }
    }

    /// Whether it is for this caller. What is for anonymous ones is for everybody: nobody loses by logging in.
    fn concerns(&self, caller: &Caller) -> bool {
        let Caller::Known { user, groups } = caller else { return self.anonymous };
        self.anonymous
            || self.users.iter().any(|glob| glob.matches(user))
            || groups.iter().any(|group| self.groups.iter().any(|name| **name == **group))
    }

    fn allows(&self, action: Action, repository: Option<&str>) -> bool {
        let takes = match (&self.repositories, repository) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(globs), Some(repository)) => globs.iter().any(|glob| glob.matches(repository)),
        };
        takes && self.actions.contains(&action)
    }
}

/// Whether a glob takes every repository.
fn is_all(glob: &RepositoryGlob) -> bool {
    glob.to_string().split('/').all(|component| component == "**")
}
