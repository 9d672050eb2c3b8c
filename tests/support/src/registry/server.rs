//! A listener, its connections, and the life of one request on it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::answer::Answer;
use super::body::{Body, Delivery};
use super::connection::{self, Ending, Wire};
use super::fault::Fault;
use super::front::Front;
use super::journal::{Kind, Recorded};
use crate::background;

/// The largest body that is taken in.
const BODY_LIMIT: usize = 1 << 30;

/// A request as a handler sees it.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Answers requests; everything lies in memory, so nothing here waits.
pub(super) trait Handler: Send + Sync {
    /// What a request asks for.
    fn kind(&self, path: &str) -> Kind;
    /// The answer, for HEAD the one that GET gets.
    fn answer(&self, call: &Call) -> Answer;
}

/// What all connections of a listener share.
pub(super) struct Service {
    handler: Arc<dyn Handler>,
    front: Arc<Front>,
    tls: Option<TlsAcceptor>,
    port: u16,
}

/// A listener that stops when it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    service: Arc<Service>,
    running: Mutex<Option<Running>>,
}

/// The accepting task; it ends, with all its connections, when `stop` is dropped.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(
        handler: Arc<dyn Handler>,
        front: Arc<Front>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let address = listener.local_addr().expect("a bound listener has an address");
        let service = Arc::new(Service { handler, front, tls, port: address.port() });
        let running = Mutex::new(Some(Running::start(listener, &service)));
        Self { address, service, running }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.service.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Closes the listener and every connection.
    pub(super) async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { stop, task }) = running {
            drop(stop);
            task.await.expect("the accepting task does not panic");
        }
    }

    /// Listens again on the same port.
    pub(super) async fn resume(&self) {
        self.stop().await;
        let running = Running::start(bind(self.address).await, &self.service);
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }
}

impl Running {
    fn start(listener: TcpListener, service: &Arc<Service>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: background::spawn(accept(listener, Arc::clone(service), stopped)) }
    }
}

/// Binds on the kit's runtime, which then drives the listener.
async fn bind(address: SocketAddr) -> TcpListener {
    background::spawn(TcpListener::bind(address)).await.expect("binding does not panic").expect("a free port")
}

async fn accept(listener: TcpListener, service: Arc<Service>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Ok((stream, _peer)) = listener.accept() => {
                connections.spawn(connection::serve(stream, Arc::clone(&service)));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

impl Service {
    pub(super) fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    /// One request: recorded, perhaps spoilt, answered.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        wire: &Arc<Wire>,
        end: &UnboundedSender<Ending>,
    ) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let recorded = self.recorded(&parts);
        let fault = self.front.script.claim(&recorded);
        let ticket = self.front.journal.record(recorded);
        if let Some((_, fault)) = &fault
            && let Some(ending) = before_the_answer(fault).await
        {
            let _connection_gone = end.send(ending);
            return std::future::pending().await;
        }
        let answer = match fault {
            Some((_, Fault::Status { code, headers, body })) => {
                Answer::scripted(code, &headers, body).with_length()
            }
            Some((_, Fault::Redirect { to, code })) => Answer::redirect(code, &to).with_length(),
            Some((id, fault)) => {
                let answer = self.honest(&parts, body).await;
                if fault.alters_the_answer() && answer.status == StatusCode::UNAUTHORIZED {
                    if let Some(id) = id {
                        self.front.script.give_back(id);
                    }
                    answer
                } else {
                    answer.altered_by(fault)
                }
            }
            None => self.honest(&parts, body).await,
        };
        ticket.answered(answer.status.as_u16());
        Ok(respond(answer, &parts.method, wire))
    }

    async fn honest(&self, parts: &Parts, body: Incoming) -> Answer {
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return Answer::error(StatusCode::BAD_REQUEST, "SIZE_INVALID", "the body is broken or too large")
                .with_length();
        };
        let call = Call {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
            body: body.to_bytes(),
        };
        self.handler.answer(&call).with_length()
    }

    fn recorded(&self, parts: &Parts) -> Recorded {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Recorded {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
            status: 0,
            host: host.unwrap_or_default().to_owned(),
            port: self.port,
            at: Instant::now(),
            kind: self.handler.kind(parts.uri.path()),
        }
    }
}

/// Lives through what a fault does before any answer; `Some` when none will follow.
async fn before_the_answer(fault: &Fault) -> Option<Ending> {
    match fault {
        Fault::Delay(time) => {
            tokio::time::sleep(*time).await;
            None
        }
        Fault::StallHeaders => std::future::pending().await,
        Fault::Reset => Some(Ending::Reset),
        Fault::Garbage(bytes) => Some(Ending::Garbage(bytes.clone())),
        _ => None,
    }
}

fn respond(answer: Answer, method: &Method, wire: &Arc<Wire>) -> Response<Body> {
    let delivery: Delivery = answer.delivery;
    let body = if method == Method::HEAD { delivery.nothing() } else { delivery.of(answer.body, wire) };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}
