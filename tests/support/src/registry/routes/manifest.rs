//! Manifests: get, put, delete.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use serde_json::Value;

use super::super::answer::{Answer, DOCKER_CONTENT_DIGEST};
use super::super::server::Call;
use super::super::store::Store;
use super::content;
use crate::digest;

const LIMIT: usize = 4 << 20;
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

pub(super) fn get(store: &Store, repository: &str, reference: &str, call: &Call) -> Answer {
    let Some(manifest) = store.manifest(repository, reference) else { return unknown() };
    let digest = if reference.contains(':') { reference.to_owned() } else { digest::sha256(&manifest.bytes) };
    content(call, &manifest.media_type, &digest, manifest.bytes)
}

pub(super) fn put(store: &mut Store, repository: &str, reference: &str, call: &Call) -> Answer {
    if call.body.len() > LIMIT {
        return Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", "the manifest is too large");
    }
    let by_digest = reference.contains(':');
    if by_digest && !digest::matches(reference, &call.body) {
        return Answer::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest is not the manifest's");
    }
    let media_type = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (Some(media_type), Ok(document)) = (media_type, serde_json::from_slice::<Value>(&call.body)) else {
        return Answer::error(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "no media type, or no JSON");
    };
    if document.get("mediaType").is_some_and(|inner| inner != media_type) {
        return Answer::error(
            StatusCode::BAD_REQUEST,
            "MANIFEST_INVALID",
            "mediaType differs from Content-Type",
        );
    }
    if let Some(missing) = missing_content(store, repository, &document) {
        return Answer::error(
            StatusCode::BAD_REQUEST,
            "MANIFEST_BLOB_UNKNOWN",
            &format!("unknown: {missing}"),
        );
    }
    let tag = (!by_digest).then_some(reference);
    let own = store.repository(repository).put_manifest(tag, media_type, call.body.clone());
    let digest = if by_digest { reference.to_owned() } else { own };
    let answer = Answer::new(StatusCode::CREATED)
        .header(LOCATION, &format!("/v2/{repository}/manifests/{digest}"))
        .header(DOCKER_CONTENT_DIGEST, &digest);
    match document["subject"]["digest"].as_str() {
        Some(subject) => answer.header(OCI_SUBJECT, subject),
        None => answer,
    }
}

pub(super) fn delete(store: &mut Store, repository: &str, reference: &str) -> Answer {
    let repository = store.repository(repository);
    let deleted = if reference.contains(':') {
        repository.delete_manifest(reference)
    } else {
        repository.tags.remove(reference).is_some()
    };
    if deleted { Answer::new(StatusCode::ACCEPTED) } else { unknown() }
}

/// The first digest that the manifest names and the repository lacks, as registries check on a push.
fn missing_content(store: &Store, repository: &str, document: &Value) -> Option<String> {
    let layers = document["layers"].as_array().into_iter().flatten();
    let own_layers = layers.filter(|layer| layer.get("urls").is_none());
    let blobs =
        document.get("config").into_iter().chain(own_layers).filter_map(|entry| entry["digest"].as_str());
    let children = document["manifests"].as_array().into_iter().flatten();
    let children = children.filter_map(|entry| entry["digest"].as_str());
    let missing_blob = |digest: &&str| store.blob(repository, digest).is_none();
    let missing_child = |digest: &&str| store.manifest(repository, digest).is_none() && missing_blob(digest);
    blobs
        .into_iter()
        .find(missing_blob)
        .or_else(|| children.into_iter().find(missing_child))
        .map(str::to_owned)
}

fn unknown() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown")
}
