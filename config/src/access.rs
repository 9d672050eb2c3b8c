use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::keys::{ALLOW, GROUP};
use crate::rule::RepositoryGlob;
use crate::value::table::Entry;
use crate::value::{Action, path};

const MAX_NAMES: usize = 10_000;
const MAX_NAME: usize = 255;

/// The section `[access]`: how callers prove who they are, where onetag itself decides what they may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// A file of names and bcrypt hashes of their passwords, as `htpasswd -B` writes them.
    #[serde(serialize_with = "path::serialize")]
    pub htpasswd: Option<PathBuf>,
}

/// One `[[group]]`: users that have something in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name, which no other one has.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Who belongs to it: 1 to 10,000 names.
    #[serde(deserialize_with = "names")]
    pub users: Vec<String>,
}

/// One `[[allow]]`: what some callers may do with some repositories. What no entry allows is not allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Users, by globs: `*` is any text.
    #[serde(default, deserialize_with = "some_names", skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Groups: those of `[[group]]`, and those that client certificates name.
    #[serde(default, deserialize_with = "some_names", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether it is for callers, too, of whom nothing is known.
    #[serde(default)]
    pub anonymous: bool,
    /// The repositories; all of them where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryGlob>,
    /// What they may do.
    #[serde(default = "pull", deserialize_with = "actions")]
    pub actions: Vec<Action>,
}

impl Entry for Group {
    const SECTION: &'static str = GROUP;
    const MAX: usize = 256;
    const ADVICE: &'static str = "put more users in one";

    fn check(&self, earlier: &[Self]) -> Result<(), String> {
        if earlier.iter().any(|other| other.name == self.name) {
            return Err(format!("the group {:?} is there twice; put all its users in one", self.name));
        }
        Ok(())
    }
}

impl Entry for Allow {
    const SECTION: &'static str = ALLOW;
    const MAX: usize = 256;
    const ADVICE: &'static str = "use groups and globs";

    fn check(&self, _: &[Self]) -> Result<(), String> {
        if self.users.is_empty() && self.groups.is_empty() && !self.anonymous {
            return Err("it is for nobody; set users, groups or anonymous".into());
        }
        Ok(())
    }
}

fn pull() -> Vec<Action> {
    vec![Action::Pull]
}

fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Action>, D::Error> {
    let list: Vec<Action> = Vec::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom("the list is empty; leave it out to allow pulls"));
    }
    Ok(list)
}

fn check_name<E: Error>(name: &str) -> Result<(), E> {
    if name.is_empty() || name.len() > MAX_NAME || name.contains(|c: char| c == ':' || c.is_control()) {
        return Err(E::custom(format_args!(
            "{name:?} is no name; it has 1 to {MAX_NAME} bytes, and neither a colon nor control characters"
        )));
    }
    Ok(())
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    check_name(&name).map(|()| name)
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = some_names(deserializer)?;
    if names.is_empty() {
        return Err(D::Error::custom("the list is empty; name a user"));
    }
    Ok(names)
}

fn some_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names: Vec<String> = Vec::deserialize(deserializer)?;
    if names.len() > MAX_NAMES {
        return Err(D::Error::custom(format_args!(
            "{} names are listed; at most {MAX_NAMES} are allowed",
            names.len()
        )));
    }
    names.iter().try_for_each(|name| check_name(name))?;
    Ok(names)
}
