//! Each kind of wrong rule gives one message, with its place and what to write.

use super::{parse, refusal};
use crate::{Preset, Word};

/// A text that is one `[[rule]]`, its settings from line 2 on; the place of the error, and its message.
type Case = (&'static str, &'static str, &'static str);

#[track_caller]
fn assert_refused(cases: &[Case]) {
    let show = |(text, _, _): &Case| refusal(&format!("[[rule]]\n{text}")).lines().next().unwrap().to_owned();
    let found: Vec<String> = cases.iter().map(show).collect();
    let expected: Vec<String> =
        cases.iter().map(|(_, place, message)| format!("onetag.toml:{place}: {message}")).collect();
    assert_eq!(found, expected, "\n{}\ninstead of\n{}\n", found.join("\n"), expected.join("\n"));
}

const WRONG_PATTERNS: &[Case] = &[
    (
        r#"members = ["{tag}-{arhc}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}-{arhc}" has an unknown placeholder; did you mean "{arch}"?"#,
    ),
    (
        r#"members = ["{tag}-{version}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}-{version}" has an unknown placeholder; known are {tag}, {arch}, {repo}, {namespace}, {name}"#,
    ),
    (
        r#"members = ["a", "{tag}-{}"]"#,
        "2:17",
        r#"rule[0].members[1]: "{tag}-{}" has empty braces; write {tag} or {arch}"#,
    ),
    (
        r#"members = ["{tag}-{arch"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}-{arch" has a '{' without its other half; write {tag} or {arch}"#,
    ),
    (
        r#"members = ["{tag}-arch}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}-arch}" has a '}' without its other half; write {tag} or {arch}"#,
    ),
    (r#"members = [""]"#, "2:12", r#"rule[0].members[0]: "" is empty; write a pattern like "{tag}-{arch}""#),
    (
        r#"members = ["{tag}+{arch}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}+{arch}" has '+' in the tag, where only letters, digits, '_', '.' and '-' may stand; write "{tag}-{arch}""#,
    ),
    (
        r#"members = ["{tag}-ä"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}-ä" has 'ä' in the tag, where only letters, digits, '_', '.' and '-' may stand; leave it out"#,
    ),
    (
        r#"members = ["-{arch}-{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "-{arch}-{tag}" has a tag that starts with '-', which none may; write "{arch}-{tag}""#,
    ),
    (
        r#"members = ["Team/{name}:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "Team/{name}:{tag}" has 'T' in the repository, where only a-z, 0-9, '.', '_', '-' and '/' may stand; write "team/{name}:{tag}""#,
    ),
    (
        r#"members = ["team/-{name}:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "team/-{name}:{tag}" has a repository that cannot exist: its components are letters and digits joined by '.', '_' or '-'; write it like "{namespace}/{arch}-{name}:{tag}""#,
    ),
    (
        r#"members = ["{namespace}//{name}-arm:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{namespace}//{name}-arm:{tag}" has a repository that cannot exist: its components are letters and digits joined by '.', '_' or '-'; write it like "{namespace}/{arch}-{name}:{tag}""#,
    ),
    (
        r#"members = ["{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}" is the tag asked for itself, which always is a member; write "{tag}-{arch}" or leave it out"#,
    ),
    (
        r#"members = ["{repo}:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{repo}:{tag}" is the tag asked for itself, which always is a member; write "{tag}-{arch}" or leave it out"#,
    ),
    (
        r#"members = ["{namespace}/{name}:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{namespace}/{name}:{tag}" is the tag asked for itself, which always is a member; write "{tag}-{arch}" or leave it out"#,
    ),
    (
        r#"members = ["arm64v8/{name}"]"#,
        "2:12",
        r#"rule[0].members[0]: "arm64v8/{name}" is a repository without a tag; write "arm64v8/{name}:{tag}""#,
    ),
    (
        r#"members = ["arm64v8/{name}-{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "arm64v8/{name}-{tag}" is a repository without a tag; write "arm64v8/{name}:{tag}""#,
    ),
    (
        r#"members = ["arm64v8/{name}:"]"#,
        "2:12",
        r#"rule[0].members[0]: "arm64v8/{name}:" is a repository without a tag; write "arm64v8/{name}:{tag}""#,
    ),
    (
        r#"members = [":{tag}-arm"]"#,
        "2:12",
        r#"rule[0].members[0]: ":{tag}-arm" has no repository before the colon; write "{tag}-arm""#,
    ),
    (
        r#"members = ["localhost:5000/{repo}:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "localhost:5000/{repo}:{tag}" has several colons; members are in the same registry, so write REPOSITORY:TAG without its host"#,
    ),
    (
        r#"members = ["{tag}{arch}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}{arch}" has no delimiter where names meet; write "{tag}-{arch}""#,
    ),
    (
        r#"members = ["{tag}arm64"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}arm64" has no delimiter where names meet; write "{tag}-arm64""#,
    ),
    (
        r#"members = ["x-armv7{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "x-armv7{tag}" has no delimiter where names meet; write "x-armv7-{tag}""#,
    ),
    (
        r#"members = ["{namespace}{arch}:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{namespace}{arch}:{tag}" has no delimiter where names meet; write "{namespace}/{arch}:{tag}""#,
    ),
    (
        r#"members = ["{repo}arm64:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{repo}arm64:{tag}" has no delimiter where names meet; write "{repo}-arm64:{tag}""#,
    ),
    (
        r#"members = ["{tag}-{tag}-arm"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}-{tag}-arm" has {tag} twice; write it once"#,
    ),
    (
        r#"members = ["{arch}/{name}:{tag}-{arch}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{arch}/{name}:{tag}-{arch}" has {arch} twice; write it once"#,
    ),
    (
        r#"members = ["{repo}-{name}:{tag}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{repo}-{name}:{tag}" has {repo}, which is {namespace}/{name} already; write {repo} or these two, not both"#,
    ),
    (
        r#"members = ["{tag}/{name}:x"]"#,
        "2:12",
        r#"rule[0].members[0]: "{tag}/{name}:x" has {tag} in the repository; write it behind the colon"#,
    ),
    (
        r#"members = ["{repo}-arm:{name}"]"#,
        "2:12",
        r#"rule[0].members[0]: "{repo}-arm:{name}" has {name} in the tag; write it before the colon"#,
    ),
];

#[test]
fn a_wrong_pattern_is_refused_where_it_stands() {
    assert_refused(WRONG_PATTERNS);
}

#[test]
fn a_wrong_list_is_refused() {
    assert_refused(&[
        (
            r#"members = ["{tag}-arm", "{repo}:{tag}-arm"]"#,
            "2:11",
            r#"rule[0].members: "{repo}:{tag}-arm" is listed twice; keep the first one"#,
        ),
        (
            r#"arch = ["amd64", "arm64", "amd64"]"#,
            "2:8",
            r#"rule[0].arch: "amd64" is listed twice; keep the first one"#,
        ),
        (
            r#"arch = ["amd64", "arm46"]"#,
            "2:18",
            r#"rule[0].arch[1]: "arm46" is not a word for an architecture; did you mean "arm64"?"#,
        ),
        (
            r#"arch = ["sparc"]"#,
            "2:9",
            r#"rule[0].arch[0]: "sparc" is not a word for an architecture; known are amd64, x86_64, x64, i386, 386, arm64, aarch64, arm64v8, arm, armhf, armel, armv5, armv6, armv7, arm32v5, arm32v6, arm32v7, ppc64le, s390x, riscv64"#,
        ),
        (
            "repositories = []",
            "2:16",
            "rule[0].repositories: the list is empty; leave the setting out to have its default",
        ),
        ("tags = []", "2:8", "rule[0].tags: the list is empty; leave the setting out to have its default"),
        (
            "members = []",
            "2:11",
            "rule[0].members: the list is empty; leave the setting out to have its default",
        ),
        (
            "members = [5]",
            "2:12",
            r#"rule[0].members[0]: expected a pattern like "{tag}-{arch}", or { pattern = "{tag}-edge", platform = "linux/arm64" }, found an integer"#,
        ),
        (
            r#"members = [{ platform = "linux/arm64" }]"#,
            "2:12",
            r#"rule[0].members[0]: the pattern is missing; write { pattern = "{tag}-edge", platform = "linux/arm64" }"#,
        ),
        (
            r#"members = [{ patern = "{tag}-arm" }]"#,
            "2:14",
            r#"unknown setting "patern" in a member of [[rule]]; did you mean "pattern"?"#,
        ),
        (
            r#"members = [{ pattern = "{tag}{arch}" }]"#,
            "2:24",
            r#"rule[0].members[0].pattern: "{tag}{arch}" has no delimiter where names meet; write "{tag}-{arch}""#,
        ),
        (
            r#"members = [{ pattern = "{tag}-{arch}", platform = "linux/arm64" }]"#,
            "2:12",
            r#"rule[0].members[0]: "{tag}-{arch}" has {arch}, which is one platform per word; write "{tag}-{arch}" alone, or a word for {arch}"#,
        ),
        (
            r#"members = [{ pattern = "{tag}-edge", platform = "arm64" }]"#,
            "2:49",
            r#"rule[0].members[0].platform: "arm64" has no operating system; did you mean "linux/arm64"?"#,
        ),
    ]);
}

const WRONG_VALUES: &[Case] = &[
    (r#"name = """#, "2:8", r#"rule[0].name: has to be 1 to 64 printable characters, as in "edge devices""#),
    (
        r#"name = "a\nb""#,
        "2:8",
        r#"rule[0].name: has to be 1 to 64 printable characters, as in "edge devices""#,
    ),
    (
        r#"preset = "goarch-sufix""#,
        "2:10",
        r#"rule[0].preset: "goarch-sufix" is not a preset; did you mean "goarch-suffix"?"#,
    ),
    (
        r#"preset = "nothing""#,
        "2:10",
        r#"rule[0].preset: "nothing" is not a preset; known are suffix, goarch-suffix, bashbrew-suffix, variant-suffix, uname-suffix, linux-suffix, prefix, linux-prefix, arch-tag, official, repository-prefix, repository-suffix, repository-linux-suffix"#,
    ),
    (
        r#"skew = "wait""#,
        "2:8",
        r#"rule[0].skew: "wait" is not a way to treat skew; write "ignore", "warn" or "hold""#,
    ),
    (
        r#"platform_source = "tag""#,
        "2:19",
        r#"rule[0].platform_source: "tag" is not a source of platforms; write "config" or "rule""#,
    ),
    (r#"require_base = "yes""#, "2:16", "rule[0].require_base: expected true or false, found a string"),
    (r#"member = ["{tag}-arm"]"#, "2:1", r#"unknown setting "member" in [[rule]]; did you mean "members"?"#),
    (r#"suffixes = ["arm"]"#, "2:1", r#"unknown setting "suffixes" in [[rule]]; it belongs to [merge]"#),
    (
        r#"platforms = ["arm64"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "arm64" has no operating system; did you mean "linux/arm64"?"#,
    ),
    (
        r#"platforms = ["arm/v7"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "arm/v7" has no operating system; did you mean "linux/arm/v7"?"#,
    ),
    (
        r#"platforms = ["linux/arm46"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "linux/arm46" is not a platform; did you mean "linux/arm64"?"#,
    ),
    (
        r#"platforms = ["linus/arm64"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "linus/arm64" is not a platform; did you mean "linux/arm64"?"#,
    ),
    (
        r#"platforms = ["linux/sparc"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "linux/sparc" has an unknown architecture; known are amd64, arm64, arm, 386, ppc64le, s390x, riscv64, ppc64, mips64le, mips64, loong64, wasm"#,
    ),
    (
        r#"platforms = ["plan9/amd64"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "plan9/amd64" has an unknown operating system; known are linux, windows, darwin, freebsd, netbsd, openbsd, solaris, illumos, aix, wasip1"#,
    ),
    (
        r#"platforms = ["linux/arm/v9"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "linux/arm/v9" has a variant that arm does not have; write v5, v6 or v7"#,
    ),
    (
        r#"platforms = ["linux/amd64/v8/x"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "linux/amd64/v8/x" is not a platform; write it like "linux/arm64" or "linux/arm/v7""#,
    ),
    (
        r#"platforms = ["linux"]"#,
        "2:14",
        r#"rule[0].platforms[0]: "linux" is not a platform; write it like "linux/arm64" or "linux/arm/v7""#,
    ),
];

#[test]
fn a_wrong_value_is_refused() {
    assert_refused(WRONG_VALUES);
}

#[test]
fn a_glob_that_matches_nothing_is_refused() {
    assert_refused(&[
        (
            r#"repositories = [""]"#,
            "2:17",
            r#"rule[0].repositories[0]: "" is empty; write "**" for all of them"#,
        ),
        (
            r#"repositories = ["Team/*"]"#,
            "2:17",
            r#"rule[0].repositories[0]: "Team/*" has an upper-case letter, which no repository has; write "team/*""#,
        ),
        (
            r#"repositories = ["team/app:latest"]"#,
            "2:17",
            r#"rule[0].repositories[0]: "team/app:latest" names a tag; write the repository here and the tag in tags"#,
        ),
        (
            r#"repositories = ["/team/*"]"#,
            "2:17",
            r#"rule[0].repositories[0]: "/team/*" matches no repository: "" cannot be a part of its name; write it as in "library/*""#,
        ),
        (
            r#"repositories = ["team/a b"]"#,
            "2:17",
            r#"rule[0].repositories[0]: "team/a b" has ' ', which no name has; leave it out, or write "?" for any one character"#,
        ),
        (
            r#"repositories = ["team**"]"#,
            "2:17",
            r#"rule[0].repositories[0]: "team**" has "**" beside other text; write "*""#,
        ),
        (
            r#"repositories = ["team/[ab"]"#,
            "2:17",
            r#"rule[0].repositories[0]: "team/[ab" has a set that is not closed or empty; write it as in "[0-9]""#,
        ),
        (r#"tags = [""]"#, "2:9", r#"rule[0].tags[0]: "" is empty; write "*" for all of them"#),
        (
            r#"tags = ["team/latest"]"#,
            "2:9",
            r#"rule[0].tags[0]: "team/latest" names a repository; write it in repositories and the tag alone here"#,
        ),
        (
            r#"tags = ["-rc*"]"#,
            "2:9",
            r#"rule[0].tags[0]: "-rc*" matches no tag, because none starts with '-'; write "*" before it, or leave it out"#,
        ),
        (r#"tags = ["v**"]"#, "2:9", r#"rule[0].tags[0]: "v**" has "**" beside other text; write "*""#),
        (
            r#"tags = ["v[]"]"#,
            "2:9",
            r#"rule[0].tags[0]: "v[]" has a set that is not closed or empty; write it as in "[0-9]""#,
        ),
        (
            r#"tags = ["v]"]"#,
            "2:9",
            r#"rule[0].tags[0]: "v]" has a set that is not closed or empty; write it as in "[0-9]""#,
        ),
    ]);
}

#[test]
fn settings_of_a_rule_that_do_not_go_together_are_refused() {
    assert_refused(&[
        (
            r#"members = ["arm64"]"#,
            "1:1",
            r#"rule[0]: "arm64" lacks {tag}, so every tag would get the same members; set tags, as in tags = ["latest"]"#,
        ),
        (
            "preset = \"arch-tag\"\ntags = [\"v1\", \"*\"]",
            "1:1",
            r#"rule[0]: "{arch}" lacks {tag}, so every tag would get the same members; set tags, as in tags = ["latest"]"#,
        ),
        (
            "skew = \"ignore\"\nskew_grace = \"1m\"",
            "1:1",
            r#"rule[0]: skew_grace has no use where skew = "ignore"; leave it out, or write skew = "warn""#,
        ),
        (
            "skew = \"ignore\"\nskew_gap = \"1m\"",
            "1:1",
            r#"rule[0]: skew_gap has no use where skew = "ignore"; leave it out, or write skew = "warn""#,
        ),
        (
            "preset = \"suffix\"\nmembers = [\"{tag}-{arch}\"]",
            "1:1",
            r#"rule[0]: the preset has "{tag}-{arch}", too; leave it out of members"#,
        ),
        (
            "arch = [\"amd64\", \"arm64\", \"arm\"]\nmembers = [\"{tag}-{arch}\", \"a/{name}-{arch}:{tag}\", \
             \"b/{name}-{arch}:{tag}\", \"c/{name}-{arch}:{tag}\", \"d/{name}-{arch}:{tag}\", \
             \"e/{name}-{arch}:{tag}\", \"f/{name}-{arch}:{tag}\", \"g/{name}-{arch}:{tag}\", \
             \"h/{name}-{arch}:{tag}\", \"i/{name}-{arch}:{tag}\", \"j/{name}-{arch}:{tag}\"]",
            "1:1",
            "rule[0]: 33 members result; at most 32 are allowed; shorten arch or members",
        ),
        (
            "platform_source = \"rule\"",
            "1:1",
            r#"rule[0]: platform_source = "rule" needs words that name one platform each; set them, as in arch = ["amd64", "arm64"]"#,
        ),
        (
            "platform_source = \"rule\"\nmembers = [\"{tag}-{arch}\"]",
            "1:1",
            r#"rule[0]: platform_source = "rule" needs words that name one platform each; set them, as in arch = ["amd64", "arm64"]"#,
        ),
        (
            "platform_source = \"rule\"\npreset = \"goarch-suffix\"",
            "1:1",
            r#"rule[0]: platform_source = "rule" needs the platform of "{tag}-{arch}" where {arch} is "arm", which is 32 or 64 bits; leave the word out of arch and write { pattern = "{tag}-arm", platform = "linux/arm64" }"#,
        ),
        (
            "platform_source = \"rule\"\nmembers = [\"{tag}-arm\"]",
            "1:1",
            r#"rule[0]: platform_source = "rule" needs the platform of "{tag}-arm"; write { pattern = "{tag}-arm", platform = "linux/arm64" }"#,
        ),
        (
            "platform_source = \"rule\"\nmembers = [\"{tag}-arm64\", \"{tag}-edge\"]",
            "1:1",
            r#"rule[0]: platform_source = "rule" needs the platform of "{tag}-edge"; write { pattern = "{tag}-edge", platform = "linux/arm64" }"#,
        ),
        (
            "repositories = [\"team/*\"]\n[[rule]]\nrepositories = [\"team/app\"]",
            "3:1",
            "rule[1]: rule[1] can never hold, because rule[0] before it takes all that it names; write rule[1] before rule[0]",
        ),
        (
            "name = \"x\"\ntags = [\"v*\"]\n[[rule]]\nname = \"x\"",
            "4:1",
            r#"rule[1]: another rule before it is called "x", too; logs and explanations could not tell them apart"#,
        ),
        (
            "name = \"merge\"",
            "1:1",
            r#"rule[0]: "merge" is what the section of that name is called in logs and explanations; choose another name"#,
        ),
        (
            "members = [\"{tag}-edge\"]\narch = [\"arm64\"]",
            "1:1",
            r#"rule[0]: no member has {arch}, so arch has no use; leave it out, or write a member as "{tag}-{arch}""#,
        ),
        (
            "name = \"all\"\n[[rule]]\nname = \"mine\"\ntags = [\"v*\"]",
            "3:1",
            r#"rule[1]: rule "mine" can never hold, because rule "all" before it takes every tag of every repository; write rule "mine" before rule "all""#,
        ),
        (
            "tags = [\"v*\", \"*\"]\n[[rule]]",
            "3:1",
            "rule[1]: rule[1] can never hold, because rule[0] before it takes every tag of every repository; write rule[1] before rule[0]",
        ),
    ]);
}

#[test]
fn a_rule_is_a_table_in_two_brackets() {
    for (text, message) in [
        (
            "[rule]\npreset = 1",
            "1:1: rule: expected tables that begin with [[rule]], in two brackets, found a table",
        ),
        (
            "rule = 5",
            "1:8: rule: expected tables that begin with [[rule]], in two brackets, found an integer",
        ),
        ("rule = [5]", "1:9: rule[0]: expected a table, found an integer"),
        ("[cache]\npreset = 1", "2:1: unknown setting \"preset\" in [cache]; it belongs to [[rule]]"),
        ("skew = 1", "1:1: unknown setting \"skew\" outside of a section; it belongs to [merge] or [[rule]]"),
    ] {
        assert_eq!(refusal(text).lines().next().unwrap(), format!("onetag.toml:{message}"), "{text}");
    }
}

#[test]
fn there_are_at_most_256_rules() {
    let rule = |number: usize| format!("[[rule]]\nrepositories = [\"team/app{number}\"]\n");
    let rules = |count: usize| (0..count).map(rule).collect::<String>();
    assert!(parse(&rules(256)).is_ok());
    assert_eq!(
        refusal(&rules(257)).lines().next().unwrap(),
        "onetag.toml:513:1: rule[256]: at most 256 [[rule]] are allowed; take several repositories together, as in \
         \"team/*\""
    );
}

#[test]
fn words_from_a_flag_may_make_a_rule_too_large() {
    let text =
        "[upstream]\nurl = \"https://r.example\"\n[[rule]]\nmembers = [\"{tag}-{arch}\", \"{arch}-{tag}\"]";
    let mut config = parse(text).unwrap();
    config.validate().unwrap();
    config.merge.suffixes = Word::all().collect();
    let message = config.validate().unwrap_err().to_string();
    assert!(message.starts_with("merge.suffixes (--suffixes): a rule without arch takes these"), "{message}");
    config.rule[0].preset = Some(Preset::UnameSuffix);
    config.validate().unwrap();
}

#[test]
fn a_line_of_a_rule_is_shown_with_a_caret_and_not_masked() {
    for (text, line) in [
        ("[[rule]]\nmembers = [\"{tag}{arch}\"]", "members = [\"{tag}{arch}\"]"),
        ("[[rule]]\nmembers = [\n  \"{tag}-{arch}\",\n  \"{tag}-{arhc}\",\n]", "  \"{tag}-{arhc}\","),
        (
            "[[rule]]\nmembers = [\n  { pattern = \"{tag}-edge\", platform = \"arm64\" },\n]",
            "  { pattern = \"{tag}-edge\", platform = \"arm64\" },",
        ),
        ("[[rule]]\nname = \"a\"\nskew = \"never\"", "skew = \"never\""),
        ("[[rule]]\nskew = \"ignore\"\nskew_gap = \"1m\"", "[[rule]]"),
    ] {
        let refusal = refusal(text);
        let lines: Vec<&str> = refusal.lines().collect();
        assert_eq!(lines[1], format!("  {line}"), "{refusal}");
        assert!(lines[2].trim() == "^", "{refusal}");
    }
}

#[test]
fn a_secret_that_stands_in_a_rule_is_masked() {
    for text in [
        "[[rule]]\npasword = \"hunter2\"",
        "[[rule]]\npassword = [\n\"hunter2\",\nx\n]",
        "[[rule]]\nmembers = [\"{tag}-arm\", { pasword = \"hunter2\" }]",
        "[[rule]]\nmembers = [\n  { pasword = \"hunter2\" },\n]",
        "[[rule]]\nmembers = [\"{tag}\"] # hunter2",
        "[[rule]]\nmembers = [\n  \"{tag}\", hunter2",
        "[[rule]]\nmembers = [\n  \"{tag}-arm\"]\n \"hunter2",
        "[upstream]\npassword = [\n  \"hunter2\" x",
    ] {
        let refusal = refusal(text);
        assert!(!refusal.contains("hunter2"), "{text}\n{refusal}");
    }
}
