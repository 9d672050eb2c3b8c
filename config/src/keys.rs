//! The names of the settings, for hints. A test holds them to the schema.

/// Each section and its settings.
pub(crate) const SECTIONS: [(&str, &[&str]); 14] = [
    (
        "server",
        &[
            "listen",
            "admin",
            "external_url",
            "trusted_proxies",
            "hosts",
            "max_connections",
            "max_connections_per_peer",
            "header_timeout",
            "stall_timeout",
            "shutdown_grace",
        ],
    ),
    ("tls", &["certificate", "key", "client_ca", "client_auth"]),
    ("access", &["htpasswd"]),
    (
        "upstream",
        &[
            "url",
            "ca_file",
            "client_certificate",
            "client_key",
            "credentials",
            "grant_ttl",
            "stale_grant",
            "username",
            "password",
            "password_file",
            "docker_config",
            "use_docker_config",
            "connect_timeout",
            "header_timeout",
            "idle_body_timeout",
            "max_in_flight",
        ],
    ),
    (
        "cache",
        &[
            "data_dir",
            "memory",
            "tag_ttl",
            "stale_while_revalidate",
            "negative_ttl",
            "stale_if_error",
            "immutable",
            "retention",
        ],
    ),
    ("blobs", &["cache", "max_bytes", "finish"]),
    ("merge", &["suffixes", "relearn", "complete_index", "hide_members", "skew", "skew_grace", "skew_gap"]),
    ("webhook", &["token", "token_file"]),
    ("log", &["format", "level"]),
    (GROUP, &["name", "users"]),
    (ALLOW, &["users", "groups", "anonymous", "repositories", "actions"]),
    (REGISTRY, &["name", "prefix", "hosts", "namespaces", "library", "upstream"]),
    (
        RULE,
        &[
            "name",
            "repositories",
            "tags",
            "preset",
            "members",
            "arch",
            "platform_source",
            "require_base",
            "skip_denied",
            "platforms",
            "complete_index",
            "hide_members",
            "skew",
            "skew_grace",
            "skew_gap",
            "ttl",
            "negative_ttl",
            "stale_while_revalidate",
            "stale_if_error",
            "immutable",
        ],
    ),
    (WARM, &["references", "platforms", "every"]),
];

/// The sections that are lists of tables.
pub(crate) const LISTS: [&str; 5] = [GROUP, ALLOW, REGISTRY, RULE, WARM];
pub(crate) const GROUP: &str = "group";
pub(crate) const ALLOW: &str = "allow";
pub(crate) const REGISTRY: &str = "registry";
pub(crate) const RULE: &str = "rule";
pub(crate) const WARM: &str = "warm";
/// A member of a rule that is written as a table, and its settings.
pub(crate) const MEMBER: (&str, &[&str]) = ("rule.members", &["pattern", "platform"]);

/// The settings of a section; the sections themselves under the empty name.
pub(crate) fn known(section: &str) -> Vec<&'static str> {
    if section.is_empty() {
        return SECTIONS.iter().map(|(name, _)| *name).collect();
    }
    let tables = SECTIONS.iter().chain([&MEMBER]);
    tables.filter(|(name, _)| *name == section).flat_map(|(_, keys)| keys.iter().copied()).collect()
}

/// The sections that have a setting of this name.
pub(crate) fn sections_of(key: &str) -> Vec<&'static str> {
    SECTIONS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(name, _)| *name).collect()
}

/// What a setting of another section is called in this one.
pub(crate) fn renamed(section: &str, key: &str) -> Option<&'static str> {
    match (section, key) {
        ("cache", "ttl") => Some("tag_ttl"),
        (RULE, "tag_ttl") => Some("ttl"),
        _ => None,
    }
}

/// The known name that a misspelt one was most likely meant to be.
pub(crate) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let tolerated = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|known| (distance(name, known), *known))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, known)| known)
}

/// How many characters to insert, delete, replace or swap with their neighbour (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 0..from.len() {
        let mut row = vec![i + 1];
        for j in 0..to.len() {
            let replaced = above[j] + usize::from(from[i] != to[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}
