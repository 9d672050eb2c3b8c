//! Manifests: get, put, delete.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName};
use serde_json::Value;

use super::super::answer::{Answer, DOCKER_CONTENT_DIGEST};
use super::super::endpoint::parameters;
use super::super::server::Call;
use super::super::store::Store;
use super::{Api, content};
use crate::digest;

const LIMIT: usize = 4 << 20;
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

pub(super) fn get(store: &Store, repository: &str, reference: &str, call: &Call) -> Answer {
    let Some(manifest) = store.manifest(repository, reference) else { return unknown() };
    let digest = if reference.contains(':') { reference.to_owned() } else { digest::sha256(&manifest.bytes) };
    content(call, &manifest.media_type, &digest, manifest.bytes)
}

impl Api {
    pub(super) fn put_manifest(&self, repository: &str, reference: &str, call: &Call) -> Answer {
        if call.body.len() > LIMIT {
            return Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", "the manifest is too large");
        }
        let by_digest = reference.contains(':');
        if by_digest && !digest::matches(reference, &call.body) {
            let message = "the digest is not the manifest's";
            return Answer::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
        }
        let (media_type, document) = match typed(call) {
            Ok(typed) => typed,
            Err(message) => return Answer::error(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message),
        };
        let mut store = self.store();
        if let Some(missing) = missing_content(&store, repository, &document) {
            let message = format!("unknown: {missing}");
            return Answer::error(self.manners.missing_content, "MANIFEST_BLOB_UNKNOWN", &message);
        }
        let tags: Vec<String> =
            if by_digest { parameters(&call.query, "tag").collect() } else { vec![reference.to_owned()] };
        let own = store.repository(repository).put_manifest(None, media_type, call.body.clone());
        for tag in &tags {
            store.repository(repository).tags.insert(tag.clone(), own.clone());
        }
        let digest = if by_digest { reference } else { &own };
        let mut answer = self
            .located(StatusCode::CREATED, &format!("/v2/{repository}/manifests/{digest}"), call)
            .header(DOCKER_CONTENT_DIGEST, digest);
        if by_digest {
            answer = tags.iter().fold(answer, |answer, tag| answer.appended(OCI_TAG, tag));
        }
        match document["subject"]["digest"].as_str().filter(|_| self.manners.referrers) {
            Some(subject) => answer.header(OCI_SUBJECT, subject),
            None => answer,
        }
    }
}

pub(super) fn delete(store: &mut Store, repository: &str, reference: &str) -> Answer {
    let deleted = store.repositories.get_mut(repository).is_some_and(|found| {
        if reference.contains(':') {
            found.delete_manifest(reference)
        } else {
            found.tags.remove(reference).is_some()
        }
    });
    if deleted { Answer::new(StatusCode::ACCEPTED) } else { unknown() }
}

/// The media type and the document of a manifest that is pushed, or why it is none.
fn typed(call: &Call) -> Result<(&str, Value), &'static str> {
    let media_type = call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.ok_or("no media type")?;
    let document: Value = serde_json::from_slice(&call.body).map_err(|_| "no JSON")?;
    if document.get("mediaType").is_some_and(|inner| inner != media_type) {
        return Err("mediaType differs from Content-Type");
    }
    Ok((media_type, document))
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
