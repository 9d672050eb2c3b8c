//! What keeps a run from taking place.

use std::io;

/// Why a run did not take place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A server under load, and what it said last.
    #[error("{0} did not start: {1}")]
    Start(String, String),
    /// Something is missing on this machine.
    #[error("{0}")]
    Missing(String),
    /// The arguments contradict each other.
    #[error("{0}")]
    Usage(String),
    /// A request before the run, without which there is nothing to ask for.
    #[error("{0}: {1}")]
    Prepare(String, String),
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
}

impl Error {
    /// An error of the system, and what it was about.
    pub(crate) fn io(about: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let about = about.into();
        move |error| Self::Io(about, error)
    }

    /// Something before the run that failed, and why.
    #[expect(clippy::needless_pass_by_value, reason = "so that it can be given errors and texts alike")]
    pub(crate) fn prepare(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Prepare(what.into(), why.to_string())
    }
}
