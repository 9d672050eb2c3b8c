//! What a merge costs by itself: `cargo bench -p onetag --bench merge` (time and allocations of each).

use divan::{AllocProfiler, Bencher, black_box};
use onetag::merge::{Build, Claim, Member, Outcome, Policy, Token, select};
use onetag_config::Merge;
use onetag_oci::{
    Descriptor, Digest, Document, MAX_DOCUMENT_BYTES, MAX_INDEX_ENTRIES, MediaType, Platform, Tag,
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A member with one image: of `latest` for the first place, of `latest-N` for the others.
fn member(place: usize) -> Member {
    let digest = Digest::sha256(place.to_string().as_bytes());
    let platform = match place {
        0 => Platform::new("linux", "amd64", ""),
        1 => Platform::new("linux", "arm64", ""),
        _ => Platform::new("linux", "arm", &format!("v{}", place + 8)),
    };
    let tag = if place == 0 { "latest".into() } else { format!("latest-{place}") };
    Member {
        address: tag.parse::<Tag>().expect("a tag").into(),
        is_base: place == 0,
        claim: if place == 1 { Claim::Word(Token::find("arm64").expect("a word")) } else { Claim::Nothing },
        content: Ok(vec![Descriptor {
            platform: Some(platform),
            ..Descriptor::new(MediaType::OciManifest, digest, 1_234)
        }]),
        build: Build::default(),
    }
}

/// From members that are at hand to the bytes of the index and their digest.
#[divan::bench(args = [2, 64])]
fn merge(bencher: Bencher<'_, '_>, count: usize) {
    let members: Vec<Member> = (0..count).map(member).collect();
    let policy = Policy::usual(&Merge::default());
    let Outcome::Merged(index) = select(&members, &policy).outcome else { panic!("not merged") };
    assert_eq!(index.entries.len(), count);
    bencher.bench_local(|| select(black_box(&members), &policy));
}

/// An index of as many entries and as many bytes as are taken at all.
#[divan::bench(sample_count = 20)]
fn parse_the_largest_index(bencher: Bencher<'_, '_>) {
    let digest = Digest::sha256(b"");
    let padding = "x".repeat(MAX_DOCUMENT_BYTES / MAX_INDEX_ENTRIES - 400);
    let entry = format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":1234,"annotations":{{"padding":"{padding}"}},"platform":{{"architecture":"arm64","os":"linux","variant":"v8"}}}}"#
    );
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, vec![entry; MAX_INDEX_ENTRIES].join(","));
    assert!((MAX_DOCUMENT_BYTES - (1 << 18)..MAX_DOCUMENT_BYTES).contains(&text.len()), "{}", text.len());
    bencher
        .bench_local(|| Document::parse(black_box(text.as_bytes()), &MediaType::OciIndex).expect("an index"));
}
