//! By whose right something is asked.

use http::HeaderValue;

use super::auth::Proof;
use super::scope::Scope;

/// By whose right something is asked.
#[derive(Clone)]
pub(super) enum Right {
    /// Nobody's: no credentials are shown.
    Nobodys,
    /// That of onetag's own account, for this.
    Own(Scope),
    /// That of a caller.
    Callers(Caller),
}

/// A caller that is asked for. What it sent is passed on as it is; no token server is asked, and no challenge
/// is answered: that is for the caller itself.
#[derive(Clone)]
pub(super) struct Caller {
    authorization: Option<HeaderValue>,
}

impl Caller {
    /// A caller with its `Authorization`, or without one.
    pub(super) fn new(mut authorization: Option<HeaderValue>) -> Self {
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Self { authorization }
    }

    /// What its requests are sent with.
    pub(super) fn proof(&self) -> Option<Proof> {
        self.authorization.clone().map(Proof::Caller)
    }
}
