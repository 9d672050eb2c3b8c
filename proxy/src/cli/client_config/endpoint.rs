//! Where clients reach onetag, and what they have to show there.

use http::uri::Authority;
use onetag_config::{ClientAuth, Config, Scheme, UpstreamUrl};

use super::super::exit::Failure;
use super::output::{File, line};

/// The clients' side of the listener.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) scheme: Scheme,
    /// Host and port, as image names begin with it.
    pub(super) name: String,
    /// What a proxy in front has before `/v2/`: empty, or with a slash at its start and none at its end.
    pub(super) path: String,
    /// Whether this machine alone reaches it.
    pub(super) is_loopback: bool,
    /// Whether the certificate is one of onetag's own, which seldom comes from an authority that all systems trust.
    pub(super) has_certificate: bool,
    pub(super) client_auth: ClientAuth,
}

/// The names of the files in a directory of certificates, as docker and podman want them.
const CA: &str = "ca.crt";
const CERTIFICATE: &str = "client.cert";
const KEY: &str = "client.key";

/// The paths of certificates.
pub(super) struct Paths {
    pub(super) ca: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Paths {
    pub(super) fn below(directory: &str) -> Self {
        let path = |name| format!("{directory}/{name}");
        Self { ca: path(CA), certificate: path(CERTIFICATE), key: path(KEY) }
    }
}

impl Endpoint {
    /// By the address that is given, else as the settings say that clients reach it.
    pub(super) fn of(config: &Config, address: Option<&UpstreamUrl>) -> Result<Self, Failure> {
        let url = match address.or(config.server.external_url.as_ref()) {
            Some(url) => url.clone(),
            None => of_listener(config)?,
        };
        Ok(Self {
            scheme: url.scheme(),
            name: in_image_names(url.authority(), url.port()),
            path: url.path_prefix().to_owned(),
            is_loopback: url.is_loopback(),
            has_certificate: config.tls.certificate.is_some(),
            client_auth: config.tls.client_auth(),
        })
    }

    /// Its address, without a slash at its end.
    pub(super) fn url(&self) -> String {
        self.url_of(&self.name)
    }

    /// The same by another of its names.
    pub(super) fn url_of(&self, name: &str) -> String {
        format!("{}://{name}{}", self.scheme, self.path)
    }

    /// The same listener by a name from the settings, which may have no port.
    pub(super) fn also_named(&self, host: &str) -> String {
        let port = self.name.parse::<Authority>().ok().and_then(|own| own.port_u16());
        match (host.parse::<Authority>().ok().and_then(|host| host.port_u16()), port) {
            (None, Some(port)) => format!("{host}:{port}"),
            _ => host.to_owned(),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Whether clients may show certificates.
    pub(super) fn knows_certificates(&self) -> bool {
        self.is_tls() && self.client_auth != ClientAuth::None
    }

    /// The certificates that belong into a directory; their owner has them.
    pub(super) fn certificates(&self, paths: &Paths) -> Vec<File> {
        let mut files = Vec::new();
        if self.is_tls() {
            let authority =
                "The authority of onetag's certificate, in PEM. Not needed where the system trusts it.";
            files.push(File::new(&paths.ca, "").note(authority));
        }
        if self.knows_certificates() {
            let who = match self.client_auth {
                ClientAuth::Required => {
                    "A certificate for this client, in PEM: without one nobody is let in."
                }
                _ => "A certificate for this client, in PEM, if it has one.",
            };
            files.push(File::new(&paths.certificate, "").note(who));
            files.push(File::new(&paths.key, "").note("Its private key, in PEM."));
        }
        files
    }

    /// A line that names the authority: a comment where clients will hardly need it.
    pub(super) fn ca_line(&self, indent: &str, text: &str) -> String {
        if self.is_tls() { line(indent, self.has_certificate, text) } else { String::new() }
    }

    /// A line that names a client certificate: a comment where it is optional.
    pub(super) fn client_line(&self, indent: &str, text: &str) -> String {
        let is_required = self.client_auth == ClientAuth::Required;
        if self.knows_certificates() { line(indent, is_required, text) } else { String::new() }
    }
}

/// The listener's address, by the first name that it answers to, if it has any.
fn of_listener(config: &Config) -> Result<UpstreamUrl, Failure> {
    let listen = config.server.listen;
    let (scheme, usual) = if config.tls.certificate.is_some() { ("https", 443) } else { ("http", 80) };
    if listen.port() == 0 || listen.ip().is_unspecified() && config.server.hosts.is_empty() {
        let advice =
            format!("name onetag's address with --address {scheme}://HOST:PORT or server.external_url");
        return Err(Failure::usage(format!("clients cannot reach {listen}; {advice}")));
    }
    let named = config.server.hosts.first().map(|host| host.as_str().to_owned());
    let host = named.unwrap_or_else(|| match listen.ip() {
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    });
    let has_port = host.parse::<Authority>().is_ok_and(|host| host.port().is_some());
    let port = if has_port || listen.port() == usual { String::new() } else { format!(":{}", listen.port()) };
    let url = format!("{scheme}://{host}{port}");
    url.parse().map_err(|error| Failure::usage(format!("{url}: {error}")))
}

/// As image names begin: clients take `onetag/app` for an image of Docker Hub, and `onetag:80/app` for what it is.
fn in_image_names(authority: &str, port: u16) -> String {
    if authority.contains(['.', ':']) || authority == "localhost" {
        authority.to_owned()
    } else {
        format!("{authority}:{port}")
    }
}
