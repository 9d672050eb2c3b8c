//! What `[cache]`, `[blobs]` and the rules say about what is kept, and the messages where they are wrong.

use std::time::Duration;

use super::{parse, refusal};

#[track_caller]
fn assert_refused(text: &str, place: &str, message: &str) {
    assert_eq!(refusal(text).lines().next().unwrap(), format!("onetag.toml:{place}: {message}"), "{text}");
}

#[test]
fn immutable_tags_are_those_that_a_glob_takes() {
    let cache = parse("[cache]\nimmutable = [\"v[0-9]*\", \"20??-*\"]").unwrap().cache;
    let is_immutable = |tag: &str| cache.immutable.iter().any(|glob| glob.matches(tag));
    assert!(is_immutable("v1.2") && is_immutable("2024-01"));
    assert!(!is_immutable("latest") && !is_immutable("v") && !is_immutable("1.2"));
}

#[test]
fn what_a_rule_leaves_out_is_told_from_what_it_empties() {
    let rule = |text: &str| parse(&format!("[[rule]]\n{text}")).unwrap().rule.remove(0);
    let silent = rule("");
    assert!(silent.ttl.is_none() && silent.negative_ttl.is_none() && silent.immutable.is_none());
    assert!(silent.stale_while_revalidate.is_none() && silent.stale_if_error.is_none());
    assert_eq!(rule("immutable = []").immutable, Some(Vec::new()));
    let told =
        rule("ttl = \"5m\"\nnegative_ttl = \"0s\"\nstale_while_revalidate = \"0s\"\nstale_if_error = \"5m\"");
    assert_eq!(told.ttl.unwrap().get(), Duration::from_mins(5));
    assert!(told.negative_ttl.unwrap().is_zero() && told.stale_while_revalidate.unwrap().is_zero());
    assert_eq!(told.stale_if_error.unwrap().get(), Duration::from_mins(5));
}

#[test]
fn a_stale_window_of_a_rule_that_could_never_be_used_is_refused() {
    let text = "[[rule]]\ntags = [\"v*\"]\n[[rule]]\nttl = \"1h\"\nstale_if_error = \"59m\"";
    assert_refused(
        text,
        "3:1",
        "rule[1]: stale_if_error is shorter than ttl, so it would never be used; raise it, or write \"0s\" to switch \
         it off",
    );
    assert!(refusal(text).ends_with("\n  [[rule]]\n  ^"), "{}", refusal(text));
    for allowed in ["stale_if_error = \"0s\"", "stale_if_error = \"1h\"", "stale_while_revalidate = \"1m\""] {
        parse(&format!("[[rule]]\nttl = \"1h\"\n{allowed}")).unwrap();
    }
    parse("[[rule]]\nstale_if_error = \"1ms\"").unwrap();
}

#[test]
fn a_wrong_time_is_refused_where_it_stands() {
    assert_refused(
        "[cache]\nstale_while_revalidate = 60",
        "2:26",
        "cache.stale_while_revalidate: 60 has no unit; write \"60s\" or \"5m\"",
    );
    assert_refused(
        "[cache]\nretention = \"0s\"",
        "2:13",
        "cache.retention: \"0s\" is too short; it must be at least 1d",
    );
    assert_refused(
        "[server]\nstall_timeout = \"0s\"",
        "2:17",
        "server.stall_timeout: \"0s\" is too short; it must be at least 1ms",
    );
    assert_refused(
        "[[rule]]\nnegative_ttl = \"11s\"",
        "2:16",
        "rule[0].negative_ttl: \"11s\" is too long; it must be at most 10s",
    );
}

#[test]
fn a_wrong_list_of_immutable_tags_is_refused_where_it_stands() {
    for (header, path) in [("[cache]", "cache"), ("[[rule]]", "rule[0]")] {
        assert_refused(
            &format!("{header}\nimmutable = \"v*\""),
            "2:13",
            &format!("{path}.immutable: expected a list, as in [\"latest\", \"v[0-9]*\"], found a string"),
        );
        assert_refused(
            &format!("{header}\nimmutable = [\"latest\", \"v**\"]"),
            "2:24",
            &format!("{path}.immutable[1]: \"v**\" has \"**\" beside other text; write \"*\""),
        );
        assert_refused(
            &format!("{header}\nimmutable = [1.10]"),
            "2:14",
            &format!("{path}.immutable[0]: expected a string that holds one tag, found a fraction"),
        );
    }
}

#[test]
fn a_wrong_setting_of_blobs_is_refused_where_it_stands() {
    for (text, place, message) in [
        ("cache = \"yes\"", "2:9", "blobs.cache: expected true or false, found a string"),
        ("finish = 1", "2:10", "blobs.finish: expected true or false, found an integer"),
        (
            "max_bytes = \"1 KiB\"",
            "2:13",
            "blobs.max_bytes: \"1 KiB\" is out of bounds; it must be from 1 MiB to 1 PiB",
        ),
        ("max_bytes = 1000", "2:13", "blobs.max_bytes: 1000 has no unit; write \"256 MiB\""),
        ("max_byte = 1", "2:1", "unknown setting \"max_byte\" in [blobs]; did you mean \"max_bytes\"?"),
        ("data_dir = \"/d\"", "2:1", "unknown setting \"data_dir\" in [blobs]; it belongs to [cache]"),
    ] {
        assert_refused(&format!("[blobs]\n{text}"), place, message);
    }
    assert_refused("[blob]", "1:2", "unknown section \"blob\"; did you mean \"blobs\"?");
    assert_refused("[[blobs]]", "1:1", "blobs: expected a table, found a list");
}

#[test]
fn a_setting_is_told_its_other_name_and_its_other_section() {
    assert_refused(
        "[cache]\nttl = \"1m\"",
        "2:1",
        "unknown setting \"ttl\" in [cache]; here it is called \"tag_ttl\"",
    );
    assert_refused(
        "[[rule]]\ntag_ttl = \"1m\"",
        "2:1",
        "unknown setting \"tag_ttl\" in [[rule]]; here it is called \"ttl\"",
    );
    assert_refused(
        "[[rule]]\nretention = \"1d\"",
        "2:1",
        "unknown setting \"retention\" in [[rule]]; it belongs to [cache]",
    );
    assert_refused(
        "[log]\nimmutable = []",
        "2:1",
        "unknown setting \"immutable\" in [log]; it belongs to [cache] or [[rule]]",
    );
    assert_refused(
        "[webhook]\nmax_bytes = \"1 GiB\"",
        "2:1",
        "unknown setting \"max_bytes\" in [webhook]; it belongs to [blobs]",
    );
    assert_refused(
        "[webhook]\ntokn = \"x\"",
        "2:1",
        "unknown setting \"tokn\" in [webhook]; did you mean \"token\"?",
    );
}
