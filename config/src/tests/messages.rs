//! Each kind of wrong text gives one message, with its place and what to write.

use super::refusal;
use crate::keys::{LISTS, MEMBER, SECTIONS};

/// The first line of the error is `place: message`.
#[track_caller]
fn assert_refused(text: &str, place: &str, message: &str) {
    let refusal = refusal(text);
    let first = refusal.lines().next().unwrap();
    assert_eq!(first, format!("onetag.toml:{place}: {message}"));
}

#[test]
fn an_error_shows_its_line_with_a_caret_below() {
    assert_eq!(
        refusal("# about time\n[cache]\ntag_ttl = \"60\"\n"),
        "onetag.toml:3:11: cache.tag_ttl: \"60\" has no unit; write \"60s\" or \"5m\"\n  \
         tag_ttl = \"60\"\n            ^"
    );
}

#[test]
fn the_caret_counts_characters_and_stands_under_what_is_wrong() {
    let refusal = refusal("[cache]\n\tdata_dir = \"/ü\"; tag_ttl\r\n");
    let lines: Vec<&str> = refusal.lines().collect();
    assert!(lines[0].starts_with("onetag.toml:2:17: "), "{refusal}");
    assert_eq!(lines[1], "   data_dir = \"/ü\"; tag_ttl", "the tab became a space");
    assert_eq!(lines[2].chars().count(), lines[1].chars().position(|c| c == ';').unwrap() + 1);
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let padding = "x".repeat(10_000);
    let refusal = refusal(&format!("[cache]\ntag_ttl = \"{padding}\" oops"));
    assert!(refusal.starts_with("onetag.toml:2:10014: "), "{refusal}");
    assert!(refusal.len() < 500, "{}", refusal.len());
    let lines: Vec<&str> = refusal.lines().collect();
    assert_eq!(&lines[1][lines[2].len() - 1..], "oops");
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let refusal = refusal("[cache]\ntag_ttl = \"\u{1b}[31m\" \u{7}");
    assert!(!refusal.contains(['\u{1b}', '\u{7}']), "{refusal:?}");
}

#[test]
fn a_bad_duration_says_what_a_duration_is() {
    assert_refused("[cache]\ntag_ttl = 60", "2:11", "cache.tag_ttl: 60 has no unit; write \"60s\" or \"5m\"");
    assert_refused(
        "[server]\nheader_timeout = \"0s\"",
        "2:18",
        "server.header_timeout: \"0s\" is too short; it must be at least 1ms",
    );
    assert_refused(
        "[upstream]\nconnect_timeout = \"366d\"",
        "2:19",
        "upstream.connect_timeout: \"366d\" is too long; it must be at most 365d",
    );
    assert_refused(
        "[cache]\nnegative_ttl = \"11s\"",
        "2:16",
        "cache.negative_ttl: \"11s\" is too long; it must be at most 10s",
    );
    let soon = refusal("[cache]\ntag_ttl = \"soon\"");
    assert!(soon.contains("\"soon\" is not a duration") && soon.contains("write it like \"60s\""), "{soon}");
}

#[test]
fn a_bad_size_says_what_a_size_is() {
    assert_refused(
        "[cache]\nmemory = 268435456",
        "2:10",
        "cache.memory: 268435456 has no unit; write \"256 MiB\"",
    );
    assert_refused(
        "[cache]\nmemory = \"2 EiB\"",
        "2:10",
        "cache.memory: \"2 EiB\" is out of bounds; it must be from 1 MiB to 1 PiB",
    );
}

#[test]
fn an_unknown_name_gets_the_nearest_known_one() {
    assert_refused(
        "[cache]\n  tag_tll = \"60s\"",
        "2:3",
        "unknown setting \"tag_tll\" in [cache]; did you mean \"tag_ttl\"?",
    );
    assert_refused("[upstrem]", "1:2", "unknown section \"upstrem\"; did you mean \"upstream\"?");
    assert_refused(
        "[log]\ncolour = true",
        "2:1",
        "unknown setting \"colour\" in [log]; known are format, level",
    );
    assert_refused(
        "[https]",
        "1:2",
        "unknown section \"https\"; known are server, tls, access, upstream, cache, blobs, merge, webhook, log, group, \
         allow, registry, rule, warm",
    );
}

#[test]
fn a_setting_in_the_wrong_section_is_told_its_own() {
    assert_refused(
        "tag_ttl = \"60s\"",
        "1:1",
        "unknown setting \"tag_ttl\" outside of a section; it belongs to [cache]",
    );
    assert_refused(
        "[cache]\nheader_timeout = \"60s\"",
        "2:1",
        "unknown setting \"header_timeout\" in [cache]; it belongs to [server] or [upstream]",
    );
}

#[test]
fn a_wrong_type_is_named_in_words() {
    for (text, place, message) in [
        (
            "[merge]\nsuffixes = \"arm\"",
            "2:12",
            "merge.suffixes: expected a list, as in [\"arm\", \"arm64\"], found a string",
        ),
        (
            "[merge]\ncomplete_index = \"yes\"",
            "2:18",
            "merge.complete_index: expected true or false, found a string",
        ),
        (
            "[server]\nmax_connections = \"7\"",
            "2:19",
            "server.max_connections: expected a number from 1 to 1000000, found a string",
        ),
        (
            "[server]\nmax_connections = 1.5",
            "2:19",
            "server.max_connections: expected a number from 1 to 1000000, found a fraction",
        ),
        (
            "[cache]\ndata_dir = 5",
            "2:12",
            "cache.data_dir: expected a string that holds a path, found an integer",
        ),
        (
            "[cache]\ntag_ttl = true",
            "2:11",
            "cache.tag_ttl: expected a string that holds one duration, found a boolean",
        ),
        ("cache = \"60s\"", "1:9", "cache: expected a table, found a string"),
        ("cache = []", "1:9", "cache: expected a table, found a list"),
        ("[[cache]]", "1:1", "cache: expected a table, found a list"),
    ] {
        assert_refused(text, place, message);
    }
}

#[test]
fn a_count_has_bounds() {
    for wrong in ["0", "-1", "1000001"] {
        assert_refused(
            &format!("[upstream]\nmax_in_flight = {wrong}"),
            "2:17",
            &format!("upstream.max_in_flight: {wrong} is out of bounds; it must be from 1 to 1000000"),
        );
    }
}

#[test]
fn an_address_needs_an_ip_and_a_port() {
    for wrong in ["\":5080\"", "\"localhost:5080\"", "\"127.0.0.1\"", "5080"] {
        let message = format!(
            "server.listen: {wrong} is not an IP address and a port; \
             write \"127.0.0.1:5080\", or \"[::]:5080\" for every interface"
        );
        assert_refused(&format!("[server]\nlisten = {wrong}"), "2:10", &message);
    }
}

#[test]
fn a_key_or_a_section_stands_once() {
    assert_refused("[cache]\ntag_ttl = \"1s\"\ntag_ttl = \"2s\"", "3:1", "duplicate key");
    assert_refused("[cache]\n[log]\n[cache]", "3:2", "duplicate key");
}

#[test]
fn a_suffix_list_is_checked_as_a_whole_and_each_by_itself() {
    assert_refused(
        "[merge]\nsuffixes = [\"arm\", \"arm64\", \"arm\"]",
        "2:12",
        "merge.suffixes: \"arm\" is listed twice; keep the first one",
    );
    assert_refused(
        "[merge]\nsuffixes = [\"arm\", \"-arm64\"]",
        "2:20",
        "merge.suffixes[1]: \"-arm64\" starts with a hyphen; write it without",
    );
    for (wrong, hint) in
        [("arm46", "did you mean \"arm64\"?"), ("banana", "known are amd64, x86_64, x64, i386")]
    {
        let message = format!("merge.suffixes[1]: \"{wrong}\" is not a word for an architecture; {hint}");
        let found = refusal(&format!("[merge]\nsuffixes = [\"arm\", \"{wrong}\"]"));
        assert!(found.starts_with(&format!("onetag.toml:2:20: {message}")), "{found}");
    }
}

#[test]
fn the_names_behind_the_hints_are_those_of_the_schema() {
    let listed = |text: &str| -> Vec<String> {
        let raw = toml::from_str::<crate::Config>(text).unwrap_err();
        raw.message().split('`').skip(3).step_by(2).map(Into::into).collect()
    };
    for (section, keys) in SECTIONS {
        let header = if LISTS.contains(&section) { format!("[[{section}]]") } else { format!("[{section}]") };
        assert_eq!(listed(&format!("{header}\nno_such_setting = 1")), keys, "{section}");
    }
    assert_eq!(listed("no_such_section = 1"), SECTIONS.map(|(section, _)| section));
    let in_message = |name: &str| refusal(&format!("[[rule]]\nmembers = [{{ {name} = 1 }}]"));
    for name in MEMBER.1 {
        assert!(!in_message(name).contains("unknown setting"), "{name}");
    }
    assert!(in_message("no_such_setting").contains("known are pattern, platform"));
}
