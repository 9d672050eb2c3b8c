//! Merging: indexes as registries may send them, and what onetag makes of them.

use std::collections::HashSet;

use onetag_config::{Merge, PlatformSource};
use onetag_oci::{Descriptor, Document, MAX_DOCUMENT_BYTES, MediaType, Platform};

use super::documents::first_line;
use crate::merge::{
    Build, Claim, Finding, Member, MergedIndex, Outcome, Policy, Selection, Token, is_image, select,
};

const MAX_MEMBERS: usize = 16;
const MAX_ENTRIES: usize = 256;

/// A line of words that make the policy, then one member a line: the word that its tag claims, `-` for the base, a
/// space, and its index.
pub(super) fn merge(data: &[u8]) -> bool {
    let (words, members) = first_line(data);
    let policy = policy(&String::from_utf8_lossy(words));
    let lines = members.split(|byte| *byte == b'\n').take(MAX_MEMBERS).enumerate();
    let members: Vec<Member> = lines.filter_map(|(place, line)| member(place, line)).collect();
    let selection = select(&members, &policy);
    assert_eq!(selection, select(&members, &policy), "the same members, another answer");
    check(&members, &selection);
    matches!(selection.outcome, Outcome::Merged(_))
}

fn policy(words: &str) -> Policy {
    let has = |word| words.split(' ').any(|other| other == word);
    Policy {
        complete_index: has("complete"),
        platform_source: if has("rule") { PlatformSource::Rule } else { PlatformSource::Config },
        require_base: has("base"),
        platforms: if has("arm64") { vec![Platform::new("linux", "arm64", "v8")] } else { Vec::new() },
        ..Policy::usual(&Merge::default())
    }
}

fn member(place: usize, line: &[u8]) -> Option<Member> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let word = str::from_utf8(&line[..space]).ok()?;
    let content = match Document::parse(&line[space + 1..], &MediaType::from("")) {
        Ok(Document::Index(index)) => Ok(index.manifests),
        Ok(Document::Image(_)) => Err(Finding::Artifact),
        Ok(Document::Schema1(_)) => Err(Finding::Schema1),
        Ok(Document::Other(media_type)) => Err(Finding::UnknownType(media_type)),
        Err(_) => Err(Finding::TooMuch),
    };
    Some(Member {
        address: format!("t{place}").parse::<onetag_oci::Tag>().ok()?.into(),
        is_base: place == 0 && word == "-",
        claim: Token::find(word).map_or(Claim::Nothing, Claim::Word),
        content,
        build: Build::default(),
    })
}

fn check(members: &[Member], selection: &Selection) {
    assert_eq!(selection.verdicts.len(), members.len(), "not one verdict for each member");
    match &selection.outcome {
        Outcome::Pass(place) => assert!(*place < members.len(), "no such member"),
        Outcome::Merged(index) => check_index(members, index),
        Outcome::Nothing | Outcome::Withheld(_) => {}
    }
}

fn check_index(members: &[Member], index: &MergedIndex) {
    assert!(index.entries.len() <= MAX_ENTRIES && index.bytes.len() <= MAX_DOCUMENT_BYTES, "too large");
    assert!(index.digest.matches(&index.bytes), "the digest is not that of the bytes");
    match Document::parse(&index.bytes, &index.media_type) {
        Ok(Document::Index(again)) => assert_eq!(again.manifests, index.entries, "the bytes say otherwise"),
        _ => panic!("a merged index that cannot be read"),
    }
    assert_eq!(index.origins.len(), index.entries.len(), "not one origin for each entry");
    for (entry, origin) in index.entries.iter().zip(&index.origins) {
        let mut entries = members[*origin].content.iter().flatten();
        assert!(entries.any(|other| other.digest == entry.digest), "an entry that its member does not have");
    }
    check_entries(&index.entries);
}

/// No machine finds two images, and whoever attests does so for an image that is there.
fn check_entries(entries: &[Descriptor]) {
    let images: Vec<_> = entries.iter().filter(|entry| is_image(entry)).collect();
    let machines: HashSet<_> = images.iter().map(|image| machine(image)).collect();
    assert_eq!(machines.len(), images.len(), "two images for one platform");
    let attested = entries
        .iter()
        .filter(|entry| entry.annotation("vnd.docker.reference.type") == Some("attestation-manifest"));
    for entry in attested {
        let subject = entry.annotation("vnd.docker.reference.digest").and_then(|digest| digest.parse().ok());
        assert!(
            images.iter().any(|image| subject.as_ref() == Some(&image.digest)),
            "an orphaned attestation"
        );
    }
}

fn machine(image: &Descriptor) -> (Option<Platform>, bool) {
    let platform = image.platform.clone().map(|mut platform| {
        platform.os_features.sort();
        Platform { other: [].into(), ..platform }
    });
    (platform, image.annotation("io.github.containers.compression.zstd") == Some("true"))
}
