//! What is only wrong in sum. Each case breaks one thing of a valid configuration.

use super::{parse, valid};
use crate::{Age, Config, Secret};

#[track_caller]
fn assert_invalid(break_it: fn(&mut Config), start: &str) {
    let mut config = valid();
    config.validate().unwrap();
    break_it(&mut config);
    let message = config.validate().expect_err("the configuration is broken").to_string();
    assert!(message.starts_with(start), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn an_upstream_has_to_be_named() {
    assert_invalid(
        |config| config.upstream.url = None,
        "upstream.url (--upstream): no registry is set; name it, as in --upstream https://",
    );
}

#[test]
fn a_user_name_and_a_password_go_together() {
    assert_invalid(
        |config| config.upstream.username = Some("onetag".into()),
        "upstream.username (--upstream-username): the password is missing",
    );
    for set in [(|config| config.upstream.password = Some("hunter2".into())) as fn(&mut Config), |config| {
        config.upstream.password_file = Some("/p".into());
    }] {
        assert_invalid(set, "upstream.username (--upstream-username): a password is set, but no user name");
    }
}

#[test]
fn a_user_name_is_one_that_http_can_carry() {
    for name in ["", "a:b", "a\nb"] {
        let mut config = valid();
        config.upstream.username = Some(name.into());
        config.upstream.password = Some("hunter2".into());
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains("the user name is empty, or has a colon"), "{name:?}: {message}");
    }
}

#[test]
fn one_source_of_the_password_is_enough() {
    assert_invalid(
        |config| {
            config.upstream.username = Some("onetag".into());
            config.upstream.password = Some("hunter2".into());
            config.upstream.password_file = Some("/p".into());
        },
        "upstream.password (ONETAG_UPSTREAM_PASSWORD): upstream.password_file (--upstream-password-file) is set",
    );
}

#[test]
fn an_empty_or_a_masked_password_is_none() {
    for password in ["", "***"] {
        let mut config = valid();
        config.upstream.username = Some("onetag".into());
        config.upstream.password = Some(Secret::from(password));
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains("the password is empty, or the mask"), "{message}");
    }
}

#[test]
fn the_two_listeners_do_not_share_an_address() {
    assert_invalid(
        |config| config.server.admin = config.server.listen,
        "server.admin (--admin): the address is that of server.listen (--listen)",
    );
    let mut config = valid();
    config.server.listen.set_port(0);
    config.server.admin.set_port(0);
    config.validate().expect("port 0 takes a free one twice");
}

#[test]
fn a_stale_window_that_could_never_be_used_is_refused() {
    assert_invalid(
        |config| config.cache.stale_if_error = Age::secs(59),
        "cache.stale_if_error (--stale-if-error): it is shorter than cache.tag_ttl (--tag-ttl)",
    );
    for allowed in [0, 60] {
        let mut config = valid();
        config.cache.stale_if_error = Age::secs(allowed);
        config.validate().unwrap();
    }
}

#[test]
fn a_list_of_suffixes_from_a_flag_is_checked_too() {
    assert_invalid(
        |config| config.merge.suffixes.push(config.merge.suffixes[0]),
        "merge.suffixes (--suffixes): a suffix is listed twice",
    );
}

#[test]
fn a_user_name_with_a_password_is_valid() {
    let text = "[upstream]\nurl = \"https://r.example\"\nusername = \"onetag\"\npassword = \"hunter2\"";
    parse(text).unwrap().validate().unwrap();
}
