//! What rules, patterns, globs, words and platforms mean once they are read.

use std::str::FromStr;

use super::parse;
use crate::{
    MemberPattern, Part, PlatformSource, Preset, RepositoryGlob, RequiredPlatform, Rule, TagGlob, Word,
};

fn rule(text: &str) -> Rule {
    parse(&format!("[[rule]]\n{text}")).unwrap_or_else(|error| panic!("{error}")).rule.remove(0)
}

#[test]
fn a_rule_without_settings_takes_everything_and_names_nothing() {
    let rule = rule("");
    assert_eq!(rule, Rule::default());
    assert!(rule.matches("app", "latest") && rule.matches("a/b/c", "v1"));
    assert!(rule.patterns().is_empty() && rule.words().is_empty());
    assert_eq!(rule.platform_source, PlatformSource::Config);
}

#[test]
fn a_rule_takes_a_tag_that_matches_in_a_repository_that_matches() {
    let rule = rule("repositories = [\"team/*\", \"x\"]\ntags = [\"latest\", \"v[0-9]*\"]");
    assert!(rule.matches("team/app", "latest") && rule.matches("x", "v1.4"));
    assert!(!rule.matches("team/app", "edge") && !rule.matches("other/app", "latest"));
    assert!(!rule.matches("team/app/sub", "latest") && !rule.matches("team", "latest"));
}

#[test]
fn a_preset_brings_its_own_repositories_and_tags_unless_the_rule_has_some() {
    let official = rule("preset = \"official\"");
    assert!(official.matches("library/nginx", "1.27"));
    assert!(!official.matches("team/nginx", "1.27") && !official.matches("library/a/b", "1"));
    assert!(rule("preset = \"official\"\nrepositories = [\"hub/*\"]").matches("hub/nginx", "1.27"));
    let arch_tag = rule("preset = \"arch-tag\"");
    assert!(arch_tag.matches("any/app", "latest") && !arch_tag.matches("any/app", "v1"));
    assert!(rule("preset = \"arch-tag\"\ntags = [\"stable\"]").matches("app", "stable"));
}

#[test]
fn members_come_before_the_preset_and_words_replace_its_own() {
    let rule = rule("preset = \"prefix\"\nmembers = [\"{tag}-edge\"]\narch = [\"armv7\", \"amd64\"]");
    let patterns: Vec<String> = rule.patterns().iter().map(ToString::to_string).collect();
    assert_eq!(patterns, ["{tag}-edge", "{arch}-{tag}"]);
    assert_eq!(rule.words().iter().map(|word| word.as_str()).collect::<Vec<_>>(), ["armv7", "amd64"]);
}

#[test]
fn the_presets_are_the_documented_ones() {
    let go = "amd64 arm64 arm 386 ppc64le s390x riscv64";
    let expected = [
        ("suffix", "{tag}-{arch}", "arm arm64 arm64v8 aarch64 armv7 arm32v7 armhf amd64 x86_64"),
        ("goarch-suffix", "{tag}-{arch}", go),
        ("bashbrew-suffix", "{tag}-{arch}", "amd64 arm64v8 arm32v7 arm32v6 arm32v5 i386"),
        ("variant-suffix", "{tag}-{arch}", "amd64 arm64 armv7 armv6 i386"),
        ("uname-suffix", "{tag}-{arch}", "x86_64 aarch64"),
        ("linux-suffix", "{tag}-linux-{arch}", go),
        ("prefix", "{arch}-{tag}", "amd64 arm64 arm64v8 arm32v7 arm32v6 armhf i386"),
        ("linux-prefix", "linux-{arch}-{tag}", go),
        ("arch-tag", "{arch}", go),
        (
            "official",
            "{arch}/{name}:{tag}",
            "amd64 arm32v5 arm32v6 arm32v7 arm64v8 i386 ppc64le s390x riscv64",
        ),
        ("repository-prefix", "{namespace}/{arch}-{name}:{tag}", "amd64 aarch64 armhf armv7 i386"),
        ("repository-suffix", "{repo}-{arch}:{tag}", go),
        (
            "repository-linux-suffix",
            "{repo}-linux-{arch}:{tag}",
            "amd64 arm64 armv7 armv6 386 ppc64le s390x riscv64",
        ),
    ];
    let words =
        |preset: Preset| preset.words().iter().map(|word| word.as_str()).collect::<Vec<_>>().join(" ");
    let found = Preset::ALL.map(|preset| (preset.to_string(), preset.pattern().to_string(), words(preset)));
    assert_eq!(found, expected.map(|(name, pattern, words)| (name.into(), pattern.into(), words.into())));
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse(), Ok(preset));
        for word in preset.words() {
            assert_eq!(word.as_str().parse(), Ok(word), "a known word");
        }
    }
}

#[test]
fn a_pattern_falls_into_its_parts() {
    let literal = |text: &str| Part::Literal(text.into());
    let pattern: MemberPattern = "{namespace}/{arch}-{name}:v{tag}".parse().unwrap();
    let repository = [Part::Namespace, literal("/"), Part::Arch, literal("-"), Part::Name];
    assert_eq!(pattern.parts(), (Some(&repository[..]), &[literal("v"), Part::Tag][..]));
    assert!(pattern.has_arch());
    let pattern: MemberPattern = "{tag}-arm".parse().unwrap();
    assert_eq!(pattern.parts(), (None, &[Part::Tag, literal("-arm")][..]));
    assert!(!pattern.has_arch() && pattern.platform().is_none());
    assert_eq!(pattern.to_string(), "{tag}-arm");
}

#[test]
fn the_word_in_a_pattern_stands_by_itself_and_is_the_longest() {
    for (text, word) in [
        ("{tag}-arm", Some("arm")),
        ("{tag}-arm64", Some("arm64")),
        ("{tag}-linux-x86_64", Some("x86_64")),
        ("arm64v8/{name}:{tag}", Some("arm64v8")),
        ("arm64v8/{name}:{tag}-arm", Some("arm64v8")),
        ("arm64-{tag}_amd64", Some("arm64")),
        ("{tag}-alarm", None),
        ("charm-{tag}-1", None),
        ("{tag}-edge", None),
        ("{tag}-{arch}", None),
        ("{tag}-alarm-arm", Some("arm")),
    ] {
        let found = text.parse::<MemberPattern>().unwrap().literal_word();
        assert_eq!(found.map(Word::as_str), word, "{text}");
    }
    let told = rule("members = [{ pattern = \"{tag}-arm\", platform = \"linux/arm/v6\" }]");
    assert_eq!(told.members[0].literal_word(), None);
    assert_eq!(told.members[0].platform().unwrap().to_string(), "linux/arm/v6");
}

#[test]
fn the_rule_may_name_platforms_where_each_is_known() {
    let rule = rule(
        "platform_source = \"rule\"\narch = [\"amd64\", \"armhf\"]\n\
         members = [\"{tag}-{arch}\", \"{tag}-arm64\", { pattern = \"{tag}-arm\", platform = \"linux/arm64\" }]",
    );
    assert_eq!(rule.platform_source, PlatformSource::Rule);
    for word in Word::all() {
        assert_eq!(word.is_single(), word.as_str() != "arm", "{word}");
    }
}

#[test]
fn repository_globs_match_by_component() {
    for (glob, matched, other) in [
        ("**", &["a", "a/b/c"][..], &[][..]),
        ("*", &["a"], &["a/b"]),
        ("team/*", &["team/a"], &["team", "team/a/b", "team2/a"]),
        ("team/**", &["team", "team/a", "team/a/b"], &["team2/a"]),
        ("**/app", &["app", "a/app", "a/b/app"], &["a/app/b", "a/myapp"]),
        ("a/**/b/**/c", &["a/b/c", "a/x/b/y/z/c", "a/b/b/c/c"], &["a/c", "a/b/c/d"]),
        ("team/app-*", &["team/app-x"], &["team/app", "team/app-x/y"]),
    ] {
        let glob: RepositoryGlob = glob.parse().unwrap();
        assert!(matched.iter().all(|name| glob.matches(name)), "{glob}");
        assert!(!other.iter().any(|name| glob.matches(name)), "{glob}");
    }
}

#[test]
fn tag_globs_match_the_whole_tag() {
    for (glob, matched, other) in [
        ("*", &["latest", "v1.2"][..], &[][..]),
        ("v?", &["v1"], &["v", "v12"]),
        ("v[0-9]*", &["v1", "v1.2-rc"], &["va", "av1"]),
        ("[!v]*", &["1.2"], &["v1"]),
        ("latest", &["latest"], &["latest-arm", "LATEST"]),
    ] {
        let glob: TagGlob = glob.parse().unwrap();
        assert!(matched.iter().all(|name| glob.matches(name)), "{glob}");
        assert!(!other.iter().any(|name| glob.matches(name)), "{glob}");
    }
}

#[test]
fn a_long_name_does_not_make_a_glob_slow() {
    let glob = RepositoryGlob::from_str("**/*a*a*a*a*a*a*b/**/*a*a*a*a*a*b/x").unwrap();
    let started = std::time::Instant::now();
    assert!(!glob.matches(&["a".repeat(60), "a".repeat(60), "a".repeat(60), "a".repeat(60)].join("/")));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn platforms_are_brought_into_the_form_of_an_index() {
    for (text, printed) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/aarch64", "linux/arm64/v8"),
        ("linux/arm64/8", "linux/arm64/v8"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/arm/armv6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("macos/arm64", "darwin/arm64/v8"),
        ("windows/amd64", "windows/amd64"),
        ("linux/ppc64le", "linux/ppc64le"),
    ] {
        let platform: RequiredPlatform = text.parse().unwrap();
        assert_eq!(platform.to_string(), printed, "{text}");
        assert_eq!(printed.parse(), Ok(platform), "{text}");
    }
}
