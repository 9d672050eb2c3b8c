//! The pure test vectors of `docs/merge-rules.md`, by number.

use onetag_oci::{Descriptor, Digest, MediaType, Platform};
use proptest::prelude::*;

use super::*;

const DOCKER: MediaType = MediaType::DockerManifest;
const OCI: MediaType = MediaType::OciManifest;

fn digest(seed: &str) -> Digest {
    Digest::sha256(seed.as_bytes())
}

fn platform(text: &str) -> Platform {
    let parts: Vec<&str> = text.split('/').collect();
    Platform::new(parts[0], parts[1], parts.get(2).unwrap_or(&""))
}

fn image(media_type: MediaType, seed: &str, text: &str) -> Descriptor {
    Descriptor { platform: Some(platform(text)), ..Descriptor::new(media_type, digest(seed), 500) }
}

fn attestation(seed: &str, subject: &str) -> Descriptor {
    let mut entry = image(OCI, seed, "unknown/unknown");
    entry.annotations = [
        ("vnd.docker.reference.type".into(), "attestation-manifest".into()),
        ("vnd.docker.reference.digest".into(), digest(subject).to_string()),
    ]
    .into();
    entry
}

fn member(token: Option<&str>, entries: Vec<Descriptor>) -> Member {
    let tag = token.map_or("latest".to_owned(), |token| format!("latest-{token}"));
    let address = tag.parse::<onetag_oci::Tag>().unwrap().into();
    let claim = token.and_then(Token::find).map_or(Claim::Nothing, Claim::Word);
    Member { address, is_base: token.is_none(), claim, content: Ok(entries), build: Build::default() }
}

fn base(entries: Vec<Descriptor>) -> Member {
    member(None, entries)
}

fn unmergeable(token: Option<&str>, finding: Finding) -> Member {
    Member { content: Err(finding), ..member(token, Vec::new()) }
}

fn usual() -> Policy {
    Policy::usual(&onetag_config::Merge::default())
}

fn completing() -> Policy {
    Policy { complete_index: true, ..usual() }
}

fn decide(members: &[Member]) -> Selection {
    select(members, &usual())
}

fn merged(members: &[Member]) -> MergedIndex {
    match decide(members).outcome {
        Outcome::Merged(index) => index,
        other => panic!("not merged: {other:?}"),
    }
}

fn platforms(index: &MergedIndex) -> Vec<String> {
    let text = |entry: &Descriptor| entry.platform.as_ref().map_or("-".into(), ToString::to_string);
    index.entries.iter().map(text).collect()
}

#[test]
fn vector_01_two_docker_images_make_a_docker_list_of_these_very_bytes() {
    let members = [
        base(vec![image(DOCKER, "a", "linux/amd64")]),
        member(Some("arm"), vec![image(DOCKER, "r", "linux/arm64")]),
    ];
    let index = merged(&members);
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    let manifest = "application/vnd.docker.distribution.manifest.v2+json";
    let expected = format!(
        concat!(
            r#"{{"schemaVersion":2,"mediaType":"{list}","manifests":["#,
            r#"{{"mediaType":"{manifest}","digest":"{a}","size":500,"platform":{{"architecture":"amd64","os":"linux"}}}},"#,
            r#"{{"mediaType":"{manifest}","digest":"{r}","size":500,"platform":{{"architecture":"arm64","os":"linux","variant":"v8"}}}}]}}"#,
        ),
        list = list,
        manifest = manifest,
        a = digest("a"),
        r = digest("r"),
    );
    assert_eq!(String::from_utf8_lossy(&index.bytes), expected);
    assert_eq!(index.media_type, MediaType::DockerList);
    assert!(index.digest.matches(expected.as_bytes()));
}

#[test]
fn vectors_02_and_03_an_oci_image_makes_it_an_oci_index() {
    for (first, second) in [(OCI, OCI), (DOCKER, OCI), (OCI, DOCKER)] {
        let members = [
            base(vec![image(first.clone(), "a", "linux/amd64")]),
            member(Some("arm"), vec![image(second.clone(), "r", "linux/arm64")]),
        ];
        let index = merged(&members);
        assert_eq!(index.media_type, MediaType::OciIndex);
        let types: Vec<_> = index.entries.iter().map(|entry| entry.media_type.clone()).collect();
        assert_eq!(types, [first, second]);
    }
}

#[test]
fn vectors_04_and_05_one_member_passes() {
    assert_eq!(decide(&[base(vec![image(OCI, "a", "linux/amd64")])]).outcome, Outcome::Pass(0));
    assert_eq!(
        decide(&[member(Some("arm"), vec![image(OCI, "r", "linux/arm64")])]).outcome,
        Outcome::Pass(0)
    );
    assert_eq!(decide(&[]).outcome, Outcome::Nothing);
}

#[test]
fn vector_10_levels_of_amd64_stand_side_by_side_baseline_first() {
    let members = [
        base(vec![image(OCI, "b", "linux/amd64/v3")]),
        member(Some("amd64"), vec![image(OCI, "a", "linux/amd64")]),
    ];
    assert_eq!(platforms(&merged(&members)), ["linux/amd64", "linux/amd64/v3"]);
}

#[test]
fn vector_12_arm_variants_are_explicit_and_in_order() {
    let members = [
        base(vec![image(OCI, "7", "linux/arm/v7")]),
        member(Some("arm"), vec![image(OCI, "6", "linux/arm/v6"), image(OCI, "5", "linux/arm/5")]),
    ];
    assert_eq!(platforms(&merged(&members)), ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"]);
}

#[test]
fn vector_17_an_image_that_its_tags_name_denies_is_left_out() {
    let members = [
        base(vec![image(OCI, "a", "linux/amd64")]),
        member(Some("arm64"), vec![image(OCI, "x", "linux/amd64")]),
    ];
    let selection = decide(&members);
    assert_eq!(selection.outcome, Outcome::Pass(0));
    let expected = Finding::OutsideToken { platform: platform("linux/amd64").into(), claim: "arm64".into() };
    assert_eq!(selection.verdicts[1].findings, [expected]);
}

#[test]
fn vector_18_a_rule_that_is_believed_overrules_the_image() {
    let members = [
        base(vec![image(OCI, "a", "linux/amd64")]),
        member(Some("arm64"), vec![image(OCI, "x", "linux/amd64/v3")]),
    ];
    let selection =
        select(&members, &Policy { platform_source: onetag_config::PlatformSource::Rule, ..usual() });
    let Outcome::Merged(index) = &selection.outcome else { panic!("{selection:?}") };
    assert_eq!(platforms(index), ["linux/amd64", "linux/arm64/v8"]);
    let overruled = Finding::Overruled { platform: platform("linux/amd64/v3").into(), by: "arm64".into() };
    assert_eq!(selection.verdicts[1].findings, [overruled]);
    assert!(!selection.verdicts[1].findings[0].is_warning());
}

#[test]
fn vector_05_a_base_or_platforms_can_be_required() {
    let arm = || member(Some("arm"), vec![image(OCI, "r", "linux/arm64")]);
    let with_base = Policy { require_base: true, ..usual() };
    assert_eq!(select(&[arm()], &with_base).outcome, Outcome::Withheld(Withheld::NoBase));
    let both = Policy { platforms: vec![platform("linux/amd64"), platform("linux/arm64/v8")], ..usual() };
    let amd64 = || base(vec![image(OCI, "a", "linux/amd64")]);
    assert!(matches!(select(&[amd64(), arm()], &both).outcome, Outcome::Merged(_)));
    let missing = Outcome::Withheld(Withheld::Platforms(vec![platform("linux/arm64/v8")]));
    assert_eq!(select(&[amd64()], &both).outcome, missing);
    assert_eq!(select(&[unmergeable(None, Finding::Artifact)], &both).outcome, Outcome::Pass(0));
}

#[test]
fn vector_49_members_of_different_revisions_are_skewed() {
    let built = |member: Member, revision: &str| Member {
        build: Build { revision: revision.into(), ..Build::default() },
        ..member
    };
    let amd64 = base(vec![image(OCI, "a", "linux/amd64")]);
    let arm = member(Some("arm"), vec![image(OCI, "r", "linux/arm64")]);
    let skew = |one: &str, other: &str| decide(&[built(amd64.clone(), one), built(arm.clone(), other)]).skew;
    assert_eq!(skew("1", "2"), Some(Skew::Revision));
    assert_eq!((skew("1", "1"), skew("", "2")), (None, None));
    let unused = built(member(Some("amd64"), vec![image(OCI, "b", "linux/amd64")]), "3");
    let three = [built(amd64, "1"), built(arm, "1"), unused];
    assert_eq!(decide(&three).skew, None);
}

#[test]
fn each_entry_knows_its_member() {
    let members = [
        base(vec![image(OCI, "a", "linux/s390x"), attestation("att-a", "a")]),
        member(Some("arm"), vec![image(OCI, "r", "linux/arm64")]),
    ];
    assert_eq!(merged(&members).origins, [1, 0, 0]);
}

#[test]
fn vector_19_the_same_image_under_both_tags_passes() {
    let members = [
        base(vec![image(OCI, "a", "linux/arm64")]),
        member(Some("arm"), vec![image(OCI, "a", "linux/arm64")]),
    ];
    let selection = decide(&members);
    assert_eq!(selection.outcome, Outcome::Pass(0));
    assert!(!selection.verdicts[1].findings[0].is_warning());
}

#[test]
fn vector_20_the_base_wins_then_the_order_of_the_suffixes() {
    let members = [
        base(vec![image(OCI, "a", "linux/amd64")]),
        member(Some("arm"), vec![image(OCI, "first", "linux/arm64")]),
        member(Some("arm64"), vec![image(OCI, "second", "linux/arm64/v8")]),
        member(Some("amd64"), vec![image(OCI, "third", "linux/amd64")]),
    ];
    let selection = decide(&members);
    let Outcome::Merged(index) = &selection.outcome else { panic!("{selection:?}") };
    let digests: Vec<_> = index.entries.iter().map(|entry| entry.digest.clone()).collect();
    assert_eq!(digests, [digest("a"), digest("first")]);
    let shadowed = |by: &str, text| Finding::Shadowed {
        platform: platform(text).into(),
        by: by.parse::<onetag_oci::Tag>().unwrap().into(),
    };
    assert_eq!(selection.verdicts[2].findings, [shadowed("latest-arm", "linux/arm64/v8")]);
    assert_eq!(selection.verdicts[3].findings, [shadowed("latest", "linux/amd64")]);
}

#[test]
fn vector_21_attestations_stand_behind_all_images_in_their_order() {
    let members = [
        base(vec![image(OCI, "a", "linux/amd64"), attestation("att-a", "a")]),
        member(Some("arm"), vec![image(OCI, "r", "linux/arm64"), attestation("att-r", "r")]),
    ];
    let order: Vec<_> = merged(&members).entries.into_iter().map(|entry| entry.digest).collect();
    assert_eq!(order, [digest("a"), digest("r"), digest("att-a"), digest("att-r")]);
}

#[test]
fn vectors_22_and_23_an_attestation_goes_with_its_image() {
    let members = [
        base(vec![image(OCI, "a", "linux/amd64"), attestation("orphan", "nowhere")]),
        member(Some("arm64"), vec![image(OCI, "x", "linux/amd64/v2"), attestation("att-x", "x")]),
        member(Some("arm"), vec![image(OCI, "r", "linux/arm64")]),
    ];
    let order: Vec<_> = merged(&members).entries.into_iter().map(|entry| entry.digest).collect();
    assert_eq!(order, [digest("a"), digest("r")]);
}

#[test]
fn vector_24_an_index_of_several_platforms_passes_unless_it_is_to_be_completed() {
    let both = vec![image(OCI, "a", "linux/amd64"), image(OCI, "r", "linux/arm64")];
    let members = [base(both), member(Some("armv7"), vec![image(OCI, "7", "linux/arm/v7")])];
    assert_eq!(decide(&members).outcome, Outcome::Pass(0));
    let Outcome::Merged(index) = select(&members, &completing()).outcome else { panic!() };
    assert_eq!(platforms(&index), ["linux/amd64", "linux/arm/v7", "linux/arm64/v8"]);
    let nothing_new = [members[0].clone(), member(Some("arm64"), vec![image(OCI, "x", "linux/arm64")])];
    assert_eq!(select(&nothing_new, &completing()).outcome, Outcome::Pass(0));
}

#[test]
fn vector_25_a_kept_descriptor_keeps_all_that_is_said_about_it() {
    let mut first = image(OCI, "a", "linux/x86_64");
    first.annotations = [("z".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())].into();
    first.urls = vec!["https://elsewhere.example/a".into()];
    let members = [base(vec![first.clone()]), member(Some("arm"), vec![image(DOCKER, "r", "linux/arm64")])];
    let index = merged(&members);
    first.platform = Some(platform("linux/amd64"));
    assert_eq!(index.entries[0], first);
    assert!(String::from_utf8_lossy(&index.bytes).contains(r#""annotations":{"a":"2","z":"1"},"platform""#));
}

#[test]
fn vector_28_windows_versions_are_kept_and_stand_behind_linux_newest_first() {
    let windows = |seed, version: &str| {
        let mut entry = image(OCI, seed, "windows/amd64");
        entry.platform.as_mut().unwrap().os_version = version.into();
        entry
    };
    let members = [
        base(vec![windows("old", "10.0.17763.1"), windows("new", "10.0.20348.1")]),
        member(Some("amd64"), vec![image(OCI, "a", "linux/amd64")]),
    ];
    let Outcome::Merged(index) = select(&members, &completing()).outcome else { panic!() };
    let order = ["linux/amd64", "windows/amd64 (10.0.20348.1)", "windows/amd64 (10.0.17763.1)"];
    assert_eq!(platforms(&index), order);
}

#[test]
fn vector_29_a_member_without_an_os_is_left_out_and_such_a_base_passes() {
    let nameless =
        Descriptor { platform: Some(Platform::new("", "arm64", "")), ..image(OCI, "r", "linux/arm64") };
    let good = image(OCI, "a", "linux/amd64");
    let selection = decide(&[base(vec![good.clone()]), member(Some("arm64"), vec![nameless.clone()])]);
    assert_eq!(selection.outcome, Outcome::Pass(0));
    assert_eq!(selection.verdicts[1].findings, [Finding::NoPlatform(digest("r"))]);
    let as_base = decide(&[base(vec![nameless]), member(Some("amd64"), vec![good])]);
    assert_eq!(as_base.outcome, Outcome::Pass(0));
}

#[test]
fn vectors_31_to_33_what_is_no_image_is_no_member_and_passes_as_base() {
    let arm = || member(Some("arm"), vec![image(OCI, "r", "linux/arm64")]);
    for finding in [Finding::Artifact, Finding::Schema1, Finding::UnknownType("a/b".into())] {
        assert_eq!(decide(&[unmergeable(None, finding.clone()), arm()]).outcome, Outcome::Pass(0));
        let good = base(vec![image(OCI, "a", "linux/amd64")]);
        let selection = decide(&[good, unmergeable(Some("arm"), finding.clone())]);
        assert_eq!(
            (selection.outcome, &selection.verdicts[1].findings[..]),
            (Outcome::Pass(0), &[finding][..])
        );
    }
    let cache = Descriptor::new("application/vnd.oci.image.layer.v1.tar+gzip".into(), digest("layer"), 1);
    assert_eq!(decide(&[base(vec![cache.clone()]), arm()]).outcome, Outcome::Pass(0));
    let as_member = decide(&[base(vec![image(OCI, "a", "linux/amd64")]), member(Some("arm"), vec![cache])]);
    assert_eq!(as_member.verdicts[1].findings, [Finding::NoImages]);
}

#[test]
fn vector_41_an_index_over_the_limit_is_refused_and_the_base_served() {
    let many = |count: usize| {
        let entry = |n: usize| image(OCI, &n.to_string(), &format!("linux/arm/v{}", n + 10));
        vec![base(vec![image(OCI, "a", "linux/amd64")]), member(Some("arm64"), vec![]), {
            let mut all = member(None, (0..count).map(entry).collect());
            (all.address, all.is_base) = ("latest-all".parse::<onetag_oci::Tag>().unwrap().into(), false);
            all
        }]
    };
    assert!(matches!(decide(&many(255)).outcome, Outcome::Merged(index) if index.entries.len() == 256));
    let selection = decide(&many(256));
    assert_eq!(selection.outcome, Outcome::Pass(0));
    assert!(matches!(selection.verdicts[0].findings[..], [Finding::TooLarge { entries: 257 }]));
}

#[test]
fn a_merge_that_would_take_too_much_is_refused_whole() {
    let members = [
        base(vec![image(OCI, "a", "linux/amd64")]),
        member(Some("arm"), vec![image(OCI, "r", "linux/arm64")]),
        unmergeable(Some("armv7"), Finding::TooMuch),
    ];
    let selection = decide(&members);
    assert_eq!(selection.outcome, Outcome::Pass(0));
    assert!(selection.is_refused());
}

#[test]
fn vector_42_sha512_children_stay_the_index_is_sha256() {
    let long = format!("sha512:{}", "ab".repeat(64));
    let child = Descriptor { digest: long.parse().unwrap(), ..image(OCI, "r", "linux/arm64") };
    let index = merged(&[base(vec![image(OCI, "a", "linux/amd64")]), member(Some("arm"), vec![child])]);
    assert_eq!(index.digest.algorithm(), "sha256");
    assert!(String::from_utf8_lossy(&index.bytes).contains(&long));
}

#[test]
fn vector_45_an_annotated_zstd_twin_stands_behind_the_gzip_one() {
    let mut zstd = image(OCI, "zstd", "linux/arm64");
    zstd.annotations = [("io.github.containers.compression.zstd".to_owned(), "true".to_owned())].into();
    let gzip = image(OCI, "gzip", "linux/arm64");
    let first = base(vec![image(OCI, "a", "linux/amd64")]);
    let index = merged(&[first.clone(), member(Some("arm64"), vec![zstd, gzip.clone()])]);
    let order: Vec<_> = index.entries.into_iter().map(|entry| entry.digest).collect();
    assert_eq!(order, [digest("a"), digest("gzip"), digest("zstd")]);
    let plain = member(Some("arm64"), vec![gzip, image(OCI, "zstd", "linux/arm64")]);
    assert_eq!(merged(&[first, plain]).entries.len(), 2);
}

#[test]
fn vector_46_one_digest_for_two_platforms_is_kept_twice() {
    let both = vec![image(OCI, "r", "linux/arm/v6"), image(OCI, "r", "linux/arm/v7")];
    let index = merged(&[base(vec![image(OCI, "a", "linux/amd64")]), member(Some("armhf"), both)]);
    assert_eq!(platforms(&index), ["linux/amd64", "linux/arm/v6", "linux/arm/v7"]);
}

const WORLD: [(&str, &str); 5] = [
    ("amd64", "linux/amd64"),
    ("arm64", "linux/arm64"),
    ("armv7", "linux/arm/v7"),
    ("armel", "linux/arm/v5"),
    ("s390x", "linux/s390x"),
];

proptest! {
    /// Vector 6 and rule D3: the order in which members are named changes nothing.
    #[test]
    fn vector_06_any_order_gives_the_same_bytes(order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle()) {
        let all: Vec<Member> = WORLD
            .iter()
            .map(|(token, text)| member(Some(token), vec![image(OCI, token, text), attestation(text, token)]))
            .collect();
        let shuffled: Vec<Member> = order.iter().map(|place| all[*place].clone()).collect();
        prop_assert_eq!(merged(&all).bytes, merged(&shuffled).bytes);
    }
}
