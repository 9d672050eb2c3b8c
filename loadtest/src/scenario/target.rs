//! A server that somebody else started.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;

use crate::certificates;
use crate::engine::{Address, Protocol};
use crate::error::Error;

/// The server that is named.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// Aim at this server instead of starting one: http://HOST:PORT or https://HOST:PORT
    #[arg(id = "target", long = "target", value_name = "URL")]
    pub(crate) url: Option<String>,

    /// What to ask the server for, REPOSITORY:TAG; may be repeated
    #[arg(long, value_name = "REFERENCE", requires = "target")]
    pub(crate) reference: Vec<String>,

    /// The process of the server, to sample its processor time and memory
    #[arg(long, value_name = "PID", requires = "target")]
    pub(crate) pid: Option<u32>,

    /// Authorities that the server's certificate is verified with, PEM
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(crate) ca: Option<PathBuf>,

    /// Aim at a host that is not loopback: it is yours, and may break
    #[arg(long)]
    pub(crate) i_own_this_host: bool,
}

/// Whether a server may be aimed at.
pub(crate) fn check_host(socket: SocketAddr, owned: bool) -> Result<(), Error> {
    if socket.ip().to_canonical().is_loopback() || owned {
        return Ok(());
    }
    let ip = socket.ip();
    Err(Error::Usage(format!("{ip} is not loopback; if the host is yours and may break: --i-own-this-host")))
}

impl Target {
    /// The address of the server, if one is named.
    pub(crate) fn address(&self, protocol: Protocol) -> Result<Option<Address>, Error> {
        let Some(url) = &self.url else { return Ok(None) };
        let wrong = || Error::Usage(format!("'{url}' is not of the form http://HOST:PORT"));
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong()),
        };
        if authority.is_empty() || authority.contains(['/', '@', '?', '#']) {
            return Err(wrong());
        }
        let port_of = |authority: &str| {
            let (_, port) = authority.rsplit_once(':')?;
            port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse::<u16>())
        };
        let has_port = port_of(authority).transpose().map_err(|_| wrong())?.is_some();
        let full = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
        let mut sockets = full.to_socket_addrs().map_err(Error::io(authority))?;
        let socket = sockets.next().ok_or_else(wrong)?;
        check_host(socket, self.i_own_this_host)?;
        let tls = match (scheme, &self.ca) {
            ("https", Some(ca)) => Some(certificates::client(ca, protocol)?),
            ("https", None) => {
                return Err(Error::Usage("https needs --ca, the authority of the certificate".into()));
            }
            _ => None,
        };
        Ok(Some(Address { socket, authority: Arc::from(authority), protocol, tls }))
    }

    /// The references, each as repository and tag.
    pub(crate) fn references(&self) -> Result<Vec<(String, String)>, Error> {
        if self.reference.is_empty() {
            return Err(Error::Usage("--target needs --reference REPOSITORY:TAG".into()));
        }
        self.reference
            .iter()
            .map(|reference| {
                let split = reference.rsplit_once(':').filter(|(name, tag)| {
                    let fits = |text: &str, more: &str| {
                        !text.is_empty()
                            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
                    };
                    fits(name, "/._-") && fits(tag, "._-")
                });
                let (name, tag) =
                    split.ok_or_else(|| Error::Usage(format!("'{reference}' is not REPOSITORY:TAG")))?;
                Ok((name.to_owned(), tag.to_owned()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target {
            url: Some(url.into()),
            reference: vec!["team/app:latest".into()],
            pid: None,
            ca: None,
            i_own_this_host: false,
        }
    }

    #[test]
    fn only_loopback_is_aimed_at_unless_the_host_is_owned() {
        let address = target("http://127.0.0.1:5080/").address(Protocol::Http1).unwrap().unwrap();
        assert_eq!(&*address.authority, "127.0.0.1:5080");
        assert!(target("http://[::1]:5080").address(Protocol::Http1).is_ok());
        assert!(target("http://[::ffff:127.0.0.1]:5080").address(Protocol::Http1).is_ok());
        let error = target("http://192.0.2.1:80").address(Protocol::Http1).err().unwrap().to_string();
        assert!(error.contains("--i-own-this-host"), "{error}");
        let owned = Target { i_own_this_host: true, ..target("http://192.0.2.1") };
        assert_eq!(owned.address(Protocol::Http1).unwrap().unwrap().socket.port(), 80);
        for wrong in [
            "127.0.0.1:5080",
            "ftp://127.0.0.1",
            "http://",
            "http://a/b",
            "http://u@127.0.0.1",
            "http://127.0.0.1:99999",
            "https://127.0.0.1",
        ] {
            assert!(target(wrong).address(Protocol::Http1).is_err(), "{wrong}");
        }
    }

    #[test]
    fn references_have_a_name_and_a_tag() {
        assert_eq!(target("http://127.0.0.1").references().unwrap(), [("team/app".into(), "latest".into())]);
        for wrong in ["", "app", "app:", ":latest", "a b:c", "app:a\r\nhost: x"] {
            let wrong = Target { reference: vec![wrong.into()], ..target("http://127.0.0.1") };
            assert!(wrong.references().is_err());
        }
    }
}
