//! `onetag serve`: everything that can be wrong is found before the first line is printed.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use onetag_config::Config;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::registry::{External, Routes};
use crate::server::{Bound, Limits, Running, Started};
use crate::telemetry::{Metrics, init_logs};

use super::args::ServeArguments;
use super::descriptors;
use super::exit::{Failure, print};
use super::reload::{self, Reload, Stamp};
use super::{settings, sites};

pub(super) fn serve(arguments: &ServeArguments) -> Result<(), Failure> {
    let config = settings::of_serve(arguments)?;
    init_logs(&config.log).map_err(Failure::usage)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new().map_err(Failure::failed)?;
        let (started, routes, mut reload) = start(&config)?;
        loop {
            tokio::select! {
                stop = signals.next() => {
                    if stop {
                        break;
                    }
                    reload.everything(arguments).await;
                }
                () = reload.passwords_changed() => {}
            }
        }
        stop(started, config.server.shutdown_grace.get(), signals).await;
        for site in routes.sites() {
            site.resolver.flush().await;
        }
        Ok(())
    });
    // A disk or a name server that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn start(config: &Config) -> Result<(Started, Arc<Routes>, Reload), Failure> {
    let metrics = Arc::new(Metrics::new().map_err(Failure::failed)?);
    let passwords = Stamp::of_passwords(config);
    let access = reload::access(config)?;
    let tls = settings::listener_tls(config)?;
    let webhook_token = settings::webhook_token(config)?;
    let registry = Bound::bind(config.server.listen).map_err(Failure::usage)?;
    let admin = Bound::bind(config.server.admin).map_err(Failure::usage)?;
    if config.cache.data_dir.is_none() {
        tracing::warn!("no --data-dir: the digests of merged indexes will not outlive this process");
    }
    let routes = Arc::new(sites::routes(config, &metrics)?);
    let (public, private) = (registry.address(), admin.address());
    let max_connections = descriptors::connections(config.server.max_connections.get());
    let limits = Limits {
        max_connections,
        max_connections_per_peer: config.server.max_connections_per_peer.get().min(max_connections),
        header_timeout: config.server.header_timeout.get(),
        stall_timeout: config.server.stall_timeout.get(),
    };
    for site in routes.sites() {
        tokio::spawn(Arc::clone(&site.resolver).prune());
    }
    for warm in &config.warm {
        sites::keep_warm(&routes, warm)?;
    }
    let access = Arc::new(ArcSwap::from_pointee(access));
    let reload = Reload { config: config.clone(), access: Arc::clone(&access), tls: tls.clone(), passwords };
    let url = config.server.external_url.as_ref().map(ToString::to_string);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let external = External { url, trusted: config.server.trusted_proxies.clone() };
    let all = Arc::clone(&routes);
    let running =
        Running { registry, admin, tls, limits, routes: all, access, external, webhook_token, metrics };
    let started = running.start().map_err(Failure::failed)?;
    print(&format!("registry listening on {scheme}://{public}\nadmin listening on http://{private}\n"))?;
    Ok((started, routes, reload))
}

async fn stop(started: Started, grace: Duration, mut signals: Signals) {
    tracing::info!(?grace, "stopping; running pulls may end");
    tokio::select! {
        in_time = started.stop(grace) => if !in_time {
            tracing::warn!("some pulls did not end in time");
        },
        () = signals.stopped() => tracing::warn!("told twice: stopped at once"),
    }
}

/// SIGTERM, SIGINT and SIGHUP.
struct Signals(Signal, Signal, Signal);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self(
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ))
    }

    /// The next one: whether to stop, or else to read the settings again.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.0.recv() => true,
            _ = self.1.recv() => true,
            _ = self.2.recv() => false,
        }
    }

    async fn stopped(&mut self) {
        while !self.next().await {}
    }
}
