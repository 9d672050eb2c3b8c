//! The oracle itself, held to bytes and choices that were written down by hand.

use serde_json::json;

use super::{Answer, Content, Contents, Member, answer, json as text};
use crate::image::media_type as mt;
use crate::image::{Image, Index, attestation_of, buildkit_cache_index, buildx, helm_artifact};

fn ask(tags: &[(Option<&str>, Content)]) -> Answer {
    let mut contents = Contents::default();
    for (_, content) in tags {
        contents.add(content);
    }
    let members: Vec<Member<'_>> =
        tags.iter().map(|(word, content)| Member { word: *word, content }).collect();
    answer(&contents, &members)
}

fn image(platform: &str) -> Content {
    Image::builder(platform).build().into()
}

fn docker(platform: &str) -> Content {
    Image::builder(platform).docker().build().into()
}

/// Media type and text of a merged index; panics on anything else.
fn merged(tags: &[(Option<&str>, Content)]) -> (String, String) {
    match ask(tags) {
        Answer::Merged { media_type, bytes } => (media_type, String::from_utf8(bytes).expect("text")),
        other => panic!("{other:?}"),
    }
}

/// The platforms of a merged index, in order.
fn platforms(tags: &[(Option<&str>, Content)]) -> String {
    let parsed: serde_json::Value = serde_json::from_str(&merged(tags).1).expect("JSON");
    let entries = parsed["manifests"].as_array().expect("a list");
    let written = |entry: &serde_json::Value| {
        ["os", "architecture", "variant", "os.version"]
            .iter()
            .filter_map(|field| entry["platform"][field].as_str())
            .collect::<Vec<_>>()
            .join("/")
    };
    entries.iter().map(written).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_passes(tags: &[(Option<&str>, Content)], expected: usize) {
    match ask(tags) {
        Answer::Passes { member, bytes, .. } => {
            assert_eq!((member, bytes.as_slice()), (expected, tags[expected].1.bytes()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_docker_images_make_a_docker_list_of_these_very_bytes() {
    let (amd64, arm64) = (docker("linux/amd64"), docker("linux/arm64"));
    let entry = |content: &Content, platform: &str| {
        let Content::Image(image) = content else { unreachable!("made above") };
        let (digest, size) = (image.digest(), image.manifest.len());
        format!(
            "{{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\",\"digest\":\"{digest}\",\
             \"size\":{size},\"platform\":{platform}}}"
        )
    };
    let expected = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\",\
         \"manifests\":[{},{}]}}",
        entry(&amd64, r#"{"architecture":"amd64","os":"linux"}"#),
        entry(&arm64, r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#),
    );
    let got = merged(&[(None, amd64.clone()), (Some("arm"), arm64)]);
    assert_eq!(got, (mt::DOCKER_LIST.to_owned(), expected));
    assert_eq!(merged(&[(None, amd64), (Some("arm"), image("linux/arm64"))]).0, mt::OCI_INDEX);
}

#[test]
fn platforms_are_spelled_and_ordered_as_the_rules_say() {
    let variants = [
        (None, image("linux/AMD64/v8")),
        (Some("amd64"), image("linux/x86_64/v3")),
        (Some("armv7"), image("linux/arm/armv7")),
        (Some("arm"), image("linux/aarch64/8")),
        (Some("armhf"), image("linux/arm/6")),
        (Some("arm32v5"), image("linux/arm/v5")),
    ];
    assert_eq!(
        platforms(&variants),
        "linux/amd64 linux/amd64/v3 linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm64/v8"
    );
    let windows = |version: &str| Image::builder("windows/amd64").os_version(version).build();
    let list = Index::oci().image(&windows("10.0.9200.1")).image(&windows("10.0.20348.1")).build();
    assert_eq!(
        platforms(&[(Some("amd64"), list.into()), (Some("arm"), image("linux/arm64"))]),
        "linux/arm64/v8 windows/amd64/10.0.20348.1 windows/amd64/10.0.9200.1"
    );
}

#[test]
fn what_is_not_there_or_contradicts_its_word_is_left_out_and_one_alone_passes() {
    let amd64 = image("linux/amd64");
    assert_passes(&[(None, amd64.clone())], 0);
    assert_passes(&[(None, amd64.clone()), (Some("arm64"), image("linux/s390x"))], 0);
    assert_passes(&[(None, amd64.clone()), (Some("arm"), helm_artifact().into())], 0);
    assert_passes(&[(None, amd64.clone()), (Some("amd64"), amd64.clone())], 0);
    assert_passes(&[(Some("arm"), helm_artifact().into()), (Some("arm64"), image("linux/arm64"))], 1);
    let nameless: Content = Image::builder("linux/arm64").os(None).build().into();
    assert_passes(&[(None, amd64), (Some("arm"), nameless.clone())], 0);
    assert_eq!(ask(&[(Some("arm"), nameless)]), Answer::Absent);
    assert_eq!(ask(&[]), Answer::Absent);
    let unnamed: Content = Image::builder("linux/arm64").architecture(None).build().into();
    assert_eq!(
        platforms(&[(None, image("linux/s390x")), (Some("arm64"), unnamed)]),
        "linux/arm64/v8 linux/s390x"
    );
}

#[test]
fn a_base_of_several_platforms_or_of_none_passes() {
    let both = |first, second| {
        let (first, second) = (Image::builder(first).build(), Image::builder(second).build());
        Content::from(Index::oci().image(&first).image(&second).build())
    };
    let member = (Some("armv7"), image("linux/arm/v7"));
    assert_passes(&[(None, both("linux/amd64", "linux/arm64")), member.clone()], 0);
    assert_passes(&[(None, buildkit_cache_index().into()), member.clone()], 0);
    let other_twin = Image::builder("linux/amd64/v1").seed(1).build();
    let twins = Index::oci().image(&Image::builder("linux/amd64").build()).image(&other_twin).build();
    assert_eq!(platforms(&[(None, twins.into()), member]), "linux/amd64 linux/arm/v7");
}

#[test]
fn what_a_base_lists_beside_its_image_stays_and_an_image_of_no_known_platform_lets_the_base_pass() {
    let (amd64, arm64) = (Image::builder("linux/amd64").build(), Image::builder("linux/arm64").build());
    let member = (Some("arm"), arm64.clone().into());
    let base = Index::oci().blob("application/x", b"x").image(&amd64).build();
    let got = merged(&[(None, base.clone().into()), member.clone()]).1;
    assert!(got.ends_with(r#","size":1}]}"#) && got.contains(&arm64.digest()), "{got}");
    let without = merged(&[(None, image("linux/s390x")), (Some("amd64"), base.into())]).1;
    assert!(!without.contains("application/x\""), "{without}");
    let nameless = Image::builder("linux/amd64").os(None).seed(1).build();
    let base = Index::oci().image(&amd64).image_as(&nameless, None).build();
    assert_passes(&[(None, base.into()), member], 0);
}

#[test]
fn attestations_follow_their_subjects_and_go_with_them() {
    let (amd64, arm64) = (Image::builder("linux/amd64").build(), Image::builder("linux/arm64").build());
    let (base, member) = (buildx(&amd64), buildx(&arm64));
    let got = merged(&[(None, base.into()), (Some("arm"), member.clone().into())]).1;
    let order = [amd64.digest(), arm64.digest(), attestation_of(&amd64).digest()];
    let places: Vec<_> = order.iter().map(|digest| got.find(&format!("\"digest\":\"{digest}"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{got}");
    let last = attestation_of(&arm64).digest();
    assert!(got.find(&last) > places[2], "{got}");
    let without = merged(&[
        (None, image("linux/amd64")),
        (Some("arm64"), image("linux/s390x")),
        (
            Some("armv7"),
            Index::oci().nested(&member).image(&Image::builder("linux/arm/v7").build()).build().into(),
        ),
    ]);
    assert!(!without.1.contains(&last), "{}", without.1);
}

#[test]
fn nesting_has_an_end() {
    let mut index = Index::oci().image(&Image::builder("linux/arm64").build()).build();
    for depth in 1..=5 {
        let tags = [(None, image("linux/amd64")), (Some("arm"), index.clone().into())];
        if depth <= 4 {
            assert_eq!(platforms(&tags), "linux/amd64 linux/arm64/v8");
        } else {
            assert_passes(&tags, 0);
        }
        index = Index::oci().nested(&index).build();
    }
}

#[test]
fn twins_and_one_image_for_two_platforms_stay_and_a_second_image_for_one_platform_does_not() {
    let twin = Image::builder("linux/arm64").seed(2).build();
    let mut marked = twin.descriptor_json();
    marked["platform"] = json!({ "os": "linux", "architecture": "arm64" });
    marked["annotations"] = json!({ "io.github.containers.compression.zstd": "true" });
    let plain = Image::builder("linux/arm64").build();
    let index = Index::oci().image_as(&twin, None).descriptor(marked.clone()).build();
    let one = merged(&[(None, image("linux/amd64")), (Some("arm"), index.into())]).1;
    assert_eq!(one.matches(&twin.digest()).count(), 1, "one digest for one platform twice: {one}");
    let index = Index::oci().descriptor(marked).image(&plain).build();
    let both = merged(&[(None, image("linux/amd64")), (Some("arm"), index.into())]).1;
    assert!(both.find(&plain.digest()) < both.find(&twin.digest()), "{both}");
    let v6 = Image::builder("linux/arm/v6").build();
    let as_v7 = json!({ "os": "linux", "architecture": "arm", "variant": "v7" });
    let listed = Index::oci().image(&v6).image_as(&v6, Some(as_v7)).build();
    assert_eq!(
        platforms(&[(None, image("linux/amd64")), (Some("arm"), listed.into())]),
        "linux/amd64 linux/arm/v6 linux/arm/v7"
    );
}

#[test]
fn an_index_over_the_limits_is_not_made() {
    let many = |count: usize| {
        let image = Image::builder("linux/arm64").build();
        (0..count)
            .fold(Index::oci(), |index, number| {
                let version =
                    json!({ "os": "linux", "architecture": "arm64", "os.version": number.to_string() });
                index.image_as(&image, Some(version))
            })
            .build()
    };
    let (fits, over) = (many(255), many(256));
    let amd64 = image("linux/amd64");
    assert_eq!(platforms(&[(None, amd64.clone()), (Some("arm"), fits.into())]).split(' ').count(), 256);
    assert_passes(&[(None, amd64), (Some("arm"), over.into())], 0);
}

#[test]
fn a_text_is_written_with_no_more_escapes_than_json_needs() {
    assert_eq!(text::quoted("é<&>\u{2028}\u{7f}\"\\\n\u{1}"), "\"é<&>\u{2028}\u{7f}\\\"\\\\\\n\\u0001\"");
}
