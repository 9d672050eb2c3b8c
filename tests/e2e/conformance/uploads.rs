//! Push, first part: blobs, in every way that they can go up.

use std::time::Duration;

use testkit::client::{Body, Response};
use testkit::{sha256, sha512};

use super::subject::{OCTETS, Subject, with_digest};
use super::suite::{Check, checks};
use super::verdict::{Verdict, expect, header, header_is, holds, refused, status};

pub(super) const CHECKS: &[Check] = checks![
    a_blob_goes_up_by_post_and_put,
    a_blob_goes_up_by_one_post,
    a_blob_goes_up_in_chunks,
    a_blob_goes_up_with_its_last_chunk_in_the_put,
    a_blob_goes_up_as_a_stream,
    an_empty_blob_goes_up,
    a_blob_goes_up_under_its_sha512,
    a_chunk_out_of_order_is_refused,
    an_upload_goes_on_after_a_chunk_out_of_order,
    an_upload_tells_how_far_it_is,
    a_location_stays_at_the_host_that_was_asked,
    an_upload_is_cancelled,
    an_upload_that_ended_is_unknown,
    wrong_bytes_are_refused,
    a_blob_is_mounted,
    an_absent_blob_is_not_mounted,
    a_mount_needs_no_source_or_opens_an_upload,
];

/// The pause between the pieces of a stream.
const PAUSE: Duration = Duration::from_millis(10);

async fn a_blob_goes_up_by_post_and_put(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let location = subject.open().await?;
    let done = subject.close(&location, &sha256(&bytes), bytes.clone()).await?;
    subject.pullable(&done, &bytes).await
}

/// Where one request is not supported, it opens an upload like any other.
async fn a_blob_goes_up_by_one_post(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let path = with_digest(&subject.below("blobs/uploads/"), &sha256(&bytes));
    let mut done = subject.send("POST", &path, &[OCTETS], bytes.clone()).await?;
    status(&done, &[201, 202])?;
    if done.status == 202 {
        done = subject.close(header(&done, "location")?, &sha256(&bytes), bytes.clone()).await?;
    }
    subject.pullable(&done, &bytes).await
}

/// Opens an upload for chunks; where it goes on, and two chunks that are long enough for the registry.
async fn two_chunks(subject: &Subject) -> Verdict<(String, [Vec<u8>; 2])> {
    let opened =
        subject.send("POST", &subject.below("blobs/uploads/"), &[("content-length", "0")], "").await?;
    status(&opened, &[202])?;
    let least = opened.header("oci-chunk-min-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let chunk = |label: &str| {
        let mut bytes = subject.unique(label);
        bytes.resize(bytes.len().max(least), b'.');
        bytes
    };
    Ok((header(&opened, "location")?.to_owned(), [chunk("one"), chunk("two")]))
}

/// Sends a chunk that begins at `start`.
async fn chunk(subject: &Subject, location: &str, start: usize, bytes: &[u8]) -> Verdict<Response> {
    let range = format!("{start}-{}", start + bytes.len() - 1);
    subject.send("PATCH", location, &[OCTETS, ("content-range", &range)], bytes.to_vec()).await
}

/// Whether a chunk was taken, so that `length` bytes are there; where the upload goes on.
fn taken(answer: &Response, length: usize) -> Verdict<String> {
    status(answer, &[202])?;
    header_is(answer, "range", &format!("0-{}", length - 1))?;
    Ok(header(answer, "location")?.to_owned())
}

async fn a_blob_goes_up_in_chunks(subject: Subject) -> Verdict {
    let (location, [one, two]) = two_chunks(&subject).await?;
    let whole = [&one[..], &two].concat();
    let location = taken(&chunk(&subject, &location, 0, &one).await?, one.len())?;
    let location = taken(&chunk(&subject, &location, one.len(), &two).await?, whole.len())?;
    let done = subject.close(&location, &sha256(&whole), Vec::new()).await?;
    subject.pullable(&done, &whole).await
}

async fn a_blob_goes_up_with_its_last_chunk_in_the_put(subject: Subject) -> Verdict {
    let (location, [one, two]) = two_chunks(&subject).await?;
    let whole = [&one[..], &two].concat();
    let location = taken(&chunk(&subject, &location, 0, &one).await?, one.len())?;
    let range = format!("{}-{}", one.len(), whole.len() - 1);
    let headers = [OCTETS, ("content-range", &range)];
    let done = subject.send("PUT", &with_digest(&location, &sha256(&whole)), &headers, two).await?;
    subject.pullable(&done, &whole).await
}

async fn a_blob_goes_up_as_a_stream(subject: Subject) -> Verdict {
    let (location, pieces) = two_chunks(&subject).await?;
    let whole = pieces.concat();
    let answer = subject.send("PATCH", &location, &[OCTETS], Body::pieces(pieces, PAUSE)).await?;
    let location = taken(&answer, whole.len())?;
    let done = subject.close(&location, &sha256(&whole), Vec::new()).await?;
    subject.pullable(&done, &whole).await
}

async fn an_empty_blob_goes_up(subject: Subject) -> Verdict {
    let location = subject.open().await?;
    let done = subject.close(&location, &sha256(""), Vec::new()).await?;
    subject.pullable(&done, b"").await
}

async fn a_blob_goes_up_under_its_sha512(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let location = subject.open().await?;
    let done = subject.close(&location, &sha512(&bytes), bytes.clone()).await?;
    subject.pullable(&done, &bytes).await?;
    holds(&subject.ask("GET", &format!("blobs/{}", sha512(&bytes))).await?, &bytes)
}

async fn a_chunk_out_of_order_is_refused(subject: Subject) -> Verdict {
    let (location, [one, two]) = two_chunks(&subject).await?;
    status(&chunk(&subject, &location, one.len(), &two).await?, &[416])
}

async fn an_upload_goes_on_after_a_chunk_out_of_order(subject: Subject) -> Verdict {
    let (first, [one, two]) = two_chunks(&subject).await?;
    let second = taken(&chunk(&subject, &first, 0, &one).await?, one.len())?;
    status(&chunk(&subject, &second, one.len() + 7, &two).await?, &[416])?;
    let asked = subject.send("GET", &second, &[], "").await?;
    status(&asked, &[204])?;
    header_is(&asked, "range", &format!("0-{}", one.len() - 1))?;
    let whole = [&one[..], &two].concat();
    let location = taken(&chunk(&subject, header(&asked, "location")?, one.len(), &two).await?, whole.len())?;
    subject.pullable(&subject.close(&location, &sha256(&whole), Vec::new()).await?, &whole).await
}

async fn an_upload_tells_how_far_it_is(subject: Subject) -> Verdict {
    let (location, [one, _]) = two_chunks(&subject).await?;
    let location = taken(&chunk(&subject, &location, 0, &one).await?, one.len())?;
    let asked = subject.send("GET", &location, &[], "").await?;
    status(&asked, &[204])?;
    header_is(&asked, "range", &format!("0-{}", one.len() - 1))?;
    let done = subject.close(header(&asked, "location")?, &sha256(&one), Vec::new()).await?;
    subject.pullable(&done, &one).await
}

/// A location that names another host would lead the client past whatever stands in front of the registry.
async fn a_location_stays_at_the_host_that_was_asked(subject: Subject) -> Verdict {
    let (location, [one, _]) = two_chunks(&subject).await?;
    let next = taken(&chunk(&subject, &location, 0, &one).await?, one.len())?;
    let done = subject.close(&next, &sha256(&one), Vec::new()).await?;
    for location in [&*location, &*next, header(&done, "location")?] {
        let after = location.split_once("://").map(|(_, rest)| rest);
        let own = after.is_none_or(|rest| rest.starts_with(&format!("{}/", subject.authority())));
        expect(own, || format!("it leads elsewhere: {location}"))?;
    }
    Ok(())
}

async fn an_upload_is_cancelled(subject: Subject) -> Verdict {
    let location = subject.open().await?;
    status(&subject.send("DELETE", &location, &[], "").await?, &[204])?;
    refused(&subject.send("GET", &location, &[], "").await?, &[404], "BLOB_UPLOAD_UNKNOWN")
}

async fn an_upload_that_ended_is_unknown(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let location = subject.open().await?;
    status(&subject.close(&location, &sha256(&bytes), bytes.clone()).await?, &[201])?;
    let late = subject.send("PATCH", &location, &[OCTETS], "late").await?;
    refused(&late, &[404], "BLOB_UPLOAD_UNKNOWN")
}

async fn wrong_bytes_are_refused(subject: Subject) -> Verdict {
    let digest = sha256(subject.unique("right"));
    let location = subject.open().await?;
    let wrong = subject.close(&location, &digest, subject.unique("wrong")).await?;
    refused(&wrong, &[400], "DIGEST_INVALID")?;
    status(&subject.ask("HEAD", &format!("blobs/{digest}")).await?, &[404])
}

async fn mount(subject: &Subject, digest: &str, from: Option<&str>) -> Verdict<Response> {
    let from = from.map(|name| format!("&from={name}")).unwrap_or_default();
    let path = subject.below(&format!("blobs/uploads/?mount={digest}{from}"));
    subject.send("POST", &path, &[("content-length", "0")], "").await
}

/// Whether a mount was made; where it was not, whether the upload that was opened instead goes on.
async fn mounted_or_opened(subject: &Subject, answer: &Response, bytes: &[u8]) -> Verdict {
    status(answer, &[201, 202])?;
    if answer.status == 201 {
        return subject.pullable(answer, bytes).await;
    }
    let done = subject.close(header(answer, "location")?, &sha256(bytes), bytes.to_vec()).await?;
    subject.pullable(&done, bytes).await
}

async fn a_blob_is_mounted(subject: Subject) -> Verdict {
    let (source, bytes) = (subject.other("source"), subject.unique("blob"));
    let digest = source.push_blob(&bytes).await?;
    let answer = mount(&subject, &digest, Some(&source.repository)).await?;
    mounted_or_opened(&subject, &answer, &bytes).await
}

async fn an_absent_blob_is_not_mounted(subject: Subject) -> Verdict {
    let (source, bytes) = (subject.other("source"), subject.unique("absent"));
    source.push_blob(&subject.unique("blob")).await?;
    let answer = mount(&subject, &sha256(&bytes), Some(&source.repository)).await?;
    status(&answer, &[202])?;
    mounted_or_opened(&subject, &answer, &bytes).await
}

async fn a_mount_needs_no_source_or_opens_an_upload(subject: Subject) -> Verdict {
    let bytes = subject.unique("blob");
    let digest = subject.other("source").push_blob(&bytes).await?;
    mounted_or_opened(&subject, &mount(&subject, &digest, None).await?, &bytes).await
}
