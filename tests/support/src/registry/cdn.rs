//! A second server for blobs, as object storage behind a registry is: signed addresses, no credentials.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};

use super::answer::Answer;
use super::endpoint::parameter;
use super::fault::{Fault, FaultId, Match};
use super::front::Front;
use super::journal::{Kind, Recorded};
use super::routes::ranged;
use super::server::{Call, Handler, Server};
use super::store::Store;

const SIGNATURE: &str = "X-Sig";

/// Serves blobs at signed addresses and records what it was sent; stops when dropped.
///
/// Like object storage it refuses a request that carries `Authorization` beside the signature (400), and one
/// without the right signature (403).
pub struct BlobServer {
    server: Server,
    front: Arc<Front>,
    signature: String,
}

/// Where the registry sends those who ask for blobs.
#[derive(Clone)]
pub(super) struct Redirection {
    origin: String,
    signature: String,
}

struct Blobs {
    store: Arc<Mutex<Store>>,
    signature: String,
}

impl BlobServer {
    /// A server for these blobs.
    pub async fn start(blobs: &[&[u8]]) -> Self {
        let mut store = Store::default();
        for blob in blobs {
            store.repository("blobs").put_blob(bytes::Bytes::copy_from_slice(blob));
        }
        Self::over(Arc::new(Mutex::new(store))).await
    }

    pub(super) async fn over(store: Arc<Mutex<Store>>) -> Self {
        let signature = "c2lnbmVk%2Bby%2Ftestkit%3D".to_owned();
        let front = Arc::new(Front::default());
        let handler = Arc::new(Blobs { store, signature: signature.clone() });
        let server = Server::start(handler, Arc::clone(&front), None).await;
        Self { server, front, signature }
    }

    pub(super) fn redirection(&self) -> Redirection {
        Redirection { origin: self.url(), signature: self.signature.clone() }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The signed address of a blob.
    pub fn url_of(&self, digest: &str) -> String {
        self.redirection().url_of(digest)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.front.journal.requests()
    }

    /// Makes matching requests fail; see [`super::Registry::fail`].
    pub fn fail(&self, matching: Match, fault: Fault) -> FaultId {
        self.front.script.add(None, matching, fault)
    }

    /// Makes the next `times` matching requests fail.
    pub fn fail_times(&self, times: usize, matching: Match, fault: Fault) -> FaultId {
        self.front.script.add(Some(times), matching, fault)
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.front.script.heal_all();
    }
}

impl Redirection {
    pub(super) fn url_of(&self, digest: &str) -> String {
        format!("{}/blobs/{digest}?{SIGNATURE}={}&X-Expires=600", self.origin, self.signature)
    }
}

impl Handler for Blobs {
    fn kind(&self, path: &str) -> Kind {
        if path.starts_with("/blobs/") { Kind::Blob } else { Kind::Other }
    }

    fn answer(&self, call: &Call) -> Answer {
        if call.headers.contains_key(AUTHORIZATION) {
            return refusal(StatusCode::BAD_REQUEST, "only one authentication mechanism is allowed");
        }
        let raw = call.query.split('&').find_map(|pair| pair.strip_prefix(SIGNATURE)?.strip_prefix('='));
        if raw != Some(&self.signature) || parameter(&call.query, "X-Expires").is_none() {
            return refusal(StatusCode::FORBIDDEN, "the signature does not match");
        }
        if !matches!(call.method, Method::GET | Method::HEAD) {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "read only");
        }
        let digest = call.path.trim_start_matches("/blobs/").replace("%3A", ":");
        match self.store.lock().unwrap_or_else(PoisonError::into_inner).blob_anywhere(&digest) {
            Some(bytes) => ranged(Answer::new(StatusCode::OK).body(bytes), call),
            None => refusal(StatusCode::NOT_FOUND, "no such key"),
        }
    }
}

fn refusal(status: StatusCode, message: &'static str) -> Answer {
    Answer::new(status).body(message)
}
