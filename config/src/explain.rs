//! Turns what serde says into what a person can act on.

use crate::keys::{LISTS, MEMBER, REGISTRY, RULE, known, nearest, renamed, sections_of};

/// How much of an unknown name a message repeats.
const NAME_LIMIT: usize = 64;

/// The message for an error at a path like `cache.tag_ttl`.
pub(crate) fn explain(path: &str, message: &str) -> String {
    if let Some(name) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        return unknown(section(path), name);
    }
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return format!("{path}: {name} is missing; each {} needs it", header(section(path)));
    }
    format!("{path}: {}", wrong_type(path, message).unwrap_or_else(|| message.into()))
}

/// The section that a path like `cache.tag_ttl` or `rule[0].members[1].pattern` leads into.
fn section(path: &str) -> &str {
    let mut names = path.split('.').map(|part| part.split('[').next().unwrap_or_default());
    match (names.next().unwrap_or_default(), names.next()) {
        (RULE, Some("members")) => MEMBER.0,
        (REGISTRY, Some("upstream")) => "upstream",
        (section, _) if !known(section).is_empty() => section,
        _ => "",
    }
}

fn unknown(section: &str, name: &str) -> String {
    let shown: String = name.chars().take(NAME_LIMIT).collect();
    let (kind, place) = match section {
        "" if sections_of(name).is_empty() => ("section", String::new()),
        "" => ("setting", " outside of a section".into()),
        section => ("setting", format!(" in {}", header(section))),
    };
    format!("unknown {kind} {shown:?}{place}; {}", hint(section, name))
}

/// How a section is written in the file.
fn header(section: &str) -> String {
    match section {
        section if LISTS.contains(&section) => format!("[[{section}]]"),
        section if section == MEMBER.0 => "a member of [[rule]]".into(),
        section => format!("[{section}]"),
    }
}

fn hint(section: &str, name: &str) -> String {
    let candidates = known(section);
    let homes: Vec<String> = sections_of(name).into_iter().map(header).collect();
    if let Some(own) = renamed(section, name) {
        format!("here it is called \"{own}\"")
    } else if !homes.is_empty() {
        format!("it belongs to {}", homes.join(" or "))
    } else if let Some(near) = nearest(name, &candidates) {
        format!("did you mean \"{near}\"?")
    } else {
        format!("known are {}", candidates.join(", "))
    }
}

/// Rebuilds "invalid type: string "x", expected y" without the value, which may be a secret that stands
/// in the wrong place, and without the names of Rust types.
fn wrong_type(path: &str, message: &str) -> Option<String> {
    let (found, expected) = message.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    let found = match found.split([' ', '`']).next()? {
        "string" => "a string",
        "integer" => "an integer",
        "floating" => "a fraction",
        "boolean" => "a boolean",
        "sequence" => "a list",
        "map" => "a table",
        _ => "something else",
    };
    let expected = match expected {
        "i64" => "a number from 1 to 1000000",
        "a sequence" => list_like(path),
        "a boolean" => "true or false",
        "path string" => "a string that holds a path",
        other => other,
    };
    Some(format!("expected {expected}, found {found}"))
}

/// What a list at a path looks like.
fn list_like(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or(path) {
        "immutable" | "tags" => "a list, as in [\"latest\", \"v[0-9]*\"]",
        "actions" => "a list, as in [\"pull\", \"push\"]",
        "groups" => "a list, as in [\"builders\"]",
        "hosts" => "a list, as in [\"registry.example.com\"]",
        "namespaces" => "a list, as in [\"docker.io\"]",
        "trusted_proxies" => "a list, as in [\"10.0.0.0/8\"]",
        "users" => "a list, as in [\"jo\", \"ci-*\"]",
        "platforms" => "a list, as in [\"linux/amd64\", \"linux/arm64\"]",
        "references" => "a list, as in [\"team/app:latest\"]",
        "repositories" => "a list, as in [\"team/*\"]",
        _ => "a list, as in [\"arm\", \"arm64\"]",
    }
}
