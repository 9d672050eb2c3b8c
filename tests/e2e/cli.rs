//! The command line: what it says, with which exit code, and whose setting wins.

use std::net::TcpListener;

use testkit::{Registry, client, sha256};

use crate::support::{ACCEPT, Legacy, command, failure, manifest_path, serve_with, text};

/// An upstream that nothing is ever asked of.
const NOBODY: &str = "http://127.0.0.1:9";
const FREE_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

/// What a command that must succeed prints.
fn output(args: &[&str]) -> String {
    let output = command(args, &[]);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{args:?}");
    text(&output.stdout)
}

/// A directory with a configuration file of this text, and the file's path.
fn configuration(content: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("onetag.toml");
    std::fs::write(&path, content).expect("it can be written");
    let path = path.to_str().expect("a path in UTF-8").to_owned();
    (directory, path)
}

/// Asserts that `serve` with these arguments ends with code 2; the one line that it says.
fn refused(args: &[&str]) -> String {
    let said = failure(2, &[&["serve", "--upstream", NOBODY], &FREE_PORTS[..], args].concat());
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = format!("onetag {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(output(&["--version"]), expected);
    assert_eq!(output(&["-V"]), expected);
}

#[test]
fn every_help_names_what_there_is() {
    for (args, named) in [
        (&["--help"][..], &["serve", "inspect", "check", "Exit codes"][..]),
        (&["serve", "--help"], &["--upstream", "--data-dir", "--admin", "[env: ONETAG_LISTEN", "Examples:"]),
        (&["inspect", "--help"], &["<REF>", "--json", "--upstream", "Examples:"]),
        (&["check", "--help"], &["<FILE>", "--print"]),
        (&["help", "serve"], &["--upstream", "--data-dir"]),
    ] {
        let help = output(args);
        for name in named {
            assert!(help.contains(name), "{args:?} does not name {name}:\n{help}");
        }
    }
}

#[test]
fn wrong_usage_is_named_with_what_to_write() {
    for (args, named) in [
        (&["serve", "--upsteam", NOBODY][..], &["'--upsteam'", "'--upstream'"][..]),
        (&["serv"], &["'serv'", "'serve'"]),
        (&["serve", "--upstream", "registry.example.com"], &["--upstream", "https://registry.example.com"]),
        (&["serve", "--upstream", "ftp://a.example"], &["--upstream", "ftp"]),
        (&["serve", "--tag-ttl", "7"], &["--tag-ttl", "\"7s\""]),
        (&["serve", "--negative-ttl", "1h"], &["--negative-ttl", "10s"]),
        (&["serve", "--suffixes", "arm,arm46"], &["--suffixes", "'arm46'", "\"arm64\""]),
        (&["serve", "--suffixes=-arm"], &["--suffixes", "'-arm'", "write it without"]),
        (&["serve", "--listen", "5080"], &["--listen", "'5080'"]),
        (&["serve", "--max-connections", "0", "--upstream", NOBODY], &["--max-connections 0"]),
        (&["serve"], &["--upstream https://"]),
        (&["check"], &["<FILE>"]),
        (&["inspect"], &["<REF>"]),
    ] {
        let said = failure(2, args);
        for name in named {
            assert!(said.contains(name), "{args:?} does not name {name}: {said}");
        }
    }
}

#[test]
fn two_passwords_are_refused_without_repeating_one() {
    let passwords = ["--upstream-password", "hunter2-secret", "--upstream-password-file", "/nonexistent"];
    let said = failure(2, &[&["serve", "--upstream", NOBODY], &passwords[..]].concat());
    assert!(said.contains("--upstream-password-file") && !said.contains("hunter2"), "{said}");
}

#[test]
fn an_unknown_suffix_is_refused_with_those_that_are_known() {
    let known =
        "'banana' for '--suffixes <LIST>': is not a word for an architecture; known are amd64, x86_64,";
    let by_flag = failure(2, &["serve", "--upstream", NOBODY, "--suffixes", "arm,banana"]);
    let by_environment = command(&["serve", "--upstream", NOBODY], &[("ONETAG_SUFFIXES", "arm,banana")]);
    assert_eq!(by_environment.status.code(), Some(2));
    for said in [by_flag, text(&by_environment.stderr)] {
        assert!(said.contains(known), "{said}");
    }
}

#[test]
fn a_suffix_that_is_listed_twice_is_refused() {
    let said = refused(&["--suffixes", "arm,arm64,arm"]);
    assert!(said.contains("(--suffixes): a suffix is listed twice"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    for args in
        [["--listen", &address, "--admin", "127.0.0.1:0"], ["--listen", "127.0.0.1:0", "--admin", &address]]
    {
        let said = failure(2, &[&["serve", "--upstream", NOBODY], &args[..]].concat());
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&address) && said.contains("another port"), "{said}");
    }
}

#[test]
fn a_data_directory_that_is_a_file_is_named() {
    let (_directory, file) = configuration("");
    let inside = format!("{file}/data");
    for path in [&file, &inside] {
        let said = refused(&["--data-dir", path]);
        assert!(said.starts_with(&format!("onetag: data directory {path}: ")), "{said}");
    }
}

#[test]
fn a_token_file_that_is_of_no_use_is_named() {
    for (content, why) in [
        ("short\n", "the token in it has to be 16 to 512 visible ASCII characters"),
        ("", "the token in it has to be 16 to 512"),
        ("hunter2 hunter2 hunter2\n", "the token in it has to be 16 to 512"),
    ] {
        let (_directory, file) = configuration(content);
        let said = refused(&["--webhook-token-file", &file]);
        assert!(said.starts_with(&format!("onetag: webhook.token_file: {file}: {why}")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let said = refused(&["--webhook-token-file", "/nonexistent/token"]);
    assert!(said.starts_with("onetag: webhook.token_file: /nonexistent/token: cannot be read"), "{said}");
    let said = refused(&["--webhook-token", "hunter2"]);
    assert!(said.contains("(--webhook-token): the token has to be") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_broken_configuration_is_shown_by_line_and_column() {
    for (content, place, named) in [
        (
            "[upstream]\nurl = \"http://a.example\"\n[cache]\n  tag_ttl = \"7 parsecs\"\n",
            "4:13",
            "cache.tag_ttl",
        ),
        ("[upstrem]\nurl = \"http://a.example\"\n", "1:2", "\"upstream\""),
        ("[upstream]\nurl = \"http://a.example\n", "2:24", ""),
        ("[merge]\nsuffixes = [\"arm\", \"banana\"]\n", "2:20", "merge.suffixes[1]: \"banana\" is not"),
    ] {
        let (_directory, path) = configuration(content);
        for args in
            [&["check", &path][..], &["serve", "--config", &path], &["inspect", "--config", &path, "app"]]
        {
            let said = failure(2, args);
            assert!(said.starts_with(&format!("onetag: {path}:{place}: ")), "{said}");
            assert!(said.contains(named), "{said}");
            assert_eq!(said.lines().last().map(str::trim), Some("^"), "{said}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    for args in [&["check", "/nonexistent/a.toml"][..], &["serve", "--config", "/nonexistent/a.toml"]] {
        let said = failure(2, args);
        assert!(said.starts_with("onetag: /nonexistent/a.toml: cannot be read"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn check_accepts_what_serve_accepts_and_refuses_what_serve_refuses() {
    let (_directory, good) = configuration("[upstream]\nurl = \"http://a.example\"\n");
    assert_eq!(output(&["check", &good]), format!("{good}: this configuration can be used\n"));
    for (content, named) in [("", "--upstream"), ("[merge]\nsuffixes = [\"banana\"]", "arm64v8")] {
        let (_directory, bad) = configuration(content);
        let said = failure(2, &["check", &bad]);
        assert!(said.contains(named), "{said}");
        assert_eq!(failure(2, &[&["serve", "--config", &bad], &FREE_PORTS[..]].concat()), said);
    }
}

#[test]
fn check_prints_every_effective_setting_but_no_password() {
    let (directory, path) = configuration(
        "[upstream]\nurl = \"https://a.example\"\nusername = \"ada\"\npassword = \"hunter2-secret\"\n\
         [cache]\ntag_ttl = \"2m\"\n",
    );
    let printed = output(&["check", "--print", &path]);
    for line in [
        r#"url = "https://a.example""#,
        r#"username = "ada""#,
        r#"tag_ttl = "2m""#,
        r#"negative_ttl = "5s""#,
        r#"listen = "127.0.0.1:5080""#,
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing in\n{printed}");
    }
    assert!(printed.contains("\npassword = ") && !printed.contains("hunter2"), "{printed}");
    // What is printed is itself a configuration, once the password stands in it again.
    let again = directory.path().join("printed.toml");
    let again = again.to_str().expect("a path in UTF-8");
    std::fs::write(again, &printed).expect("it can be written");
    assert!(failure(2, &["check", again]).contains("the mask of printed settings"));
    std::fs::write(again, printed.replace("\"***\"", "\"another\"")).expect("it can be written");
    assert_eq!(output(&["check", "--print", again]), printed);
}

#[test]
fn a_host_that_no_name_server_could_know_is_wrong_usage() {
    for host in ["a..b", "..", "-a.example"] {
        let (_directory, path) = configuration(&format!("[upstream]\nurl = \"https://{host}\"\n"));
        assert!(failure(2, &["check", &path]).contains("upstream.url"), "{host}");
        assert!(
            failure(2, &["inspect", "--upstream", &format!("https://{host}"), "app"]).contains("--upstream")
        );
    }
}

/// The digest of `latest` at an onetag with these arguments and variables.
async fn digest_at(args: &[&str], env: &[(&str, &str)]) -> String {
    let onetag = serve_with(args, env);
    let url = format!("{}{}", onetag.url(), manifest_path("latest"));
    sha256(client::get(&url, &[ACCEPT]).await.expect("an answer").body)
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let mut urls = Vec::new();
    let mut registries = Vec::new();
    for seed in 0..3 {
        let registry = Registry::start().await;
        Legacy::seeded(seed).push(&registry, "latest");
        urls.push(registry.url());
        registries.push(registry);
    }
    let [in_file, in_environment, in_flag] = [0, 1, 2].map(|seed| sha256(Legacy::seeded(seed).merged()));
    let (_directory, path) = configuration(&format!("[upstream]\nurl = \"{}\"\n", urls[0]));
    let environment = [("ONETAG_UPSTREAM", urls[1].as_str()), ("ONETAG_CONFIG", path.as_str())];
    assert_eq!(digest_at(&["--config", &path], &[]).await, in_file);
    assert_eq!(digest_at(&[], &environment[1..]).await, in_file);
    assert_eq!(digest_at(&[], &environment).await, in_environment);
    assert_eq!(digest_at(&["--upstream", &urls[2]], &environment).await, in_flag);
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("onetag.toml");
    std::fs::write(&file, "[upstream]\nurl = \"https://registry.example.com\"\n").unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_onetag"));
    let output = check.arg("check").arg(&file).arg("--print").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"), "{output:?}");
}
