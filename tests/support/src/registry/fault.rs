//! Faults: which requests go wrong, and how.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;

use super::journal::{Kind, Recorded};

/// Which requests a fault is for; every condition must hold.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Match {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
enum Condition {
    Method(Method),
    Kind(Kind),
    Path(String),
    PathEnd(String),
    PathPart(String),
}

/// What goes wrong.
///
/// Faults of the body change nothing about an answer to HEAD but its headers. Faults that alter the registry's
/// own answer, and those of the request's body, leave a challenge (401) alone and are then not used up by it. Of a
/// chunk (PATCH) whose body does not come whole, for whatever reason, the registry keeps what came.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The answer comes later.
    Delay(Duration),
    /// No answer ever comes; the connection stays open.
    StallHeaders,
    /// The headers and so many bytes of the body come, then nothing more; the connection stays open.
    StallBody {
        /// Bytes of the body before the stall.
        after: usize,
    },
    /// The headers (with the full length) and so many bytes of the body come, then the connection closes.
    Cut {
        /// Bytes of the body before the end.
        after: usize,
    },
    /// The body comes in small pieces with a pause before each.
    Drip {
        /// Bytes of one piece.
        bytes: usize,
        /// The pause before each piece.
        every: Duration,
    },
    /// The connection is reset (RST) without an answer.
    Reset,
    /// These bytes come in the place of an HTTP answer, then the connection closes.
    Garbage(Vec<u8>),
    /// This answer comes in the place of the registry's.
    Status {
        /// The status code.
        code: u16,
        /// Its headers; `Content-Length` is added.
        headers: Vec<(String, String)>,
        /// Its body.
        body: Vec<u8>,
    },
    /// So many bytes of the request's body are read (more only if they had come along already), then nothing more,
    /// and no answer comes; the connection stays open.
    StallUpload {
        /// Bytes of the request's body before the stall.
        after: usize,
    },
    /// So many bytes of the request's body are read, then the connection is reset.
    ResetUpload {
        /// Bytes of the request's body before the end.
        after: usize,
    },
    /// So many bytes of the request's body are read, then comes this answer in the place of the registry's, and the
    /// rest stays unread.
    RefuseUpload {
        /// Bytes of the request's body before the answer.
        after: usize,
        /// The status code.
        code: u16,
    },
    /// The registry does what it is asked to, then the connection is reset without an answer.
    LostAnswer,
    /// `Docker-Content-Digest` says this, or is missing.
    DigestHeader(Option<String>),
    /// `Content-Type` says this, or is missing.
    ContentType(Option<String>),
    /// 200 with these bytes; the other headers are the registry's.
    Body(Vec<u8>),
    /// One bit of the body is turned round: this one, counted from the first and begun anew after the last.
    FlipBit(usize),
    /// The body lacks so many bytes at its end, and `Content-Length` agrees.
    Shortened(usize),
    /// These bytes follow the body, and `Content-Length` agrees.
    Lengthened(Vec<u8>),
    /// `Content-Length` promises so many bytes more than come; then the connection closes.
    Promised(usize),
    /// Another status, and these headers in the place of those of their names; the body is the registry's.
    Altered {
        /// The status code, where it is another.
        code: Option<u16>,
        /// The headers.
        headers: Vec<(String, String)>,
    },
    /// The body comes in chunks, its length is not announced.
    NoContentLength,
    /// After the body more and more bytes come, without end and without an announced length.
    Endless,
    /// A redirect.
    Redirect {
        /// The `Location`.
        to: String,
        /// The status code.
        code: u16,
    },
}

/// Names a fault that was set, for [`super::Registry::heal_one`] and [`super::Registry::hits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(usize);

/// Picks the fault for a request, if it is to have one.
type Choose = Box<dyn FnMut(&Recorded) -> Option<Fault> + Send>;

/// The faults that are set, in the order they were, and who picks one where none of them is for a request.
#[derive(Default)]
pub(super) struct Script {
    rules: Mutex<Vec<Rule>>,
    chooser: Mutex<Option<Choose>>,
}

struct Rule {
    matching: Match,
    fault: Fault,
    remaining: Option<usize>,
    hits: usize,
    healed: bool,
}

impl Match {
    /// Every request.
    pub fn all() -> Self {
        Self::default()
    }

    /// A manifest of a repository, by tag or digest.
    pub fn manifest(repository: &str, reference: &str) -> Self {
        Self::all().path(&format!("/v2/{repository}/manifests/{reference}"))
    }

    /// A blob by its digest, in any repository.
    pub fn blob(digest: &str) -> Self {
        Self::all().with(Condition::PathEnd(format!("/{digest}"))).kind(Kind::Blob)
    }

    /// The tag list of a repository.
    pub fn tags(repository: &str) -> Self {
        Self::all().path(&format!("/v2/{repository}/tags/list"))
    }

    /// Uploads to a repository, from their start to their end.
    pub fn uploads(repository: &str) -> Self {
        Self::all().kind(Kind::Upload).path_contains(&format!("/{repository}/"))
    }

    /// Requests to the token server.
    pub fn token() -> Self {
        Self::all().kind(Kind::Token)
    }

    /// Only this method.
    pub fn method(self, method: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.with(Condition::Method(method))
    }

    /// Only this kind of request.
    pub fn kind(self, kind: Kind) -> Self {
        self.with(Condition::Kind(kind))
    }

    /// Only this path.
    pub fn path(self, path: &str) -> Self {
        self.with(Condition::Path(path.to_owned()))
    }

    /// Only paths that contain this.
    pub fn path_contains(self, part: &str) -> Self {
        self.with(Condition::PathPart(part.to_owned()))
    }

    fn with(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    fn holds(&self, request: &Recorded) -> bool {
        let path = &request.path;
        self.conditions.iter().all(|condition| match condition {
            Condition::Method(wanted) => *wanted == request.method,
            Condition::Kind(wanted) => *wanted == request.kind,
            Condition::Path(wanted) => wanted == path,
            Condition::PathEnd(end) => path.ends_with(end),
            Condition::PathPart(part) => path.contains(part),
        })
    }
}

impl Fault {
    /// A status without headers or a body.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: Vec::new() }
    }
}

impl Script {
    pub(super) fn add(&self, remaining: Option<usize>, matching: Match, fault: Fault) -> FaultId {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.push(Rule { matching, fault, remaining, hits: 0, healed: false });
        FaultId(rules.len() - 1)
    }

    /// The first fault set that is for this request and not used up; it counts as used. Without one, what the
    /// chooser picks, which has no number.
    pub(super) fn claim(&self, request: &Recorded) -> Option<(Option<FaultId>, Fault)> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let found = rules
            .iter_mut()
            .enumerate()
            .find(|(_, rule)| !rule.healed && rule.remaining != Some(0) && rule.matching.holds(request));
        if let Some((number, rule)) = found {
            rule.remaining = rule.remaining.map(|left| left - 1);
            rule.hits += 1;
            return Some((Some(FaultId(number)), rule.fault.clone()));
        }
        drop(rules);
        let mut chooser = self.chooser.lock().unwrap_or_else(PoisonError::into_inner);
        chooser.as_mut().and_then(|choose| choose(request)).map(|fault| (None, fault))
    }

    pub(super) fn choose(&self, choose: Choose) {
        *self.chooser.lock().unwrap_or_else(PoisonError::into_inner) = Some(choose);
    }

    /// Takes a claim back that did not come to bear.
    pub(super) fn give_back(&self, FaultId(number): FaultId) {
        let rule = &mut self.rules.lock().unwrap_or_else(PoisonError::into_inner)[number];
        rule.remaining = rule.remaining.map(|left| left + 1);
        rule.hits -= 1;
    }

    pub(super) fn heal(&self, FaultId(number): FaultId) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)[number].healed = true;
    }

    pub(super) fn heal_all(&self) {
        *self.chooser.lock().unwrap_or_else(PoisonError::into_inner) = None;
        for rule in self.rules.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            rule.healed = true;
        }
    }

    pub(super) fn hits(&self, FaultId(number): FaultId) -> usize {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)[number].hits
    }
}
