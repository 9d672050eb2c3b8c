//! One request, and what is expected of its answer.

use std::sync::Arc;

use super::record::{Failure, Outcome};

/// The method of a request; none that changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// What clients say that they take: docker's list, as far as it matters here.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// The header by which onetag tells what an answer is, and its word for a merged one.
pub(super) const SOURCE: &str = "onetag-source";
pub(super) const MERGED: &str = "merged";

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// The path, and the query if there is one.
    pub(crate) path: Arc<str>,
    /// The place of its class in [`super::Source::classes`].
    pub(crate) class: usize,
    /// The status that is right.
    pub(crate) status: u16,
    /// The length of the body that is right, in bytes; none: any.
    pub(crate) length: Option<u64>,
    /// Whether onetag has to say that it merged the answer.
    pub(crate) merged: bool,
}

/// What came back: the body was read, and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) bytes: u64,
    /// Whether onetag says that it merged it.
    pub(crate) merged: bool,
}

impl Ask {
    /// A GET for something that is there.
    pub(crate) fn get(path: impl Into<Arc<str>>) -> Self {
        Self { method: Method::Get, path: path.into(), class: 0, status: 200, length: None, merged: false }
    }

    pub(crate) fn head(path: impl Into<Arc<str>>) -> Self {
        Self { method: Method::Head, ..Self::get(path) }
    }

    pub(crate) fn merged(self) -> Self {
        Self { merged: true, ..self }
    }

    pub(crate) fn of_class(self, class: usize) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_length(self, length: u64) -> Self {
        Self { length: Some(length), ..self }
    }

    /// How an answer counts.
    pub(super) fn judge(&self, answer: Result<Answer, Failure>) -> Outcome {
        let answer = answer?;
        if answer.status != self.status {
            return Err(Failure::Status(answer.status));
        }
        if self.merged && !answer.merged {
            return Err(Failure::NotMerged);
        }
        match self.length {
            Some(length) if length != answer.bytes => Err(Failure::Length),
            _ => Ok(answer.bytes),
        }
    }
}
