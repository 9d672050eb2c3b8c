//! A secret leaves through `expose` and by no other way.

use super::{parse, refusal};

const WITH_SECRET: &str = "[upstream]\nurl = \"https://registry.example.com\"\nusername = \"onetag\"\n\
                           password = \"hunter2\"\nconnect_timeout = \"5s\"\n\n[cache]\ntag_ttl = \"60s\"\n\n\
                           [webhook]\ntoken = \"hunter2hunter2\"\n";

#[test]
fn a_secret_is_exposed_on_request_only() {
    let config = parse(WITH_SECRET).unwrap();
    assert_eq!(config.upstream.password.as_ref().unwrap().expose(), "hunter2");
    assert_eq!(config.webhook.token.as_ref().unwrap().expose(), "hunter2hunter2");
    let (debug, printed) = (format!("{config:?} {config:#?}"), config.print());
    assert!(!debug.contains("hunter2") && debug.contains("***"), "{debug}");
    assert!(!printed.contains("hunter2") && printed.contains("password = \"***\""), "{printed}");
    assert!(printed.contains("token = \"***\""), "{printed}");
}

#[test]
fn a_misplaced_secret_does_not_show_in_the_error() {
    for text in [
        "[upstream]\npassword = 'hunter2",
        "[upstream]\npassword = \"hunter2\\q\"",
        "[upstream]\npassword = [\"hunter2\"]",
        "[upstream]\npassword = { hunter2 = 1 }",
        "[upstream]\npassword = \"\"\"\nhunter2\\q\"\"\"",
        "[upstream]\npassword = \"\"\"\ntag_ttl hunter2\\q\"\"\"",
        "[upstream]\npassword = \"x\"\npassword = \"hunter2\"",
        "[upstream]\npasword = \"hunter2\"",
        "[upstream]\nconnect_timeout = 5s password = \"hunter2\"",
        "[upstream]\nconnect_timeout = \"5s\" pasword = \"hunter2\"",
        "[upstream]\n\"hunter2\"",
        "[upstream]\nhunter2",
        "[upstream]\n= \"hunter2\"",
        "[upstream]\ntag_ttl.password = \"hunter2\"",
        "upstream = { pasword = \"hunter2\" }",
        "upstream = { connect_timeout = 5, password = \"hunter2\" }",
        "upstream = \"https://onetag:hunter2@registry.example.com\"",
        "upstream.connect_timeout = { password = \"hunter2\" }",
        "[upstream]\nurl = \"https://onetag:hunter2@registry.example.com\"",
        "[upstream]\nurl = \"onetag:hunter2@registry.example.com\"",
        "[upstream]\nurl = \"https://registry.example.com/?token=hunter2\"",
        "[upstream]\nurl = \"ftp://onetag:hunter2@registry.example.com\"",
        "[upstream]\nurl = { password = \"hunter2\" }",
        "[upstream]\nuse_docker_config = \"hunter2\" # the password",
        "[webhook]\ntoken = 'hunter2",
        "[webhook]\ntoken = [\"hunter2\"]",
        "[webhook]\ntoken = \"x\"\ntoken = \"hunter2\"",
        "[webhook]\ntokn = \"hunter2\"",
        "[webhook]\ntoken.bearer = \"hunter2\"",
        "[webhook]\ntoken_file = 'hunter2",
        "[blobs]\nfinish = \"hunter2\" # the token",
        "[blobs]\ntoken = \"hunter2\"",
        "webhook = { token = \"hunter2\", tokn = 1 }",
        "webhook = \"hunter2\"",
        "webhook.token = { x = \"hunter2\" }",
        "[[warm]]\nreferences = [\"app\", token = \"hunter2\"]",
        "[[warm]]\nreferences = [\n  \"app\", hunter2",
        "[[warm]]\ntoken = [\n  \"hunter2\"",
    ] {
        let refusal = refusal(text);
        assert!(!refusal.contains("hunter2"), "{text}\n{refusal}");
    }
}

#[test]
fn no_slip_of_a_finger_leaks_the_secret() {
    let slips = ["", "\n", "\"", "'", "\"\"\"", "=", "#", "[", "{", "\\", " ", "x", "\u{0}"];
    let mut refused = 0;
    for at in 0..WITH_SECRET.len() {
        for slip in slips {
            for end in [at, at + 1] {
                let text = format!("{}{slip}{}", &WITH_SECRET[..at], &WITH_SECRET[end..]);
                // Where the secret itself was hit, a half of it stays a secret.
                let half = if text.contains("hunter2") { "hunter2" } else { "nter" };
                if let Err(error) = parse(&text) {
                    refused += 1;
                    let all = format!("{error} {error:?}");
                    assert!(!all.contains(half), "{text}\n{all}");
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}
