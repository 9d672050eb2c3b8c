//! What the configuration says of callers.

use std::path::PathBuf;

use onetag_config::RepositoryGlob;

use super::action::Action;

/// How callers are known, and what they may do.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The file of passwords.
    pub htpasswd: Option<PathBuf>,
    /// Users that have something in common.
    pub groups: Vec<Group>,
    /// What callers may do; without any, known callers may do everything.
    pub allow: Vec<Allow>,
}

/// Users that have something in common.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Who belongs to it.
    pub users: Vec<String>,
}

/// What some callers may do with some repositories.
#[derive(Debug, Clone)]
pub struct Allow {
    /// Users; `*` stands for any text.
    pub users: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Whether it is for everybody.
    pub anonymous: bool,
    /// The repositories; all of them where there are none.
    pub repositories: Vec<RepositoryGlob>,
    /// What may be done.
    pub actions: Vec<Action>,
}
