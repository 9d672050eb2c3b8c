//! Content management: deletion, of registries that delete at all.

use testkit::sha256;

use super::subject::Subject;
use super::suite::{Check, checks};
use super::verdict::{Verdict, holds, status};

pub(super) const CHECKS: &[Check] = checks![
    a_deleted_tag_is_gone_and_its_manifest_stays,
    a_deleted_manifest_is_gone_with_its_tags,
    a_deleted_blob_is_gone,
    an_absent_tag_cannot_be_deleted,
    an_absent_manifest_cannot_be_deleted,
    an_absent_blob_cannot_be_deleted,
    nothing_of_an_absent_repository_can_be_deleted,
];

async fn a_deleted_tag_is_gone_and_its_manifest_stays(subject: Subject) -> Verdict {
    let image = subject.image("image");
    for tag in ["latest", "kept"] {
        subject.push(Some(tag), &image).await?;
    }
    status(&subject.ask("DELETE", "manifests/latest").await?, &[202])?;
    status(&subject.ask("GET", "manifests/latest").await?, &[404])?;
    for reference in ["kept", &image.digest()] {
        holds(&subject.ask("GET", &format!("manifests/{reference}")).await?, &image.manifest)?;
    }
    Ok(())
}

async fn a_deleted_manifest_is_gone_with_its_tags(subject: Subject) -> Verdict {
    let (image, other) = (subject.image("image"), subject.image("other"));
    subject.push(Some("latest"), &image).await?;
    subject.push(Some("other"), &other).await?;
    let by_digest = format!("manifests/{}", image.digest());
    status(&subject.ask("DELETE", &by_digest).await?, &[202])?;
    for path in [&by_digest, "manifests/latest"] {
        status(&subject.ask("GET", path).await?, &[404])?;
    }
    holds(&subject.ask("GET", "manifests/other").await?, &other.manifest)
}

async fn a_deleted_blob_is_gone(subject: Subject) -> Verdict {
    let path = format!("blobs/{}", subject.push_blob(&subject.unique("blob")).await?);
    status(&subject.ask("DELETE", &path).await?, &[202])?;
    status(&subject.ask("GET", &path).await?, &[404])
}

async fn an_absent_tag_cannot_be_deleted(subject: Subject) -> Verdict {
    subject.push(Some("latest"), &subject.image("image")).await?;
    status(&subject.ask("DELETE", "manifests/absent").await?, &[404])
}

async fn an_absent_manifest_cannot_be_deleted(subject: Subject) -> Verdict {
    subject.push(Some("latest"), &subject.image("image")).await?;
    let path = format!("manifests/{}", sha256(subject.unique("absent")));
    status(&subject.ask("DELETE", &path).await?, &[404])
}

async fn an_absent_blob_cannot_be_deleted(subject: Subject) -> Verdict {
    subject.push_blob(&subject.unique("blob")).await?;
    let path = format!("blobs/{}", sha256(subject.unique("absent")));
    status(&subject.ask("DELETE", &path).await?, &[404])
}

async fn nothing_of_an_absent_repository_can_be_deleted(subject: Subject) -> Verdict {
    let digest = sha256(subject.unique("absent"));
    for path in [format!("manifests/{digest}"), format!("blobs/{digest}")] {
        status(&subject.ask("DELETE", &path).await?, &[404])?;
    }
    Ok(())
}
