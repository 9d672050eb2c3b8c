//! Uploads: start, mount, append, finish, ask, cancel.

use std::ops::RangeInclusive;

use http::header::{CONTENT_RANGE, HeaderName, RANGE};
use http::{HeaderMap, Method, StatusCode};

use super::super::answer::{Answer, DOCKER_CONTENT_DIGEST};
use super::super::endpoint::{Endpoint, FOREIGN_UPLOADS, parameter};
use super::super::manners::Locations;
use super::super::server::Call;
use super::super::store::{Store, Upload};
use super::{Api, unsupported};
use crate::digest;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

const STATE_END: &str = "%2B%2F%3D%3D";

/// What a `Content-Range` says about the body of its request.
enum Placement {
    /// It goes on where the last one ended, or there is no such header.
    Next,
    Elsewhere,
    /// It is no range, or one of another length than the body.
    Invalid,
}

impl Api {
    pub(super) fn start_upload(&self, repository: &str, call: &Call) -> Answer {
        if let Some(mounted) = self.mount(repository, call) {
            return mounted;
        }
        let mut store = self.store();
        if let Some(digest) = parameter(&call.query, "digest") {
            return self.finish(&mut store, repository, &digest, call.body.to_vec(), call);
        }
        let id = store.begin_upload(repository);
        let answer = self.progress(StatusCode::ACCEPTED, &store.uploads[&id], &id, call);
        match self.manners.chunk_min_length {
            Some(length) => answer.header(CHUNK_MIN_LENGTH, &length.to_string()),
            None => answer,
        }
    }

    pub(super) fn upload(&self, repository: &str, id: &str, call: &Call) -> Answer {
        let mut store = self.store();
        let Some(upload) = store.uploads.get_mut(id).filter(|upload| upload.repository == repository) else {
            return unknown();
        };
        if !upload.knows_state(id, call) {
            return invalid("the state is not the one sent");
        }
        match call.method {
            Method::GET => self.progress(StatusCode::NO_CONTENT, upload, id, call),
            Method::PATCH | Method::PUT => match upload.placement(&call.headers, call.body.len()) {
                Placement::Elsewhere => self.progress(StatusCode::RANGE_NOT_SATISFIABLE, upload, id, call),
                Placement::Invalid => invalid("the range is not the body's"),
                Placement::Next if upload.fell_short && !call.body.is_empty() => {
                    invalid("a chunk that is not the last is too short")
                }
                Placement::Next if call.method == Method::PUT => {
                    upload.bytes.extend_from_slice(&call.body);
                    let bytes = store.uploads.remove(id).map(|upload| upload.bytes).unwrap_or_default();
                    let digest = parameter(&call.query, "digest").unwrap_or_default();
                    self.finish(&mut store, repository, &digest, bytes, call)
                }
                Placement::Next => {
                    upload.bytes.extend_from_slice(&call.body);
                    upload.fell_short =
                        self.manners.chunk_min_length.is_some_and(|least| call.body.len() < least);
                    self.progress(StatusCode::ACCEPTED, upload, id, call)
                }
            },
            Method::DELETE => {
                store.uploads.remove(id);
                Answer::new(StatusCode::NO_CONTENT)
            }
            _ => unsupported(),
        }
    }

    /// Keeps what came of a chunk, as the distribution project's registry does.
    pub(super) fn keep_interrupted(&self, call: &Call) {
        let Endpoint::Upload { repository, id } = Endpoint::parse(&call.path) else { return };
        let mut store = self.store();
        let upload = store.uploads.get_mut(&id).filter(|upload| upload.repository == repository);
        if let Some(upload) = upload.filter(|_| call.method == Method::PATCH)
            && upload.knows_state(&id, call)
            && upload.goes_on_at(&call.headers)
        {
            upload.bytes.extend_from_slice(&call.body);
        }
    }

    /// `None` when no mount was asked for or none is possible: then an upload is opened, as the specification says.
    fn mount(&self, repository: &str, call: &Call) -> Option<Answer> {
        let digest = parameter(&call.query, "mount")?;
        let mut store = self.store();
        let bytes = match parameter(&call.query, "from") {
            Some(source) => {
                let open = self.access.may_mount_from(&source, &call.headers);
                open.then(|| store.blob(&source, &digest)).flatten()?
            }
            None => self.manners.anonymous_mount.then(|| store.blob_anywhere(&digest)).flatten()?,
        };
        store.repository(repository).put_blob(bytes);
        Some(self.created(repository, &digest, call))
    }

    fn finish(
        &self,
        store: &mut Store,
        repository: &str,
        digest: &str,
        bytes: Vec<u8>,
        call: &Call,
    ) -> Answer {
        if !digest::matches(digest, &bytes) {
            let message = "the digest is not the content's";
            return Answer::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
        }
        store.repository(repository).put_blob(bytes.into());
        self.created(repository, digest, call)
    }

    fn created(&self, repository: &str, digest: &str, call: &Call) -> Answer {
        self.located(StatusCode::CREATED, &format!("/v2/{repository}/blobs/{digest}"), call)
            .header(DOCKER_CONTENT_DIGEST, digest)
    }

    fn progress(&self, status: StatusCode, upload: &Upload, id: &str, call: &Call) -> Answer {
        let path = match self.manners.locations {
            Locations::Foreign => format!("{FOREIGN_UPLOADS}{}/{id}", upload.repository),
            Locations::Absolute | Locations::Relative => {
                format!("/v2/{}/blobs/uploads/{id}", upload.repository)
            }
        };
        self.located(status, &format!("{path}?_state={}", state(id, upload.bytes.len())), call)
            .header(RANGE, &format!("0-{}", upload.bytes.len().saturating_sub(1)))
            .header(UPLOAD_ID, id)
    }
}

impl Upload {
    /// Whether the state comes back exactly as it was sent: to write the latest, to ask and to cancel any, because
    /// whoever lost an answer must be able to find out.
    fn knows_state(&self, id: &str, call: &Call) -> bool {
        let Some(sent) = call.query.split('&').find_map(|pair| pair.strip_prefix("_state=")) else {
            return false;
        };
        match call.method {
            Method::GET | Method::DELETE => {
                length_of(id, sent).is_some_and(|length| length <= self.bytes.len())
            }
            _ => sent == state(id, self.bytes.len()),
        }
    }

    fn placement(&self, headers: &HeaderMap, length: usize) -> Placement {
        let Some(header) = headers.get(CONTENT_RANGE) else { return Placement::Next };
        match header.to_str().ok().and_then(parse_content_range) {
            None => Placement::Invalid,
            Some(range) if *range.start() != self.bytes.len() => Placement::Elsewhere,
            Some(range) if range.end() + 1 - range.start() != length => Placement::Invalid,
            Some(_) => Placement::Next,
        }
    }

    /// The same for a body of which only a part came.
    fn goes_on_at(&self, headers: &HeaderMap) -> bool {
        headers.get(CONTENT_RANGE).is_none_or(|header| {
            let range = header.to_str().ok().and_then(parse_content_range);
            range.is_some_and(|range| *range.start() == self.bytes.len())
        })
    }
}

/// Opaque, and with characters that whoever decodes it on the way will spoil.
fn state(id: &str, length: usize) -> String {
    format!("{id}-{length}{STATE_END}")
}

fn length_of(id: &str, state: &str) -> Option<usize> {
    state.strip_prefix(id)?.strip_prefix('-')?.strip_suffix(STATE_END)?.parse().ok()
}

/// `FIRST-LAST`, both included, as the distribution API writes it; with the unit too, as HTTP does.
fn parse_content_range(text: &str) -> Option<RangeInclusive<usize>> {
    let (first, last) = text.strip_prefix("bytes ").unwrap_or(text).split_once('-')?;
    let range = first.parse().ok()?..=last.parse().ok()?;
    (!range.is_empty()).then_some(range)
}

fn unknown() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
}

fn invalid(message: &str) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
}
