//! Pull: blobs and manifests that are there, and those that are not.

use testkit::{Image, sha256};

use super::subject::Subject;
use super::suite::{Check, checks};
use super::verdict::{Verdict, described, expect, header_is, holds, refused, status};

pub(super) const CHECKS: &[Check] = checks![
    the_base_of_the_api_answers,
    a_blob_is_pulled,
    a_blob_answers_head,
    a_part_of_a_blob_is_pulled,
    an_absent_blob_is_not_found,
    a_manifest_is_pulled_by_its_tag,
    a_manifest_is_pulled_by_its_digest,
    a_manifest_answers_head,
    a_manifest_keeps_its_bytes,
    an_absent_manifest_is_not_found,
    an_absent_repository_is_not_found,
    an_error_has_the_form_of_the_specification,
];

async fn the_base_of_the_api_answers(subject: Subject) -> Verdict {
    status(&subject.send("GET", "/v2/", &[], "").await?, &[200])
}

async fn a_blob_is_pulled(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let digest = subject.push_blob(&bytes).await?;
    holds(&subject.ask("GET", &format!("blobs/{digest}")).await?, &bytes)
}

async fn a_blob_answers_head(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let digest = subject.push_blob(&bytes).await?;
    let head = subject.ask("HEAD", &format!("blobs/{digest}")).await?;
    status(&head, &[200])?;
    described(&head, &bytes)
}

/// Ranges are a "should": whoever does not know them answers with the whole.
async fn a_part_of_a_blob_is_pulled(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let path = subject.below(&format!("blobs/{}", subject.push_blob(&bytes).await?));
    let part = subject.send("GET", &path, &[("range", "bytes=2-5")], "").await?;
    if part.status == 200 {
        return holds(&part, &bytes);
    }
    status(&part, &[206])?;
    header_is(&part, "content-range", &format!("bytes 2-5/{}", bytes.len()))?;
    expect(part.body == bytes[2..=5], || format!("other {} bytes", part.body.len()))
}

async fn an_absent_blob_is_not_found(subject: Subject) -> Verdict {
    subject.push_blob(&subject.unique("blob")).await?;
    let path = format!("blobs/{}", sha256(subject.unique("absent")));
    refused(&subject.ask("GET", &path).await?, &[404], "BLOB_UNKNOWN")?;
    status(&subject.ask("HEAD", &path).await?, &[404])
}

/// An image that the registry has under the tag `latest`.
async fn pushed(subject: &Subject) -> Verdict<Image> {
    let image = subject.image("image");
    subject.push(Some("latest"), &image).await?;
    Ok(image)
}

async fn pulled_by(subject: &Subject, reference: &str, image: &Image) -> Verdict {
    let got = subject.ask("GET", &format!("manifests/{reference}")).await?;
    holds(&got, &image.manifest)?;
    header_is(&got, "content-type", &image.media_type)
}

async fn a_manifest_is_pulled_by_its_tag(subject: Subject) -> Verdict {
    let image = pushed(&subject).await?;
    pulled_by(&subject, "latest", &image).await
}

async fn a_manifest_is_pulled_by_its_digest(subject: Subject) -> Verdict {
    let image = pushed(&subject).await?;
    pulled_by(&subject, &image.digest(), &image).await
}

async fn a_manifest_answers_head(subject: Subject) -> Verdict {
    let image = pushed(&subject).await?;
    for reference in ["latest", &image.digest()] {
        let head = subject.ask("HEAD", &format!("manifests/{reference}")).await?;
        status(&head, &[200])?;
        described(&head, &image.manifest)?;
        header_is(&head, "content-type", &image.media_type)?;
    }
    Ok(())
}

async fn a_manifest_keeps_its_bytes(subject: Subject) -> Verdict {
    let mut image = Image::builder("linux/amd64")
        .file("content", &subject.unique("image"))
        .annotation("org.example.unknown", "kept")
        .odd_whitespace()
        .build();
    image.manifest.push(b'\n');
    subject.push(Some("latest"), &image).await?;
    pulled_by(&subject, "latest", &image).await?;
    pulled_by(&subject, &image.digest(), &image).await
}

async fn an_absent_manifest_is_not_found(subject: Subject) -> Verdict {
    pushed(&subject).await?;
    for reference in ["absent", &sha256(subject.unique("absent"))] {
        let path = format!("manifests/{reference}");
        refused(&subject.ask("GET", &path).await?, &[404], "MANIFEST_UNKNOWN")?;
        status(&subject.ask("HEAD", &path).await?, &[404])?;
    }
    Ok(())
}

async fn an_absent_repository_is_not_found(subject: Subject) -> Verdict {
    for path in ["manifests/latest".to_owned(), format!("blobs/{}", sha256(subject.unique("absent")))] {
        status(&subject.ask("GET", &path).await?, &[404])?;
    }
    Ok(())
}

async fn an_error_has_the_form_of_the_specification(subject: Subject) -> Verdict {
    let refusal = subject.ask("GET", "manifests/absent").await?;
    status(&refusal, &[404])?;
    let body = refusal.json();
    let errors = body["errors"].as_array().filter(|errors| !errors.is_empty());
    for error in errors.ok_or("no list of errors")? {
        let code = error["code"].as_str().unwrap_or_default();
        let known = ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"].contains(&code);
        let told = error.get("message").is_none_or(serde_json::Value::is_string);
        expect(known && told, || format!("an error like {error}"))?;
    }
    Ok(())
}
