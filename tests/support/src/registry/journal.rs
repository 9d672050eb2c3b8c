//! What was asked: every request, in order of arrival.

use std::sync::atomic::{AtomicU16, Ordering};
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
    /// Anything else: uploads, tag lists, referrers, unknown paths.
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
    status: Arc<AtomicU16>,
}

/// Where the status of one recorded request is noted once it is known.
pub(super) struct Ticket(Arc<AtomicU16>);

impl Journal {
    pub(super) fn record(&self, recorded: Recorded) -> Ticket {
        let status = Arc::new(AtomicU16::new(recorded.status));
        let entry = Entry { recorded, status: Arc::clone(&status) };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Ticket(status)
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .map(|entry| Recorded { status: entry.status.load(Ordering::Acquire), ..entry.recorded.clone() })
            .collect()
    }

    pub(super) fn forget(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Ticket {
    pub(super) fn answered(&self, status: u16) {
        self.0.store(status, Ordering::Release);
    }
}
