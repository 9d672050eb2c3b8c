//! The shipped files are valid, and the reference among them is complete and true.

use std::fs;
use std::path::{Path, PathBuf};

use super::{parse, valid};
use crate::Config;
use crate::keys::SECTIONS;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

#[test]
fn every_shipped_file_parses_and_is_valid() {
    let mut names = Vec::new();
    for entry in fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        config.validate().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["all-settings.toml", "docker-hub.toml", "minimal.toml", "private-registry.toml"]);
}

#[test]
fn the_reference_file_holds_the_defaults_and_a_url() {
    assert_eq!(Config::load(&examples().join("all-settings.toml")).unwrap(), valid());
}

#[test]
fn the_reference_file_has_every_setting_and_all_of_them_can_be_switched_on() {
    let text = fs::read_to_string(examples().join("all-settings.toml")).unwrap();
    let is_setting = |line: &str| line.strip_prefix('#').is_some_and(|rest| !rest.starts_with([' ', '\n']));
    let lines = text.lines().map(|line| if is_setting(line) { &line[1..] } else { line });
    let everything = lines.collect::<Vec<_>>().join("\n");
    let table: toml::Table = everything.parse().unwrap();
    for (section, keys) in SECTIONS {
        let present = table[section].as_table().unwrap();
        let missing: Vec<_> = keys.iter().filter(|key| !present.contains_key(**key)).collect();
        assert!(missing.is_empty(), "[{section}] lacks {missing:?}");
    }
    parse(&everything).unwrap_or_else(|error| panic!("{error}"));
}
