//! The rules. Each takes one source file and returns what is wrong with it, as sentences.

use proc_macro2::{Delimiter, TokenTree};

use crate::source::{NamedPath, Source, is_test_file};

/// The rooms of `proxy/src`, lowest floor first. A room may use the floors below its own, never its own
/// or one above. The crates below it (`onetag-oci`, `onetag-config`) are kept down by cargo.
const FLOORS: &[&[&str]] = &[
    &["telemetry", "merge", "flight", "sendfile"],
    &["upstream", "cache", "access"],
    &["resolve"],
    &["registry"],
    &["server"],
    &["cli", "fuzzing"],
    &["main"],
];

/// What a pure module must not touch: runtimes, input and output, clocks.
const IMPURE: &[&str] = &[
    "async",
    "tokio",
    "futures_util",
    "hyper",
    "hyper_util",
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// All that the crate of the specification types may depend on.
const OCI_DEPENDENCIES: &[&str] =
    &["aws-lc-rs", "base64", "bytes", "http", "percent-encoding", "serde", "serde_json", "thiserror"];

/// The longest file, without its tests.
const MAX_LINES: usize = 400;

pub(crate) fn imports_go_down(source: &Source) -> Vec<String> {
    let here = room(&source.name);
    // The library's root only lists the rooms.
    if here == "lib" {
        return Vec::new();
    }
    let Some(floor) = floor(here) else {
        return vec![format!("{}: the room `{here}` has no floor in the plan", source.name)];
    };
    let rooms = source.paths.iter().filter_map(|path| match path.segments.as_slice() {
        [root, target, ..] if root == "crate" && target != here => Some(target.as_str()),
        _ => None,
    });
    rooms
        .filter(|target| self::floor(target).is_none_or(|below| below >= floor))
        .map(|target| format!("{}: `{here}` must not use `{target}`", source.name))
        .collect()
}

fn room(name: &str) -> &str {
    name.split('/').next().unwrap_or(name).trim_end_matches(".rs")
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

pub(crate) fn is_pure(source: &Source) -> Vec<String> {
    IMPURE.iter().flat_map(|banned| uses(source, banned)).map(|path| impure(source, path)).collect()
}

fn impure(source: &Source, path: &NamedPath) -> String {
    format!("{}: pure code must not use `{}`", source.name, path.segments.join("::"))
}

/// The environment is read, and the process ended, at one place only.
pub(crate) fn leaves_the_process_alone(source: &Source) -> Vec<String> {
    if matches!(room(&source.name), "cli" | "main") {
        return Vec::new();
    }
    ["std::env", "std::process::exit", "std::process::abort"]
        .iter()
        .flat_map(|banned| uses(source, banned))
        // Constants of the build, not of the environment.
        .filter(|path| !path.segments.starts_with(&["std", "env", "consts"].map(str::to_owned)))
        .map(|path| format!("{}: `{}` belongs into cli/", source.name, path.segments.join("::")))
        .collect()
}

/// The paths outside of tests by which a file can reach a banned one: the path itself, what is below it,
/// and modules above it that are imported whole.
fn uses<'a>(source: &'a Source, banned: &str) -> Vec<&'a NamedPath> {
    let banned: Vec<_> = banned.split("::").map(str::to_owned).collect();
    let reaches = |path: &NamedPath| path.segments.starts_with(&banned) || reaches_whole(path, &banned);
    source.paths.iter().filter(|path| !path.in_tests && reaches(path)).collect()
}

fn reaches_whole(path: &NamedPath, banned: &[String]) -> bool {
    path.segments.len() > 1 && banned.starts_with(&path.segments)
}

pub(crate) fn unexpected_dependencies(manifest: &str) -> Vec<String> {
    let names = table(manifest, "[dependencies]").into_iter().filter(|name| !OCI_DEPENDENCIES.contains(name));
    names.map(|name| format!("onetag-oci must not depend on `{name}`")).collect()
}

/// The keys of a table of a Cargo manifest, as written in this repository: one key a line.
pub(crate) fn table<'a>(manifest: &'a str, header: &str) -> Vec<&'a str> {
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect()
}

pub(crate) fn is_short(source: &Source) -> Vec<String> {
    if is_test_file(&source.name) || source.lines <= MAX_LINES {
        return Vec::new();
    }
    vec![format!("{}: {} lines, more than {MAX_LINES}", source.name, source.lines)]
}

/// A `mod.rs` says what is in the room and what leads out of it: documentation, `mod` and `pub use`.
pub(crate) fn is_a_door(source: &Source) -> Vec<String> {
    if !source.name.ends_with("mod.rs") || is_test_file(&source.name) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for item in items(source) {
        let words: Vec<_> = item.iter().take(2).map(ToString::to_string).collect();
        let fits = matches!(
            words.iter().map(String::as_str).collect::<Vec<_>>()[..],
            ["pub", "use" | "mod"] | ["mod", _] | ["test", ..] | []
        );
        if !fits {
            found.push(format!("{}: more than a door: `{} ...`", source.name, words.join(" ")));
        }
    }
    found
}

/// The items of a file, attributes and restrictions like `(crate)` left out, test items as the one word
/// `test`.
fn items(source: &Source) -> Vec<Vec<TokenTree>> {
    let mut items = vec![Vec::new()];
    for token in source.tokens.clone() {
        let item = items.last_mut().expect("an item at least");
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => items.push(Vec::new()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_import(item) => {
                items.push(Vec::new());
            }
            TokenTree::Group(group) if group.to_string().replace(' ', "") == "[cfg(test)]" => {
                item.push(TokenTree::Ident(proc_macro2::Ident::new("test", proc_macro2::Span::call_site())));
            }
            TokenTree::Punct(_) | TokenTree::Group(_) => {}
            _ => item.push(token),
        }
    }
    items
}

fn is_import(item: &[TokenTree]) -> bool {
    item.iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "use"))
}
