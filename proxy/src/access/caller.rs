//! Who calls.

use std::sync::Arc;

/// The names of groups.
pub type Groups = Arc<[Arc<str>]>;

/// Who sent a request. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who showed neither a password nor a certificate.
    Anonymous,
    /// Somebody who proved a name.
    Known {
        /// The name.
        user: Arc<str>,
        /// The groups that the user belongs to, by the configuration or by the certificate.
        groups: Groups,
    },
}

/// Why nobody knows who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The credentials are of no known form, or not right. What exactly is wrong with them is not told.
    #[error("the credentials are not right")]
    Wrong,
    /// Too many other passwords wait to be checked; the same request may succeed a little later.
    #[error("too many passwords are being checked")]
    Busy,
}
