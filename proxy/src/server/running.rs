//! The running whole: both listeners, and how they stop.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Request, Response};
use onetag_config::Secret;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::admin::Admin;
use super::connection::{Handler, Limits, Serving};
use super::listener::Bound;
use super::stall::Received;
use super::tls::ListenerTls;
use crate::access::Access;
use crate::registry::{Body, External, Peer, Registry, Routes};
use crate::sendfile::FileSender;
use crate::telemetry::Metrics;

/// How many connections the admin listener takes; it must answer when the other one is full.
const ADMIN_CONNECTIONS: usize = 64;

/// Everything that is needed to start.
pub struct Running {
    /// Where clients come.
    pub registry: Bound,
    /// Where the operator comes.
    pub admin: Bound,
    /// The TLS that clients speak; without it they speak plain HTTP. The admin listener has none.
    pub tls: Option<ListenerTls>,
    /// The bounds of the clients' connections.
    pub limits: Limits,
    /// Where requests lead.
    pub routes: Arc<Routes>,
    /// What callers may do; can be exchanged while it runs.
    pub access: Arc<ArcSwap<Access>>,
    /// How clients reach onetag.
    pub external: External,
    /// What registries must send with their notifications of pushes; without it these have no path.
    pub webhook_token: Option<Secret>,
    /// What counts.
    pub metrics: Arc<Metrics>,
}

/// Listeners that are being served.
pub struct Started {
    stop_registry: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
    registry: JoinHandle<()>,
    admin: JoinHandle<()>,
}

impl Handler for Registry {
    type Body = Body;

    fn handle(&self, request: Request<Received>, peer: &Peer) -> impl Future<Output = Response<Body>> + Send {
        self.answer_request(request, peer)
    }

    fn send_files(response: &mut Response<Body>, files: &Arc<FileSender>) {
        response.body_mut().send_files(files);
    }
}

impl Running {
    /// Starts to serve. Must be called within a runtime. Fails where the system has no randomness.
    pub fn start(self) -> Result<Started, aws_lc_rs::error::Unspecified> {
        let Self { registry, admin, tls, limits, routes, access, external, webhook_token, metrics } = self;
        let (stop_registry, registry_stops) = watch::channel(false);
        let (stop_admin, admin_stops) = watch::channel(false);
        let admin_handler = Admin::new(Arc::clone(&metrics), Arc::clone(&routes), registry_stops.clone());
        let admin_limits = Limits {
            max_connections: ADMIN_CONNECTIONS,
            max_connections_per_peer: ADMIN_CONNECTIONS,
            ..limits
        };
        let (open, admin_open) = (metrics.connections.clone(), metrics.admin_connections.clone());
        let handler = Registry::new(routes, access, external, Arc::clone(&metrics))?;
        let handler = Arc::new(match &webhook_token {
            Some(token) => handler.notified_with(token),
            None => handler,
        });
        let clients = Serving { handler, limits, tls, open, metrics: Arc::clone(&metrics) };
        let operators = Serving {
            handler: Arc::new(admin_handler),
            limits: admin_limits,
            tls: None,
            open: admin_open,
            metrics,
        };
        Ok(Started {
            registry: tokio::spawn(registry.serve(clients, registry_stops)),
            admin: tokio::spawn(admin.serve(operators, admin_stops)),
            stop_registry,
            stop_admin,
        })
    }
}

impl Started {
    /// Stops: no new connection, running requests may end within `grace`, and the admin listener
    /// answers until then.
    ///
    /// Says whether everything ended in time.
    pub async fn stop(self, grace: Duration) -> bool {
        self.stop_registry.send_replace(true);
        let in_time = tokio::time::timeout(grace, self.registry).await.is_ok();
        self.stop_admin.send_replace(true);
        let _ = tokio::time::timeout(Duration::from_secs(1), self.admin).await;
        in_time
    }
}
