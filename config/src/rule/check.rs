//! What is wrong with a rule as a whole, though each of its settings is fine by itself.

use thiserror::Error;

use super::entry::Rule;
use super::member::MemberPattern;
use super::preset::Preset;
use super::skew::Skew;
use super::source::PlatformSource;
use super::word::Word;
use crate::keys::RULE;
use crate::value::table::Entry;

/// The most members of a rule: more would make each unknown tag cost too many upstream requests.
pub const MAX_MEMBERS: usize = 32;

#[derive(Debug, Error)]
pub(super) enum RuleError {
    #[error(
        "{0} can never hold, because {1} before it takes every tag of every repository; write {0} before {1}"
    )]
    Unreachable(String, String),
    #[error("{0} can never hold, because {1} before it takes all that it names; write {0} before {1}")]
    Covered(String, String),
    #[error("another rule before it is called {0:?}, too; logs and explanations could not tell them apart")]
    SameName(String),
    #[error(
        "\"merge\" is what the section of that name is called in logs and explanations; choose another name"
    )]
    ReservedName,
    #[error(
        "no member has {{arch}}, so arch has no use; leave it out, or write a member as \"{{tag}}-{{arch}}\""
    )]
    UnusedArch,
    #[error("the preset has \"{0}\", too; leave it out of members")]
    InPreset(Box<MemberPattern>),
    #[error("{0} members result; at most {MAX_MEMBERS} are allowed; shorten arch or members")]
    TooMany(usize),
    #[error(
        "\"{0}\" lacks {{tag}}, so every tag would get the same members; set tags, as in tags = [\"latest\"]"
    )]
    EveryTag(Box<MemberPattern>),
    #[error(
        "platform_source = \"rule\" needs the platform of \"{0}\"; write {{ pattern = \"{0}\", platform = \"linux/arm64\" }}"
    )]
    NoPlatform(Box<MemberPattern>),
    #[error(
        "platform_source = \"rule\" needs the platform of \"{0}\" where {{arch}} is \"{1}\", which is 32 or 64 bits; \
         leave the word out of arch and write {{ pattern = \"{2}\", platform = \"linux/arm64\" }}"
    )]
    WidePlatform(Box<MemberPattern>, Word, String),
    #[error(
        "platform_source = \"rule\" needs words that name one platform each; set them, as in arch = [\"amd64\", \"arm64\"]"
    )]
    NoWords,
    #[error("{0} has no use where skew = \"ignore\"; leave it out, or write skew = \"warn\"")]
    Ignored(&'static str),
    #[error(
        "stale_if_error is shorter than ttl, so it would never be used; raise it, or write \"0s\" to switch it off"
    )]
    Stale,
}

impl Entry for Rule {
    const SECTION: &'static str = RULE;
    const MAX: usize = 256;
    const ADVICE: &'static str = "take several repositories together, as in \"team/*\"";

    fn check(&self, earlier: &[Self]) -> Result<(), String> {
        check(self, earlier).map_err(|error| error.to_string())
    }
}

fn check(rule: &Rule, earlier: &[Rule]) -> Result<(), RuleError> {
    check_name(rule, earlier)?;
    check_reachable(rule, earlier)?;
    check_skew(rule)?;
    check_stale(rule)?;
    check_members(rule)?;
    if rule.platform_source == PlatformSource::Rule { check_platforms(rule) } else { Ok(()) }
}

/// Whether a rule has too many members, if the words that it does not name itself are so many.
pub(crate) fn exceeds_members(rule: &Rule, default_words: usize) -> bool {
    count(rule, default_words) > MAX_MEMBERS
}

fn count(rule: &Rule, default_words: usize) -> usize {
    let words = rule.words();
    let words = if words.is_empty() { default_words } else { words.len() };
    rule.patterns().iter().map(|pattern| if pattern.has_arch() { words } else { 1 }).sum()
}

fn check_name(rule: &Rule, earlier: &[Rule]) -> Result<(), RuleError> {
    match &rule.name {
        Some(name) if name == "merge" => Err(RuleError::ReservedName),
        Some(name) if earlier.iter().any(|other| other.name == rule.name) => {
            Err(RuleError::SameName(name.clone()))
        }
        _ => Ok(()),
    }
}

fn check_reachable(rule: &Rule, earlier: &[Rule]) -> Result<(), RuleError> {
    let takes_all = |rule: &Rule| rule.takes_all_repositories() && rule.takes_all_tags();
    if let Some(at) = earlier.iter().position(takes_all) {
        return Err(RuleError::Unreachable(label(rule, earlier.len()), label(&earlier[at], at)));
    }
    let covers =
        |other: &Rule| other.takes_all_tags() && rule.names_only(|name| other.takes_repository(name));
    match earlier.iter().position(covers) {
        Some(at) => Err(RuleError::Covered(label(rule, earlier.len()), label(&earlier[at], at))),
        None => Ok(()),
    }
}

/// What a person calls a rule: its name, or its place as error messages write it.
fn label(rule: &Rule, at: usize) -> String {
    match &rule.name {
        Some(name) => format!("rule {name:?}"),
        None => format!("rule[{at}]"),
    }
}

fn check_skew(rule: &Rule) -> Result<(), RuleError> {
    let unused = [("skew_grace", rule.skew_grace), ("skew_gap", rule.skew_gap)];
    match unused.into_iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) if rule.skew == Some(Skew::Ignore) => Err(RuleError::Ignored(name)),
        _ => Ok(()),
    }
}

fn check_stale(rule: &Rule) -> Result<(), RuleError> {
    match (rule.stale_if_error, rule.ttl) {
        (Some(stale), Some(ttl)) if !stale.is_zero() && stale.get() < ttl.get() => Err(RuleError::Stale),
        _ => Ok(()),
    }
}

fn check_members(rule: &Rule) -> Result<(), RuleError> {
    if let Some(preset) = rule.preset.map(Preset::pattern)
        && let Some(twice) = rule.members.iter().find(|member| member.names_the_same(&preset))
    {
        return Err(RuleError::InPreset(Box::new(twice.clone())));
    }
    let patterns = rule.patterns();
    if !rule.arch.is_empty() && !patterns.is_empty() && !patterns.iter().any(MemberPattern::has_arch) {
        return Err(RuleError::UnusedArch);
    }
    if exceeds_members(rule, 0) {
        return Err(RuleError::TooMany(count(rule, 0)));
    }
    let constant = |pattern: &MemberPattern| pattern.is_in_same_repository() && !pattern.has_tag();
    match rule.patterns().into_iter().find(constant) {
        Some(pattern) if rule.takes_all_tags() => Err(RuleError::EveryTag(Box::new(pattern))),
        _ => Ok(()),
    }
}

fn check_platforms(rule: &Rule) -> Result<(), RuleError> {
    let (patterns, words) = (rule.patterns(), rule.words());
    if words.is_empty() && (patterns.is_empty() || patterns.iter().any(MemberPattern::has_arch)) {
        return Err(RuleError::NoWords);
    }
    for pattern in patterns {
        if pattern.has_arch() {
            if let Some(wide) = words.iter().find(|word| !word.is_single()) {
                let member = pattern.to_string().replace("{arch}", wide.as_str());
                return Err(RuleError::WidePlatform(Box::new(pattern), *wide, member));
            }
        } else if pattern.platform().is_none() && !pattern.literal_word().is_some_and(Word::is_single) {
            return Err(RuleError::NoPlatform(Box::new(pattern)));
        }
    }
    Ok(())
}
