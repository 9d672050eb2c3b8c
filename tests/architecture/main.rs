//! The floor plan, enforced. What the rules are stands in `rules.rs`; here they meet the real sources.

mod dependencies;
mod planted;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// The top of the repository: this test belongs to the package in `proxy/`.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder").to_owned()
}

/// All Rust files below a folder of the repository. Rules that look at nothing would pass, so an empty
/// folder is a mistake.
fn sources(folder: &str) -> Vec<Source> {
    let root = top().join(folder);
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    assert!(!files.is_empty(), "no sources in {}", root.display());
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("a path below the root").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a readable file");
            files.push(Source::parse(&name, &text));
        }
    }
}

/// Applies a rule to every file and fails with all that it found.
fn enforce(files: &[Source], rule: impl Fn(&Source) -> Vec<String>) {
    let found: Vec<String> = files.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "{} violations:\n  {}", found.len(), found.join("\n  "));
}

#[test]
fn imports_go_down_only() {
    enforce(&sources("proxy/src"), rules::imports_go_down);
}

#[test]
fn merge_is_pure() {
    enforce(&sources("proxy/src/merge"), rules::is_pure);
}

#[test]
fn the_specification_types_are_pure() {
    enforce(&sources("proxy/oci/src"), rules::is_pure);
    let manifest = fs::read_to_string(top().join("proxy/oci/Cargo.toml")).expect("a readable manifest");
    let found = rules::unexpected_dependencies(&manifest);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_environment_and_the_exit_belong_to_the_command_line() {
    for folder in ["proxy/src", "proxy/oci/src", "config/src"] {
        enforce(&sources(folder), rules::leaves_the_process_alone);
    }
}

#[test]
fn a_mod_file_is_a_door() {
    for folder in ["proxy/src", "proxy/oci/src", "config/src", "loadtest/src"] {
        enforce(&sources(folder), rules::is_a_door);
    }
}

#[test]
fn files_are_short() {
    for folder in ["proxy", "config", "loadtest", "tests/support"] {
        enforce(&sources(folder), rules::is_short);
    }
}
