//! What was asked: every request, in order of arrival.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{HeaderMap, Method};

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The path as it was sent, still percent-encoded.
    pub path: String,
    /// The query as it was sent, without the question mark; empty when there was none.
    pub query: String,
    /// All headers, repeated lines kept apart.
    pub headers: HeaderMap,
    /// The status that was answered; 0 as long as none was (and for good after a stall or a reset).
    pub status: u16,
    /// Bytes of its body that were read so far. What a fault answers without reading stays unread.
    pub body_length: usize,
    /// Whether its body was read to its end.
    pub body_complete: bool,
    /// The `Host` that the peer named; empty without one.
    pub host: String,
    /// The port of this machine that it came to.
    pub port: u16,
    /// When its head had arrived.
    pub at: Instant,
    /// What it asked for.
    pub kind: Kind,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `/v2/`
    Ping,
    /// A manifest by its tag.
    ManifestByTag,
    /// A manifest by its digest.
    ManifestByDigest,
    /// A blob, from the registry or from the server that it redirects to.
    Blob,
    /// A token from the token server.
    Token,
    /// An upload, from its start to its end.
    Upload,
    /// Anything else: tag lists, referrers, unknown paths.
    Other,
}

impl Recorded {
    /// The value of a header, if it is there and text; the first of several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[derive(Default)]
pub(super) struct Journal {
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    recorded: Recorded,
    progress: Arc<Progress>,
}

/// What becomes known of a request after its head.
#[derive(Default)]
struct Progress {
    status: AtomicU16,
    body_length: AtomicUsize,
    body_complete: AtomicBool,
}

/// Where that is noted.
#[derive(Clone)]
pub(super) struct Ticket(Arc<Progress>);

impl Journal {
    pub(super) fn record(&self, recorded: Recorded) -> Ticket {
        let progress = Arc::new(Progress::default());
        let entry = Entry { recorded, progress: Arc::clone(&progress) };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Ticket(progress)
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(Entry::now).collect()
    }

    pub(super) fn forget(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Entry {
    fn now(&self) -> Recorded {
        Recorded {
            status: self.progress.status.load(Ordering::Acquire),
            body_length: self.progress.body_length.load(Ordering::Acquire),
            body_complete: self.progress.body_complete.load(Ordering::Acquire),
            ..self.recorded.clone()
        }
    }
}

impl Ticket {
    pub(super) fn answered(&self, status: u16) {
        self.0.status.store(status, Ordering::Release);
    }

    pub(super) fn body_read(&self, bytes: usize) {
        self.0.body_length.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn body_ended(&self) {
        self.0.body_complete.store(true, Ordering::Release);
    }
}
