//! Manifests, indexes, configs, and what clients say that they take.

use onetag_oci::{
    Accept, Descriptor, Document, ImageConfig, ImageManifest, Index, MAX_INDEX_ENTRIES, MediaType, blobs_of,
};

use crate::merge::{Build, Claim, Token, has_several_platforms, normalise};

/// Lines of `Accept`: their order and how they are split do not matter, and a wildcard takes everything.
pub(super) fn accept(data: &[u8]) -> bool {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let accept = Accept::parse(lines.iter().copied());
    assert_eq!(accept, Accept::parse(lines.iter().rev().copied()), "the order of lines matters");
    assert_eq!(accept, Accept::parse([&*lines.join(&b","[..])]), "how lines are split matters");
    let wildcard: [&[u8]; 1] = [b"*/*"];
    assert!(Accept::parse(lines.iter().copied().chain(wildcard)).takes_index(), "a wildcard refuses");
    accept.takes_index()
}

/// A line of `Content-Type`, and a manifest or index.
pub(super) fn document(data: &[u8]) -> bool {
    let (header, body) = first_line(data);
    let Ok(document) = Document::parse(body, &MediaType::from(&*String::from_utf8_lossy(header))) else {
        return false;
    };
    match &document {
        Document::Image(image) => check_image(image, body),
        Document::Index(index) => check_index(index),
        Document::Schema1(media_type) => assert!(media_type.is_schema1(), "an unknown schema 1"),
        Document::Other(media_type) => assert!(!media_type.is_index(), "an index that is not read"),
    }
    true
}

fn check_image(image: &ImageManifest, body: &[u8]) {
    assert!(image.media_type.is_image_manifest(), "an image of another type");
    if let Ok(blobs) = blobs_of(body) {
        let config = blobs.first().expect("the config at least");
        assert_eq!(config.digest, image.config.digest, "two readings of one config");
    }
    Build::of_image(&ImageConfig::default(), image);
}

fn check_index(index: &Index) {
    assert!(index.media_type.is_index(), "an index of another type");
    assert!(index.manifests.len() <= MAX_INDEX_ENTRIES, "too many entries");
    for entry in &index.manifests {
        let written = serde_json::to_vec(entry).expect("a descriptor can be written");
        let again: Descriptor = serde_json::from_slice(&written).expect("and read again");
        assert_eq!(*entry, again, "a descriptor is another one after writing");
    }
    let platforms: Vec<_> = index.manifests.iter().filter_map(|entry| entry.platform.as_ref()).collect();
    for (one, other) in platforms.iter().zip(platforms.iter().skip(1)) {
        assert_eq!(one == other, one.cmp(other).is_eq(), "equality and order of platforms differ");
    }
    has_several_platforms(&index.manifests);
    Build::of_index(index);
}

/// An image config: the normal form of its platform is its own normal form, whatever a tag's name claims.
pub(super) fn image_config(data: &[u8]) -> bool {
    let Ok(config) = ImageConfig::parse(data) else { return false };
    let words = ["arm", "armhf", "armv6", "arm64", "amd64"];
    let claims = words.iter().filter_map(|word| Token::find(word)).map(Claim::Word);
    for claim in claims.chain([Claim::Nothing]) {
        if let Some(normal) = normalise(&config.platform, &claim) {
            let again = normalise(&normal.platform, &claim).map(|again| again.platform);
            assert_eq!(again.as_ref(), Some(&normal.platform), "a normal form has another normal form");
        }
    }
    let Ok(Document::Image(image)) = Document::parse(MANIFEST, &MediaType::OciManifest) else {
        unreachable!("the manifest below is one");
    };
    Build::of_image(&config, &image);
    true
}

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"layers":[],"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}"#;

/// The first line, and what comes after it.
pub(super) fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}
