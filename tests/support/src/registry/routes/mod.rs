//! The routes of the distribution API.

mod blob;
mod listing;
mod manifest;
mod upload;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{Method, StatusCode};
use serde_json::json;

pub(super) use blob::ranged;

use super::access::Access;
use super::answer::{Answer, DOCKER_CONTENT_DIGEST};
use super::cdn::Redirection;
use super::endpoint::Endpoint;
use super::journal::Kind;
use super::server::{Call, Handler};
use super::store::Store;

/// The registry as a handler of requests.
pub(super) struct Api {
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) access: Access,
    pub(super) redirection: Mutex<Option<Redirection>>,
    pub(super) scheme: &'static str,
    pub(super) relative_locations: bool,
}

impl Handler for Api {
    fn kind(&self, path: &str) -> Kind {
        Endpoint::parse(path).kind()
    }

    fn answer(&self, call: &Call) -> Answer {
        let endpoint = Endpoint::parse(&call.path);
        self.access
            .refusal(&call.method, &endpoint, &call.headers)
            .unwrap_or_else(|| self.route(call, &endpoint))
    }
}

impl Api {
    fn route(&self, call: &Call, endpoint: &Endpoint) -> Answer {
        let reads = matches!(call.method, Method::GET | Method::HEAD);
        match (endpoint, &call.method) {
            (Endpoint::Ping, _) if reads => Answer::json(StatusCode::OK, &json!({})),
            (Endpoint::Catalog, _) if reads => listing::catalog(&self.store()),
            (Endpoint::Tags { repository }, _) if reads => {
                listing::tags(&self.store(), repository, &call.query)
            }
            (Endpoint::Referrers { repository, digest }, _) if reads => {
                listing::referrers(&self.store(), repository, digest, &call.query)
            }
            (Endpoint::Manifest { repository, reference }, _) if reads => {
                manifest::get(&self.store(), repository, reference, call)
            }
            (Endpoint::Manifest { repository, reference }, &Method::PUT) => {
                manifest::put(&mut self.store(), repository, reference, call)
            }
            (Endpoint::Manifest { repository, reference }, &Method::DELETE) => {
                manifest::delete(&mut self.store(), repository, reference)
            }
            (Endpoint::Blob { repository, digest }, _) if reads => self.blob(repository, digest, call),
            (Endpoint::Blob { repository, digest }, &Method::DELETE) => {
                blob::delete(&mut self.store(), repository, digest)
            }
            (Endpoint::UploadStart { repository }, &Method::POST) => self.start_upload(repository, call),
            (Endpoint::Upload { repository, id }, _) => self.upload(repository, id, call),
            (Endpoint::Unknown, _) => Answer::error(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such page"),
            _ => Answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported"),
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 200 with the headers of addressed content, or 304 when the caller has it.
fn content(call: &Call, media_type: &str, digest: &str, bytes: bytes::Bytes) -> Answer {
    let etag = format!("\"{digest}\"");
    let known = call.headers.get_all(IF_NONE_MATCH).iter().any(|tags| {
        tags.to_str().is_ok_and(|tags| tags.split(',').any(|tag| tag.trim() == etag || tag.trim() == digest))
    });
    let answer =
        if known { Answer::new(StatusCode::NOT_MODIFIED) } else { Answer::new(StatusCode::OK).body(bytes) };
    answer.header(CONTENT_TYPE, media_type).header(DOCKER_CONTENT_DIGEST, digest).header(ETAG, &etag)
}
