//! Binding addresses and accepting connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use prometheus::IntGauge;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::connection::{Handler, Serving};
use super::peers::{Peers, Refusals};
use crate::telemetry::ConnectionClose;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long accepting pauses when there is no file descriptor left (threat T34).
const PAUSE_WHEN_EXHAUSTED: Duration = Duration::from_millis(100);

/// An address that is bound and not yet served.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{}", hint(source))]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        io::ErrorKind::PermissionDenied => "; choose a port above 1023",
        _ => "",
    }
}

impl Bound {
    /// Binds an address; port 0 takes any free port.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        Self::try_bind(address).map_err(|source| BindError { address, source })
    }

    fn try_bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts and serves until `stop` turns true, then waits for what is under way to end.
    pub(super) async fn serve<H: Handler>(self, serving: Serving<H>, mut stop: watch::Receiver<bool>) {
        let serving = Arc::new(serving);
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(serving.limits.max_connections));
        let peers = Peers::new(serving.limits.max_connections_per_peer);
        let mut refusals = Refusals::default();
        if let Some(tls) = &serving.tls {
            tls.watch();
        }
        loop {
            // At the limit nothing is accepted; clients wait in the backlog.
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Ok(place) = place else { break };
            let (stream, address) = tokio::select! {
                accepted = self.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Some(peer_place) = peers.place(address) else {
                serving.metrics.connection_closed(ConnectionClose::PeerLimit);
                refusals.tell(address, serving.limits.max_connections_per_peer);
                continue;
            };
            let counted = Counted::new(serving.open.clone());
            let connection = Arc::clone(&serving).serve(stream, address, graceful.watcher(), stop.clone());
            tokio::spawn(async move {
                connection.await;
                drop((place, peer_place, counted));
            });
        }
        drop(self);
        graceful.shutdown().await;
    }

    async fn accept(&self) -> (TcpStream, IpAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => return (stream, address.ip().to_canonical()),
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "cannot accept");
                    tokio::time::sleep(PAUSE_WHEN_EXHAUSTED).await;
                }
            }
        }
    }
}

/// Whether the peer went away before it was accepted, which concerns nobody else.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused)
}

/// One on a gauge for as long as this lives.
struct Counted(IntGauge);

impl Counted {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
