//! The rules against sources that break them: a rule that finds nothing here guards nothing.

use crate::rules;
use crate::source::Source;

/// The words that a rule quotes about a file: what it found, in order.
fn found(rule: impl Fn(&Source) -> Vec<String>, name: &str, text: &str) -> Vec<String> {
    let quoted = |sentence: String| sentence.rsplit('`').nth(1).unwrap_or_default().to_owned();
    rule(&Source::parse(name, text)).into_iter().map(quoted).collect()
}

fn up(name: &str, text: &str) -> Vec<String> {
    found(rules::imports_go_down, name, text)
}

#[test]
fn imports_upwards_and_sideways_are_found() {
    assert_eq!(up("merge/index.rs", "use crate::resolve::tag::Tag;"), ["resolve"]);
    assert_eq!(up("cache/blobs.rs", "use crate::upstream::Client;"), ["upstream"]);
    assert_eq!(up("server/mod.rs", "pub use crate::cli::run;"), ["cli"]);
    assert_eq!(up("cli/serve.rs", "use onetag::main::start;"), ["main"]);
}

#[test]
fn imports_downwards_and_within_the_room_pass() {
    let text =
        "use super::scheme::Scheme; use crate::merge::platform; use onetag_oci::Digest; use self::a::b;";
    assert!(up("merge/index.rs", text).is_empty());
    assert!(up("server/admin.rs", "use crate::{registry::Router, cache, merge::{self, index}};").is_empty());
    assert!(up("main.rs", "use onetag::cli; fn main() { onetag::cli::run() }").is_empty());
}

#[test]
fn every_branch_of_a_grouped_import_counts() {
    let text = "use crate::{telemetry::Metrics, resolve::{self, tag::{Fill, Key as K}}, server::*};";
    assert_eq!(up("upstream/client.rs", text), ["resolve", "resolve", "resolve", "server"]);
}

#[test]
fn paths_inside_code_and_macros_count() {
    let text =
        "fn f() -> crate::server::Port { info!(port = crate::cli::port()); <crate::registry::A>::new() }";
    assert_eq!(up("resolve/tag.rs", text), ["server", "cli", "registry"]);
}

#[test]
fn super_is_followed_out_of_the_room() {
    assert_eq!(up("merge/index.rs", "use super::super::resolve::tag;"), ["resolve"]);
    assert_eq!(up("merge/mod.rs", "use super::resolve;"), ["resolve"]);
    assert!(up("merge/index.rs", "mod tests { use super::super::scheme; }").is_empty());
    assert_eq!(up("merge/index.rs", "mod tests { use super::super::super::cli; }"), ["cli"]);
}

#[test]
fn comments_and_strings_do_not_count() {
    let text =
        "//! See crate::server.\n/* crate::cli::x */ /// `crate::cli`\nconst A: &str = \"crate::cli::x\";";
    assert!(up("merge/index.rs", text).is_empty());
}

#[test]
fn a_room_without_a_floor_is_found() {
    assert_eq!(up("utils/mod.rs", "mod strings;"), ["utils"]);
    assert_eq!(up("cli/mod.rs", "use crate::utils::strings;"), ["utils"]);
}

#[test]
fn impurity_is_found_in_every_spelling() {
    let impure = |text| found(rules::is_pure, "merge/index.rs", text);
    assert_eq!(impure("use tokio::sync::Mutex;"), ["tokio::sync::Mutex"]);
    assert_eq!(impure("use std::{collections::BTreeMap, fs::File};"), ["std::fs::File"]);
    assert_eq!(impure("use std::time; fn f() { time::Instant::now(); }"), ["std::time", "std::time"]);
    assert_eq!(impure("use std::time::*;"), ["std::time", "std::time"]);
    assert_eq!(impure("fn f() { ::std::time::SystemTime::now(); }"), ["std::time::SystemTime::now"]);
    assert_eq!(impure("async fn f() {}"), ["async"]);
    assert!(impure("use std::time::Duration; use std::io::Write; // tokio::spawn").is_empty());
}

#[test]
fn tests_of_pure_code_may_read_files() {
    assert!(found(rules::is_pure, "merge/tests.rs", "use std::fs;").is_empty());
    assert!(found(rules::is_pure, "merge/index.rs", "#[cfg(test)] mod tests { use std::fs; }").is_empty());
}

#[test]
fn a_dependency_that_does_input_or_output_is_found() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nserde.workspace = true\ntokio = \"1\"\n\
                    # why\nhyper-util.workspace = true\n\n[dev-dependencies]\ntempfile = \"3\"\n";
    assert_eq!(
        rules::unexpected_dependencies(manifest),
        ["onetag-oci must not depend on `tokio`", "onetag-oci must not depend on `hyper-util`"]
    );
}

#[test]
fn the_environment_and_the_exit_are_found_outside_the_command_line() {
    let text = "fn f() { let _ = std::env::var(\"X\"); std::process::exit(1); std::env::consts::ARCH; }";
    let reaching = |name| found(rules::leaves_the_process_alone, name, text);
    assert_eq!(reaching("server/admin.rs"), ["std::env::var", "std::process::exit"]);
    assert!(reaching("cli/serve.rs").is_empty());
    assert!(reaching("main.rs").is_empty());
}

#[test]
fn more_than_a_door_is_found() {
    let door = |text| found(rules::is_a_door, "merge/mod.rs", text);
    assert!(
        door("//! Doc.\nmod a;\npub(crate) mod b;\npub use a::{A, B};\npub(super) use b::C;\n").is_empty()
    );
    assert!(
        door("/// Doc.\n#[cfg(test)]\nmod tests { fn f() {} }\n#[cfg(test)]\nuse a::b;\npub mod c;")
            .is_empty()
    );
    assert_eq!(door("mod a;\n\nuse a::A;\npub use a::B;"), ["use a ..."]);
    assert_eq!(door("mod a;\npub struct B { c: u8 }\npub fn d() {}"), ["pub struct ...", "pub fn ..."]);
    assert_eq!(door("const A: u8 = 1;\nimpl A for B {}\nmod c;"), ["const A ...", "impl A ..."]);
    assert!(found(rules::is_a_door, "merge/index.rs", "struct A;").is_empty());
    assert!(found(rules::is_a_door, "merge/tests/mod.rs", "fn helper() {}").is_empty());
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let body = |lines: usize| "// a line\n".repeat(lines);
    let long = |name: &str, text: &str| rules::is_short(&Source::parse(name, text)).len();
    assert_eq!(long("src/a.rs", &body(400)), 0);
    assert_eq!(long("src/a.rs", &body(401)), 1);
    assert_eq!(long("src/a.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", body(400), body(90))), 0);
    assert_eq!(long("src/a.rs", &format!("#[cfg(test)]\nmod tests;\n{}", body(400))), 1);
    assert_eq!(long("src/tests.rs", &body(401)), 0);
}
