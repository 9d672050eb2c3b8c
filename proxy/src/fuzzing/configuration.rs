//! Configurations, and what their rules find.

use std::path::Path;

use onetag_config::{Config, MAX_MEMBERS};
use onetag_oci::{Repository, Tag};

use super::documents::first_line;
use crate::merge::Rules;

const SECRET: &str = "correcthorsebatterystaple";

/// A configuration: what is accepted can be printed and read again, and no message shows a password.
pub(super) fn configuration(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let told = format!("{text}\n[upstream]\npassword = \"{SECRET}\"\n");
    if let Err(error) = parse(&told) {
        assert!(!error.to_string().contains(SECRET), "a message shows the password");
    }
    let Ok(config) = parse(text) else { return false };
    let printed = config.print();
    let again = parse(&printed).expect("what was printed can be read");
    assert_eq!(again.print(), printed, "what was printed is read as something else");
    // Whether the settings go together is another question, and not one that may panic.
    let _ = config.validate();
    true
}

/// A line of `repository:tag`, and a configuration: a member is not the tag itself, and has no members.
pub(super) fn rules(data: &[u8]) -> bool {
    let (line, text) = first_line(data);
    let Some((repository, tag)) = str::from_utf8(line).ok().and_then(named) else { return false };
    let Some(config) = str::from_utf8(text).ok().and_then(|text| parse(text).ok()) else { return false };
    let rules = Rules::new(&config.rule, &config.merge);
    let rule = rules.of(&repository, &tag);
    let candidates = rule.candidates(&repository, &tag);
    assert!(candidates.len() <= MAX_MEMBERS, "more members than a rule may have");
    for (place, candidate) in candidates.iter().enumerate() {
        let address = &candidate.address;
        assert!(candidates[..place].iter().all(|other| other.address != *address), "a member twice");
        if address.repository.is_none() {
            assert_ne!(address.tag, tag, "a tag that is its own member");
            let is_last = rule.elsewhere() != 0 || rule.candidates(&repository, &address.tag).is_empty();
            assert!(is_last, "a member that has members");
        }
    }
    !candidates.is_empty()
}

fn parse(text: &str) -> Result<Config, onetag_config::ConfigError> {
    Config::parse(text, Path::new("onetag.toml"))
}

fn named(line: &str) -> Option<(Repository, Tag)> {
    let (repository, tag) = line.split_once(':')?;
    Some((repository.parse().ok()?, tag.parse().ok()?))
}
