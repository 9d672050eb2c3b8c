//! What `[[warm]]` means, and each kind of wrong one with its place and what to write.

use std::time::Duration;

use super::{parse, refusal};
use crate::{Warm, WarmReference, WarmReferenceError};

fn warm(text: &str) -> Warm {
    parse(&format!("[[warm]]\n{text}")).unwrap_or_else(|error| panic!("{error}")).warm.remove(0)
}

#[track_caller]
fn assert_refused(text: &str, place: &str, message: &str) {
    assert_eq!(refusal(text).lines().next().unwrap(), format!("onetag.toml:{place}: {message}"), "{text}");
}

#[test]
fn a_reference_falls_into_a_repository_and_a_tag() {
    for (text, repository, tag) in [
        ("team/app:1.4", "team/app", "1.4"),
        ("nginx", "nginx", "latest"),
        ("a.b/c__d/e--f:V_1", "a.b/c__d/e--f", "V_1"),
    ] {
        let reference: WarmReference = text.parse().unwrap();
        assert_eq!((reference.repository(), reference.tag()), (repository, tag));
        assert_eq!(reference.to_string(), format!("{repository}:{tag}"));
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
}

#[test]
fn a_wrong_reference_is_told_from_each_other_wrong_one() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let (long_repository, long_tag) = ("a".repeat(256), format!("app:{}", "a".repeat(129)));
    for (text, error) in [
        ("", WarmReferenceError::Empty),
        (&digest, WarmReferenceError::Digest),
        (&format!("app@{digest}"), WarmReferenceError::Digest),
        (&format!("app:latest@{digest}"), WarmReferenceError::Digest),
        ("localhost:5000/app", WarmReferenceError::Host),
        ("localhost:5000/app:latest", WarmReferenceError::Host),
        ("https://registry.example.com/app", WarmReferenceError::Host),
        ("team/*", WarmReferenceError::Wildcard('*')),
        ("app:v[0-9]", WarmReferenceError::Wildcard('[')),
        (":latest", WarmReferenceError::NoRepository),
        ("app:", WarmReferenceError::NoTag("app:latest".into())),
        ("Team/App:V1", WarmReferenceError::UpperCase("team/app:V1".into())),
        ("team app", WarmReferenceError::RepositoryCharacter(' ')),
        ("team//app", WarmReferenceError::Repository),
        ("/app", WarmReferenceError::Repository),
        ("app-", WarmReferenceError::Repository),
        (&long_repository, WarmReferenceError::LongRepository),
        ("app:1+2", WarmReferenceError::TagCharacter('+')),
        ("app:.1", WarmReferenceError::TagStart('.')),
        (&long_tag, WarmReferenceError::LongTag),
    ] {
        assert_eq!(text.parse::<WarmReference>(), Err(error), "{text:?}");
    }
    assert!("a".repeat(255).parse::<WarmReference>().is_ok());
    assert!(long_tag[..long_tag.len() - 1].parse::<WarmReference>().is_ok());
}

#[test]
fn what_is_kept_warm_has_all_platforms_and_a_quarter_of_an_hour_where_nothing_else_is_said() {
    let plain = warm("references = [\"app\"]");
    assert_eq!(plain.platforms, []);
    assert_eq!(plain.every.get(), Duration::from_mins(15));
    let told = warm("references = [\"app\", \"app:1\"]\nplatforms = [\"linux/arm64\"]\nevery = \"10s\"");
    assert_eq!(told.references.len(), 2);
    assert_eq!(told.platforms[0].to_string(), "linux/arm64/v8");
    assert_eq!(told.every.get(), Duration::from_secs(10));
}

#[test]
fn an_error_shows_the_line_of_the_list_with_a_caret_below() {
    assert_eq!(
        refusal("[[warm]]\nreferences = [\n  \"app\",\n  \"app@sha256:abc\",\n]"),
        "onetag.toml:4:3: warm[0].references[1]: \"app@sha256:abc\" has a digest, and what that names never changes; \
         it needs no keeping warm, so leave it out\n    \"app@sha256:abc\",\n    ^"
    );
}

#[test]
fn wrong_references_are_refused() {
    for (text, place, message) in [
        ("", "1:1", "warm[0]: references is missing; each [[warm]] needs it"),
        ("every = \"1m\"", "1:1", "warm[0]: references is missing; each [[warm]] needs it"),
        (
            "references = []",
            "2:14",
            "warm[0].references: the list is empty; name a tag, as in [\"team/app:latest\"]",
        ),
        (
            "references = \"app\"",
            "2:14",
            "warm[0].references: expected a list, as in [\"team/app:latest\"], found a string",
        ),
        (
            "references = [\"app\", \"app:latest\"]",
            "2:14",
            "warm[0].references: \"app:latest\" is listed twice; keep the first one",
        ),
        (
            "references = [\"b\", \"Team/app\"]",
            "2:20",
            "warm[0].references[1]: \"Team/app\" has an upper-case letter, which no repository has; write \"team/app:latest\"",
        ),
        (
            "references = [\"localhost:5000/app\"]",
            "2:15",
            "warm[0].references[0]: \"localhost:5000/app\" has a colon too many; it is in the one registry, so write \
             REPOSITORY:TAG without a host",
        ),
        (
            "references = [\"team/*\"]",
            "2:15",
            "warm[0].references[0]: \"team/*\" has the wildcard '*'; wildcards do not work here, so name each tag by itself",
        ),
        (
            "references = [1.10]",
            "2:15",
            "warm[0].references[0]: expected a string that holds one reference, found a fraction",
        ),
    ] {
        assert_refused(&format!("[[warm]]\n{text}"), place, message);
    }
}

#[test]
fn wrong_settings_beside_the_references_are_refused() {
    for (text, place, message) in [
        ("every = \"9s\"", "3:9", "warm[0].every: \"9s\" is too short; it must be at least 10s"),
        (
            "platforms = [\"arm64\"]",
            "3:14",
            "warm[0].platforms[0]: \"arm64\" has no operating system; did you mean \"linux/arm64\"?",
        ),
        (
            "platforms = [\"linux/arm64\", \"linux/aarch64\"]",
            "3:13",
            "warm[0].platforms: \"linux/arm64/v8\" is listed twice; keep the first one",
        ),
        (
            "platforms = \"linux/arm64\"",
            "3:13",
            "warm[0].platforms: expected a list, as in [\"linux/amd64\", \"linux/arm64\"], found a string",
        ),
        ("evry = \"1m\"", "3:1", "unknown setting \"evry\" in [[warm]]; did you mean \"every\"?"),
        ("tags = [\"v1\"]", "3:1", "unknown setting \"tags\" in [[warm]]; it belongs to [[rule]]"),
    ] {
        assert_refused(&format!("[[warm]]\nreferences = [\"app\"]\n{text}"), place, message);
    }
}

#[test]
fn what_is_kept_warm_is_a_table_in_two_brackets() {
    let expected = "warm: expected tables that begin with [[warm]], in two brackets";
    assert_refused("[warm]\nreferences = [\"app\"]", "1:1", &format!("{expected}, found a table"));
    assert_refused("warm = \"app\"", "1:8", &format!("{expected}, found a string"));
    assert_refused("warm = [\"app\"]", "1:9", "warm[0]: expected a table, found a string");
    assert_refused("[[warn]]", "1:3", "unknown section \"warn\"; did you mean \"warm\"?");
    assert_refused(
        "every = \"1m\"",
        "1:1",
        "unknown setting \"every\" outside of a section; it belongs to [[warm]]",
    );
    assert_refused(
        "[cache]\nreferences = []",
        "2:1",
        "unknown setting \"references\" in [cache]; it belongs to [[warm]]",
    );
    assert_refused(
        "[cache]\nplatforms = []",
        "2:1",
        "unknown setting \"platforms\" in [cache]; it belongs to [[rule]] or [[warm]]",
    );
}

#[test]
fn there_are_at_most_64_tables_of_at_most_256_references() {
    let reference = |number: usize| format!("\"app{number}\",");
    let list = |count: usize| (0..count).map(reference).collect::<String>();
    assert_eq!(warm(&format!("references = [{}]", list(256))).references.len(), 256);
    assert_refused(
        &format!("[[warm]]\nreferences = [{}]", list(257)),
        "2:14",
        "warm[0].references: 257 references are listed; at most 256 are allowed; begin another [[warm]]",
    );
    let tables = |count: usize| "[[warm]]\nreferences = [\"app\"]\n".repeat(count);
    assert_eq!(parse(&tables(64)).unwrap().warm.len(), 64);
    assert_refused(
        &tables(65),
        "129:1",
        "warm[64]: at most 64 [[warm]] are allowed; list several references in one",
    );
}
