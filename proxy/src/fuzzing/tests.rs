//! The inputs in `fuzz/corpus`, through the same functions as the fuzz targets.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

use super::{TARGETS, run};

/// The most inputs of a target, and the most bytes of all of them: they are part of every clone.
const MAX_INPUTS: usize = 30;
const MAX_BYTES: usize = 300_000;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name)
}

fn names(path: &PathBuf) -> BTreeSet<String> {
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The inputs of a target, by their names.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder("corpus").join(target);
    names(&folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises_of_its_target() {
    let mut broken = Vec::new();
    for (target, _) in TARGETS {
        for (name, data) in inputs(target) {
            if catch_unwind(|| run(target, &data)).is_err() {
                broken.push(format!("fuzz/corpus/{target}/{name}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_corpus_has_inputs_that_are_accepted_and_inputs_that_are_refused() {
    for (target, _) in TARGETS {
        let accepted = inputs(target).iter().filter(|(_, data)| run(target, data)).count();
        assert!(accepted > 0, "nothing in the corpus of {target} gets to where the promises are");
        assert!(accepted < inputs(target).len(), "nothing in the corpus of {target} is refused");
    }
}

#[test]
fn every_target_has_a_file_an_entry_and_a_corpus_and_there_are_no_others() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let files: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&folder("corpus")), targets);
    assert_eq!(names(&folder("targets")), files);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &targets {
        let entry = format!("[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"\n");
        assert!(manifest.contains(&entry), "no entry of {name}");
        let file = fs::read_to_string(folder("targets").join(format!("{name}.rs"))).unwrap();
        assert!(file.contains(&format!("run(\"{name}\", data)")), "{name}.rs runs something else");
    }
}

#[test]
fn the_corpus_is_small() {
    let mut bytes = 0;
    for (target, _) in TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() <= MAX_INPUTS, "{target} has {} inputs", inputs.len());
        bytes += inputs.iter().map(|(_, data)| data.len()).sum::<usize>();
    }
    assert!(bytes <= MAX_BYTES, "{bytes} bytes");
}
