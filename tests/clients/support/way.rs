//! How a client gets in: what it proves, and whom it trusts.

use testkit::client::{Client, Login};
use testkit::tls::Identity;

use super::scratch::Scratch;

/// What a client is given so that a registry lets it in. The default: nothing, over plain HTTP.
#[derive(Clone, Default)]
pub(crate) struct Way {
    /// User and password.
    pub(crate) login: Option<(String, String)>,
    /// The authority of the registry's certificate, in PEM; without one it is plain HTTP.
    pub(crate) authority: Option<String>,
    /// The client's own certificate.
    pub(crate) identity: Option<Identity>,
}

impl Way {
    /// The same as this user.
    pub(crate) fn with_login(self, (user, password): (&str, &str)) -> Self {
        Self { login: Some((user.to_owned(), password.to_owned())), ..self }
    }

    /// The same without a certificate of the client.
    pub(crate) fn without_identity(self) -> Self {
        Self { identity: None, ..self }
    }

    /// `USER:PASSWORD`
    pub(crate) fn credentials(&self) -> Option<String> {
        self.login.as_ref().map(|(user, password)| format!("{user}:{password}"))
    }

    /// A folder with the certificates, by the names that docker, podman, buildah and skopeo give them; none over plain
    /// HTTP.
    pub(crate) fn certificates(&self, scratch: &Scratch, folder: &str) -> Option<String> {
        let authority = self.authority.as_ref()?;
        scratch.write(&format!("{folder}/ca.crt"), authority);
        if let Some(identity) = &self.identity {
            scratch.write(&format!("{folder}/client.cert"), &identity.certificate);
            scratch.write(&format!("{folder}/client.key"), &identity.key);
        }
        Some(scratch.arg(folder))
    }

    /// The kit's own client, let in the same way.
    pub(crate) fn kit(&self) -> Login {
        let client = self.authority.as_ref().map_or_else(Client::plain, |pem| Client::trusting(pem));
        let client = match &self.identity {
            Some(identity) => client.identity(identity),
            None => client,
        };
        match &self.login {
            Some((user, password)) => Login::new(client, user, password),
            None => Login::anonymous(client),
        }
    }
}
