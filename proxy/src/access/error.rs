//! Why the file of passwords cannot be used.

use std::io;
use std::path::PathBuf;

use super::htpasswd::{COSTS, MAX_BYTES, MAX_USERS};

/// A failure to load. Names the file and the line, and repeats nothing of what stands there.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is too large.
    #[error("{}: larger than {MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A line is not of the form `name:hash`.
    #[error("{}:{line}: {error}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        error: LineError,
    },
    /// The system has no randomness.
    #[error("no key can be made: the system gives no random numbers")]
    NoRandomness,
}

/// What is wrong with a line of a file of passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// There is no colon.
    #[error("has no colon; write name:hash, as \"htpasswd -B\" does")]
    NoColon,
    /// The name is empty, too long, or has control characters.
    #[error("has no name of 1 to 255 bytes without control characters")]
    Name,
    /// The name stands on an earlier line.
    #[error("names a user that line {0} names; keep one of them")]
    Twice(usize),
    /// The hash is by another function than bcrypt.
    #[error("has a hash that is not bcrypt; set the password anew with \"htpasswd -B\"")]
    NotBcrypt,
    /// The hash is damaged.
    #[error("has a damaged bcrypt hash; set the password anew with \"htpasswd -B\"")]
    Damaged,
    /// Checking a password would take too long, or guessing it not long enough.
    #[error(
        "has a bcrypt hash of cost {0}, not of {least} to {most}; set the password anew with \"htpasswd -B -C 10\"",
        least = COSTS.start(), most = COSTS.end()
    )]
    Cost(u32),
    /// There are too many users.
    #[error("names one user more than the {MAX_USERS} that there may be")]
    TooMany,
}
