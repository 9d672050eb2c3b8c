//! Uploads: start, mount, append, finish, ask, cancel.

use http::header::{CONTENT_RANGE, HOST, HeaderName, LOCATION, RANGE};
use http::{Method, StatusCode};

use super::super::answer::{Answer, DOCKER_CONTENT_DIGEST};
use super::super::endpoint::parameter;
use super::super::server::Call;
use super::super::store::Upload;
use super::Api;
use crate::digest;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Api {
    pub(super) fn start_upload(&self, repository: &str, call: &Call) -> Answer {
        if let Some(mounted) = self.mount(repository, call) {
            return mounted;
        }
        let mut store = self.store();
        if let Some(digest) = parameter(&call.query, "digest") {
            if !digest::matches(&digest, &call.body) {
                return digest_invalid();
            }
            store.repository(repository).put_blob(call.body.clone());
            return created(repository, &digest);
        }
        let id = store.begin_upload(repository);
        let upload = store.uploads.get_mut(&id).expect("opened a line above");
        self.progress(StatusCode::ACCEPTED, upload, &id, call)
    }

    pub(super) fn upload(&self, repository: &str, id: &str, call: &Call) -> Answer {
        let mut store = self.store();
        let known = store.uploads.get_mut(id).filter(|upload| upload.repository == repository);
        let Some(upload) = known else {
            return Answer::error(
                StatusCode::NOT_FOUND,
                "BLOB_UPLOAD_UNKNOWN",
                "blob upload unknown to registry",
            );
        };
        if !upload.continues(&call.query) {
            return Answer::error(
                StatusCode::BAD_REQUEST,
                "BLOB_UPLOAD_INVALID",
                "the state is not the one sent",
            );
        }
        match call.method {
            Method::GET => self.progress(StatusCode::NO_CONTENT, upload, id, call),
            Method::PATCH => {
                if !upload.append(call) {
                    return self.progress(StatusCode::RANGE_NOT_SATISFIABLE, upload, id, call);
                }
                self.progress(StatusCode::ACCEPTED, upload, id, call)
            }
            Method::PUT => {
                upload.bytes.extend_from_slice(&call.body);
                let digest = parameter(&call.query, "digest").unwrap_or_default();
                let bytes = store.uploads.remove(id).map(|upload| upload.bytes).unwrap_or_default();
                if !digest::matches(&digest, &bytes) {
                    return digest_invalid();
                }
                store.repository(repository).put_blob(bytes.into());
                created(repository, &digest)
            }
            Method::DELETE => {
                store.uploads.remove(id);
                Answer::new(StatusCode::NO_CONTENT)
            }
            _ => Answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported"),
        }
    }

    /// `None` when no mount was asked for or none is possible: then an upload is opened, as the specification says.
    fn mount(&self, repository: &str, call: &Call) -> Option<Answer> {
        let digest = parameter(&call.query, "mount")?;
        let source = parameter(&call.query, "from")?;
        if !self.access.may_mount_from(&source, &call.headers) {
            return None;
        }
        let mut store = self.store();
        let bytes = store.blob(&source, &digest)?;
        store.repository(repository).put_blob(bytes);
        Some(created(repository, &digest))
    }

    fn progress(&self, status: StatusCode, upload: &mut Upload, id: &str, call: &Call) -> Answer {
        upload.state = format!("{id}-{}%2B%2F%3D%3D", upload.bytes.len());
        let host = call.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let origin =
            if self.relative_locations { String::new() } else { format!("{}://{host}", self.scheme) };
        let location =
            format!("{origin}/v2/{}/blobs/uploads/{id}?_state={}", upload.repository, upload.state);
        Answer::new(status)
            .header(LOCATION, &location)
            .header(RANGE, &format!("0-{}", upload.bytes.len().saturating_sub(1)))
            .header(UPLOAD_ID, id)
    }
}

impl Upload {
    fn continues(&self, query: &str) -> bool {
        query.split('&').any(|pair| pair.strip_prefix("_state=") == Some(&self.state))
    }

    /// `false` when the chunk does not start where the last one ended.
    fn append(&mut self, call: &Call) -> bool {
        let range = call.headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let start =
            range.and_then(|range| range.trim_start_matches("bytes ").split('-').next()?.parse().ok());
        if start.is_some_and(|start: usize| start != self.bytes.len()) {
            return false;
        }
        self.bytes.extend_from_slice(&call.body);
        true
    }
}

fn created(repository: &str, digest: &str) -> Answer {
    Answer::new(StatusCode::CREATED)
        .header(LOCATION, &format!("/v2/{repository}/blobs/{digest}"))
        .header(DOCKER_CONTENT_DIGEST, digest)
}

fn digest_invalid() -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest is not the content's")
}
