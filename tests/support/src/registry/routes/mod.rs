//! The routes of the distribution API.

mod blob;
mod listing;
mod manifest;
mod upload;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, LOCATION};
use http::{Method, StatusCode};
use serde_json::json;

pub(super) use blob::ranged;

use super::access::Access;
use super::answer::{Answer, DOCKER_CONTENT_DIGEST};
use super::cdn::Redirection;
use super::endpoint::Endpoint;
use super::journal::Kind;
use super::manners::{Locations, Manners};
use super::server::{Call, Handler};
use super::store::Store;

/// The registry as a handler of requests.
pub(super) struct Api {
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) access: Access,
    pub(super) redirection: Mutex<Option<Redirection>>,
    pub(super) scheme: &'static str,
    pub(super) manners: Manners,
}

impl Handler for Api {
    fn kind(&self, path: &str) -> Kind {
        Endpoint::parse(path).kind()
    }

    fn answer(&self, call: &Call) -> Answer {
        self.refusal(call).unwrap_or_else(|| self.route(call, &Endpoint::parse(&call.path)))
    }

    fn refusal(&self, head: &Call) -> Option<Answer> {
        let endpoint = Endpoint::parse(&head.path);
        self.access.refusal(head, &endpoint).or_else(|| {
            let upload = matches!(endpoint, Endpoint::UploadStart { .. } | Endpoint::Upload { .. });
            let status = self.manners.absent.filter(|_| reads(head) && !upload)?;
            let absent = !self.store().repositories.contains_key(endpoint.repository()?);
            absent.then(|| self.access.refused_as(status, head, &endpoint))
        })
    }

    fn interrupted(&self, call: &Call) {
        if self.refusal(call).is_none() {
            self.keep_interrupted(call);
        }
    }
}

impl Api {
    fn route(&self, call: &Call, endpoint: &Endpoint) -> Answer {
        match (endpoint, &call.method) {
            (Endpoint::Unknown, _) => Answer::error(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such page"),
            (Endpoint::Upload { repository, id }, _) => self.upload(repository, id, call),
            (Endpoint::UploadStart { repository }, &Method::POST) => self.start_upload(repository, call),
            (Endpoint::Manifest { repository, reference }, &Method::PUT) => {
                self.put_manifest(repository, reference, call)
            }
            (_, &Method::DELETE) if self.manners.deletion => self.delete(endpoint),
            _ if reads(call) => self.read(call, endpoint),
            _ => unsupported(),
        }
    }

    fn read(&self, call: &Call, endpoint: &Endpoint) -> Answer {
        match endpoint {
            Endpoint::Ping => Answer::json(StatusCode::OK, &json!({})),
            Endpoint::Catalog => listing::catalog(&self.store(), &call.query),
            Endpoint::Tags { repository } => listing::tags(&self.store(), repository, &call.query),
            Endpoint::Referrers { repository, digest } if self.manners.referrers => {
                listing::referrers(&self.store(), repository, digest, &call.query)
            }
            Endpoint::Manifest { repository, reference } => {
                manifest::get(&self.store(), repository, reference, call)
            }
            Endpoint::Blob { repository, digest } => self.blob(repository, digest, call),
            Endpoint::UploadStart { .. } | Endpoint::Upload { .. } => unsupported(),
            Endpoint::Referrers { .. } | Endpoint::Unknown => {
                Answer::error(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such page")
            }
        }
    }

    fn delete(&self, endpoint: &Endpoint) -> Answer {
        match endpoint {
            Endpoint::Manifest { repository, reference } => {
                manifest::delete(&mut self.store(), repository, reference)
            }
            Endpoint::Blob { repository, digest } => blob::delete(&mut self.store(), repository, digest),
            _ => unsupported(),
        }
    }

    /// An answer whose `Location` is this path, written in the registry's manner.
    fn located(&self, status: StatusCode, path: &str, call: &Call) -> Answer {
        if self.manners.locations == Locations::Relative {
            return Answer::new(status).header(LOCATION, path);
        }
        let host = call.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        Answer::new(status).header(LOCATION, &format!("{}://{host}{path}", self.scheme))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reads(call: &Call) -> bool {
    matches!(call.method, Method::GET | Method::HEAD)
}

fn unsupported() -> Answer {
    Answer::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported")
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
