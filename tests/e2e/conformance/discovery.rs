//! Content discovery: tags and referrers.

use serde_json::{Value, json};
use testkit::client::Response;
use testkit::image::media_type::{OCI_INDEX, OCI_MANIFEST};
use testkit::image::sbom_of;
use testkit::{Image, Index, sha256};

use super::subject::Subject;
use super::suite::{Check, checks};
use super::verdict::{Verdict, expect, header, header_is, status};

pub(super) const CHECKS: &[Check] = checks![
    tags_are_listed_in_order,
    tags_come_in_pages,
    tags_after_one_are_listed,
    no_tags_are_listed_when_none_are_asked_for,
    an_absent_repository_has_no_tag_list,
    what_nothing_refers_to_has_an_empty_list,
    referrers_are_listed_with_what_they_are,
    referrers_are_chosen_by_their_type,
    an_artifact_without_a_type_is_listed_by_its_configurations,
    an_index_is_listed_as_a_referrer,
    what_is_missing_can_be_referred_to,
    a_deleted_referrer_is_not_listed,
];

const TAGS: [&str; 8] = ["1.0", "2", "Latest", "Z", "a", "arm", "latest", "z"];
/// The places of the tags in the order in which they are pushed: neither this way round nor the other.
const PUSHED: [usize; 8] = [3, 0, 6, 2, 7, 1, 5, 4];
const SPDX: &str = "application/spdx+json";

/// Pushes one image under all of [`TAGS`].
async fn tagged(subject: &Subject) -> Verdict {
    let image = subject.image("image");
    subject.push(None, &image).await?;
    for tag in PUSHED.map(|place| TAGS[place]) {
        status(&subject.push_manifest(tag, &image.media_type, &image.manifest).await?, &[201])?;
    }
    Ok(())
}

async fn tags(subject: &Subject, query: &str) -> Verdict<Response> {
    let list = subject.ask("GET", &format!("tags/list{query}")).await?;
    status(&list, &[200])?;
    let name = list.json()["name"].clone();
    expect(name == *subject.repository, || format!("the list of {name}"))?;
    Ok(list)
}

fn listed(list: &Response, wanted: &[&str]) -> Verdict {
    let tags = &list.json()["tags"];
    expect(*tags == json!(wanted), || format!("{tags} instead of {wanted:?}"))
}

async fn tags_are_listed_in_order(subject: Subject) -> Verdict {
    tagged(&subject).await?;
    listed(&tags(&subject, "").await?, &TAGS)
}

async fn tags_come_in_pages(subject: Subject) -> Verdict {
    tagged(&subject).await?;
    let mut page = tags(&subject, "?n=3").await?;
    for wanted in [&TAGS[..3], &TAGS[3..6]] {
        listed(&page, wanted)?;
        let link = header(&page, "link")?;
        let next = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (next, rel) = next.ok_or_else(|| format!("a link like {link}"))?;
        expect(rel.contains("rel=\"next\""), || format!("a link like {link}"))?;
        page = subject.send("GET", next, &[], "").await?;
        status(&page, &[200])?;
    }
    listed(&page, &TAGS[6..])?;
    expect(page.header("link").is_none(), || "a link after the last page".to_owned())
}

async fn tags_after_one_are_listed(subject: Subject) -> Verdict {
    tagged(&subject).await?;
    listed(&tags(&subject, "?last=2").await?, &TAGS[2..])?;
    listed(&tags(&subject, "?n=1&last=Latest").await?, &TAGS[3..4])?;
    listed(&tags(&subject, "?n=9&last=aa").await?, &TAGS[5..])
}

async fn no_tags_are_listed_when_none_are_asked_for(subject: Subject) -> Verdict {
    tagged(&subject).await?;
    let list = tags(&subject, "?n=0").await?;
    listed(&list, &[])?;
    expect(list.header("link").is_none(), || "a link".to_owned())
}

async fn an_absent_repository_has_no_tag_list(subject: Subject) -> Verdict {
    status(&subject.ask("GET", "tags/list").await?, &[404])
}

/// An index of what refers to `digest`.
async fn referrers(subject: &Subject, digest: &str, query: &str) -> Verdict<Response> {
    let list = subject.ask("GET", &format!("referrers/{digest}{query}")).await?;
    status(&list, &[200])?;
    header_is(&list, "content-type", OCI_INDEX)?;
    let document = list.json();
    let index = document["mediaType"] == OCI_INDEX && document["schemaVersion"] == 2;
    expect(index && document["manifests"].is_array(), || "it is no index".to_owned())?;
    Ok(list)
}

/// Whether these are the descriptors of a list, in whatever order.
fn holds_exactly(list: &Response, wanted: &[Value]) -> Verdict {
    let document = list.json();
    let found = document["manifests"].as_array().expect("checked when it came");
    let same = found.len() == wanted.len() && wanted.iter().all(|one| found.contains(one));
    expect(same, || format!("{found:?} instead of {wanted:?}"))
}

/// An artifact that refers to `image`, and the descriptor that it must be listed with.
fn artifact(subject: &Subject, image: &Image, kind: Option<&str>) -> (Image, Value) {
    let mut artifact = sbom_of(image);
    let annotations = json!({ "org.example.repository": subject.repository });
    let mut manifest: Value = serde_json::from_slice(&artifact.manifest).expect("JSON of the kit");
    manifest["annotations"] = annotations.clone();
    match kind {
        Some(kind) => manifest["artifactType"] = json!(kind),
        None => drop(manifest.as_object_mut().expect("an object").remove("artifactType")),
    }
    artifact.manifest = manifest.to_string().into_bytes();
    let mut descriptor = artifact.descriptor_json();
    descriptor["artifactType"] =
        kind.map_or_else(|| manifest["config"]["mediaType"].clone(), |kind| json!(kind));
    descriptor["annotations"] = annotations;
    (artifact, descriptor)
}

async fn what_nothing_refers_to_has_an_empty_list(subject: Subject) -> Verdict {
    let image = subject.image("image");
    subject.push(None, &image).await?;
    for digest in [image.digest(), sha256(subject.unique("absent"))] {
        holds_exactly(&referrers(&subject, &digest, "").await?, &[])?;
    }
    Ok(())
}

async fn referrers_are_listed_with_what_they_are(subject: Subject) -> Verdict {
    let (image, other) = (subject.image("image"), subject.image("other"));
    subject.push(None, &image).await?;
    let (sbom, first) = artifact(&subject, &image, Some(SPDX));
    let (signature, second) = artifact(&subject, &image, Some("application/vnd.example.signature"));
    for artifact in [&sbom, &signature, &sbom_of(&other)] {
        subject.push(None, artifact).await?;
    }
    holds_exactly(&referrers(&subject, &image.digest(), "").await?, &[first, second])
}

/// A registry may not filter at all; if it says that it did, it must have.
async fn referrers_are_chosen_by_their_type(subject: Subject) -> Verdict {
    let image = subject.image("image");
    let (sbom, first) = artifact(&subject, &image, Some(SPDX));
    let (signature, second) = artifact(&subject, &image, Some("application/vnd.example.signature"));
    for artifact in [&image, &sbom, &signature] {
        subject.push(None, artifact).await?;
    }
    let query = format!("?artifactType={}", SPDX.replace('+', "%2B"));
    let list = referrers(&subject, &image.digest(), &query).await?;
    if list.header("oci-filters-applied").is_none() {
        return holds_exactly(&list, &[first, second]);
    }
    header_is(&list, "oci-filters-applied", "artifactType")?;
    holds_exactly(&list, &[first])
}

async fn an_artifact_without_a_type_is_listed_by_its_configurations(subject: Subject) -> Verdict {
    let image = subject.image("image");
    let (artifact, descriptor) = artifact(&subject, &image, None);
    for image in [&image, &artifact] {
        subject.push(None, image).await?;
    }
    holds_exactly(&referrers(&subject, &image.digest(), "").await?, &[descriptor])
}

async fn an_index_is_listed_as_a_referrer(subject: Subject) -> Verdict {
    let image = subject.image("image");
    subject.push(None, &image).await?;
    let mut index: Value =
        serde_json::from_slice(&Index::oci().image(&image).build().manifest).expect("JSON of the kit");
    index["subject"] = image.descriptor_json();
    let bytes = index.to_string().into_bytes();
    status(&subject.push_manifest(&sha256(&bytes), OCI_INDEX, &bytes).await?, &[201])?;
    let descriptor = json!({ "mediaType": OCI_INDEX, "digest": sha256(&bytes), "size": bytes.len() });
    holds_exactly(&referrers(&subject, &image.digest(), "").await?, &[descriptor])
}

async fn what_is_missing_can_be_referred_to(subject: Subject) -> Verdict {
    let image = subject.image("absent");
    let (sbom, descriptor) = artifact(&subject, &image, Some(SPDX));
    assert_eq!(sbom.media_type, OCI_MANIFEST);
    subject.push(Some("sbom"), &sbom).await?;
    holds_exactly(&referrers(&subject, &image.digest(), "").await?, &[descriptor])
}

async fn a_deleted_referrer_is_not_listed(subject: Subject) -> Verdict {
    let image = subject.image("image");
    let (sbom, descriptor) = artifact(&subject, &image, Some(SPDX));
    for image in [&image, &sbom] {
        subject.push(None, image).await?;
    }
    holds_exactly(&referrers(&subject, &image.digest(), "").await?, &[descriptor])?;
    status(&subject.ask("DELETE", &format!("manifests/{}", sbom.digest())).await?, &[202])?;
    holds_exactly(&referrers(&subject, &image.digest(), "").await?, &[])
}
