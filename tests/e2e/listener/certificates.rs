use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use testkit::Authority;
use testkit::client::Response;
use testkit::tls::Identity;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a client offers to speak.
pub(super) const HTTP1: &[u8] = b"http/1.1";
pub(super) const HTTP2: &[u8] = b"h2";

/// A client that trusts an authority, shows a certificate if it has one, and speaks one protocol.
pub(super) fn connector(
    authority: &Authority,
    identity: Option<&Identity>,
    protocol: &'static [u8],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&authority.ca_pem())).expect("an authority");
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows these versions")
            .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
            builder.with_client_auth_cert(vec![certificate(&identity.certificate)], key).expect("a pair")
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// The first certificate of a PEM text.
pub(super) fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM")
}

pub(super) async fn handshake(
    connector: &TlsConnector,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    connector.connect(name, TcpStream::connect(address).await?).await
}

/// GET over a connection of its own, by the protocol that was agreed on.
pub(super) async fn get(
    connector: &TlsConnector,
    address: SocketAddr,
    path: &str,
) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let stream = handshake(connector, address).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
    let uri = format!("https://{address}{path}");
    let request = http::Request::get(if is_http2 { &uri } else { path })
        .header("host", address.to_string())
        .header("accept", crate::support::ACCEPT.1)
        .body(Empty::<Bytes>::new())?;
    let stream = TokioIo::new(stream);
    let response = if is_http2 {
        let (mut sender, driver) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(driver);
        sender.send_request(request).await?
    } else {
        let (mut sender, driver) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(driver);
        sender.send_request(request).await?
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body })
}
