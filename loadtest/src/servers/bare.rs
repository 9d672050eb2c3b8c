//! The floor: a hyper server that knows a few answers, and does nothing but send them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::callgrind::counted;
use crate::certificates::Certificates;
use crate::engine::ACCEPT;
use crate::error::Error;
use crate::process::Server;

/// A running bare server, a process of its own.
pub(crate) struct Bare {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

/// What the process is told.
#[derive(Debug, clap::Args)]
pub(crate) struct BareArgs {
    /// Where the answers come from, ADDR:PORT of plain HTTP.
    #[arg(long)]
    from: SocketAddr,
    /// The paths that are answered.
    #[arg(long = "path", required = true)]
    paths: Vec<String>,
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
}

type Answers = Arc<HashMap<String, (StatusCode, HeaderMap, Bytes)>>;

impl Bare {
    /// Starts it with the answers that `from` gives now to these paths; its instructions are counted where `counts`
    /// says, if it does.
    pub(crate) fn start(
        from: SocketAddr,
        paths: &[String],
        tls: Option<&Certificates>,
        cores: &[usize],
        counts: Option<&Path>,
    ) -> Result<Self, Error> {
        let own = std::env::current_exe().map_err(Error::io("this program"))?;
        let mut command = Command::new(own);
        command.args(["serve-bare", "--from", &from.to_string()]);
        for path in paths {
            command.args(["--path", path]);
        }
        if let Some(tls) = tls {
            command.arg("--certificate").arg(&tls.certificate).arg("--key").arg(&tls.key);
        }
        if let Some(counts) = counts {
            command = counted(&command, counts)?;
        }
        let mut address = None;
        let server = Server::start(command, cores, |line| {
            address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
            address.is_some()
        })?;
        let address = address.ok_or_else(|| Error::Start("the bare server".into(), "no address".into()))?;
        Ok(Self { server, address })
    }
}

/// Serves until the process ends.
pub(crate) fn serve(args: &BareArgs) -> Result<(), Error> {
    let about = "the bare server";
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::io(about))?;
    runtime.block_on(async {
        let mut answers = HashMap::new();
        for path in &args.paths {
            let answer = fetch(args.from, path).await.map_err(|error| Error::prepare(path, error))?;
            answers.insert(path.clone(), answer);
        }
        let answers = Arc::new(answers);
        let tls = match (&args.certificate, &args.key) {
            (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
            _ => None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::io(about))?;
        let address = listener.local_addr().map_err(Error::io(about))?;
        writeln!(std::io::stdout(), "listening on {address}").map_err(Error::io(about))?;
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(connection(stream, tls.clone(), Arc::clone(&answers)));
        }
    })
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, answers: Answers) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answers.get(request.uri().path());
        let mut response =
            Response::new(Full::new(answer.map(|(_, _, body)| body.clone()).unwrap_or_default()));
        match answer {
            Some((status, headers, _)) => {
                *response.status_mut() = *status;
                *response.headers_mut() = headers.clone();
            }
            None => *response.status_mut() = StatusCode::NOT_FOUND,
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    match tls {
        None => builder.serve_connection(TokioIo::new(stream), service).await.ok(),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => builder.serve_connection(TokioIo::new(stream), service).await.ok(),
            Err(_) => None,
        },
    };
}

async fn fetch(
    from: SocketAddr,
    path: &str,
) -> Result<(StatusCode, HeaderMap, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(from).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", from.to_string()).header("accept", ACCEPT);
    let (head, body) = sender.send_request(request.body(Empty::<Bytes>::new())?).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut headers = head.headers;
    // hyper writes its own.
    headers.remove(http::header::DATE);
    headers.remove(http::header::CONNECTION);
    Ok((head.status, headers, body))
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::prepare("TLS of the bare server", error);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(&error))?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| failed(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
