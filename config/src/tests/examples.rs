//! The shipped files are valid, and the reference among them is complete and true.

use std::fs;
use std::path::{Path, PathBuf};

use super::{parse, valid};
use crate::keys::{LISTS, SECTIONS};
use crate::{Config, MemberPattern, Preset, Word};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

#[test]
fn every_shipped_file_parses_and_is_valid() {
    let mut names = Vec::new();
    let entries = fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| path.is_file()) {
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        config.validate().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["all-settings.toml", "docker-hub.toml", "minimal.toml", "private-registry.toml"]);
}

#[test]
fn every_preset_has_a_file_that_uses_it_and_nothing_else() {
    let folder = examples().join("presets");
    for preset in Preset::ALL {
        let path = folder.join(format!("{preset}.toml"));
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        config.validate().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let [rule] = &config.rule[..] else { panic!("{preset}: one rule") };
        assert_eq!(rule.preset, Some(preset));
        assert_eq!((rule.patterns(), rule.words()), (vec![preset.pattern()], preset.words()));
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), Preset::ALL.len());
}

#[test]
fn the_members_that_the_comments_of_a_preset_name_are_its_members() {
    for preset in Preset::ALL {
        let path = examples().join(format!("presets/{preset}.toml"));
        let text = fs::read_to_string(&path).unwrap();
        let named: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("#   ")?.split_whitespace().next()).collect();
        let (repository, tag) = named[0].split_once(':').unwrap();
        assert!(Config::load(&path).unwrap().rule[0].matches(repository, tag), "{preset}");
        let members: Vec<String> =
            preset.words().into_iter().map(|word| member(&preset.pattern(), repository, tag, word)).collect();
        for name in &named[1..] {
            assert!(members.iter().any(|member| member == name), "{preset}: {name} is none of {members:?}");
        }
    }
}

/// One member, put together from the pattern's text.
fn member(pattern: &MemberPattern, repository: &str, tag: &str, word: Word) -> String {
    let (namespace, name) = repository.rsplit_once('/').unwrap();
    let text = match pattern.parts().0 {
        Some(_) => pattern.to_string(),
        None => format!("{{repo}}:{pattern}"),
    };
    text.replace("{repo}", repository)
        .replace("{namespace}", namespace)
        .replace("{name}", name)
        .replace("{tag}", tag)
        .replace("{arch}", word.as_str())
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
        let value = if LISTS.contains(&section) { &table[section][0] } else { &table[section] };
        let present = value.as_table().unwrap();
        let missing: Vec<_> = keys.iter().filter(|key| !present.contains_key(**key)).collect();
        assert!(missing.is_empty(), "[{section}] lacks {missing:?}");
    }
    parse(&everything).unwrap_or_else(|error| panic!("{error}"));
    let all_named = |names: Vec<&str>| names.into_iter().all(|name| text.contains(name));
    assert!(all_named(Preset::ALL.iter().map(|preset| preset.name()).collect()));
    assert!(all_named(Word::all().map(Word::as_str).collect()));
}
