//! A listener and its connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::answer::Answer;
use super::connection;
use super::front::Front;
use super::journal::Kind;
use super::service::Service;
use crate::background;

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
    /// The refusal, if the head of a request is enough for one.
    fn refusal(&self, _head: &Call) -> Option<Answer> {
        None
    }
    /// Takes note of a request whose body did not come whole: this is what came.
    fn interrupted(&self, _call: &Call) {}
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
        let service = Arc::new(Service::new(handler, front, tls, address.port()));
        let running = Mutex::new(Some(Running::start(listener, &service)));
        Self { address, service, running }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        let scheme = if self.service.tls().is_some() { "https" } else { "http" };
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
