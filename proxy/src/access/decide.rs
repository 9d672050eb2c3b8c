//! The decisions: who calls, and whether that one may.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use onetag_config::{Action, Config};

use super::basic::Login;
use super::caller::{Caller, Unknown};
use super::error::AccessError;
use super::htpasswd;
use super::identity::Identity;
use super::passwords::{Bcrypt, Passwords};
use super::policy::Policy;

/// Who callers are and what they may do. Never changes: other settings are another one of these.
pub struct Access {
    policy: Policy,
    /// None where no file of passwords is set.
    passwords: Option<Arc<Passwords>>,
}

impl Access {
    /// Reads the settings, and the file of passwords, which blocks. `certificates`: whether callers may prove who
    /// they are by client certificates.
    ///
    /// Fails where the file cannot be used.
    pub fn load(config: &Config, certificates: bool) -> Result<Self, AccessError> {
        Self::load_with(
            config,
            certificates,
            Box::new(|password, hash| bcrypt::verify(password, hash).unwrap_or(false)),
        )
    }

    pub(super) fn load_with(
        config: &Config,
        certificates: bool,
        bcrypt: Bcrypt,
    ) -> Result<Self, AccessError> {
        let policy = Policy::new(config, certificates || config.access.htpasswd.is_some());
        let passwords = match &config.access.htpasswd {
            None => None,
            Some(path) => {
                let hashes = htpasswd::read(path)?;
                Some(Arc::new(Passwords::new(hashes, |user| policy.groups(user), bcrypt)?))
            }
        };
        Ok(Self { policy, passwords })
    }

    /// Who calls, by the value of `Authorization` and the identity of the client certificate, where there are such.
    ///
    /// A password that is right decides, whatever the certificate says. One that is not right, another scheme and
    /// a malformed header are refused, also beside a certificate. Where no file of passwords is set nothing could
    /// be right, and the header is ignored: some clients of mirrors send the credentials of the registry that
    /// they want to reach.
    pub async fn caller(
        &self,
        authorization: Option<&HeaderValue>,
        identity: Option<&Arc<Identity>>,
    ) -> Result<Caller, Unknown> {
        if let (Some(passwords), Some(header)) = (&self.passwords, authorization)
            && let Some(login) = Login::read(header).map_err(|_| Unknown::Wrong)?
        {
            // Apart: most callers prove nothing.
            return Box::pin(passwords.caller(login)).await;
        }
        Ok(identity.map_or(Caller::Anonymous, |identity| self.policy.certified(identity)))
    }

    /// Whether a caller may do this with a repository: its name as clients write it.
    pub fn allows(&self, caller: &Caller, action: Action, repository: &str) -> bool {
        self.policy.allows(caller, action, Some(repository))
    }

    /// Whether a caller may do this with every repository.
    pub fn allows_all(&self, caller: &Caller, action: Action) -> bool {
        self.policy.allows(caller, action, None)
    }

    /// Whether there is a way for callers to prove who they are.
    pub fn knows_callers(&self) -> bool {
        self.policy.knows_callers()
    }

    /// Whether those who do not prove who they are may do nothing at all: they are told so as soon as they come.
    pub fn needs_login(&self) -> bool {
        self.policy.needs_login()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.passwords.as_ref().map(|passwords| passwords.len());
        f.debug_struct("Access").field("users", &users).finish_non_exhaustive()
    }
}
