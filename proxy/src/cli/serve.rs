//! `onetag serve`: everything that can be wrong is found before the first line is printed.

use std::sync::Arc;
use std::time::Duration;

use onetag_config::Config;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cache::{BlobSettings, Blobs, DiskStore, Store};
use crate::resolve::Resolver;
use crate::server::{Bound, Limits, Running, Started};
use crate::telemetry::{Metrics, init_logs};

use super::args::ServeArguments;
use super::descriptors;
use super::exit::{Failure, print};
use super::settings;

pub(super) fn serve(arguments: &ServeArguments) -> Result<(), Failure> {
    let config = settings::of_serve(arguments)?;
    init_logs(&config.log).map_err(Failure::usage)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new().map_err(Failure::failed)?;
        let (started, resolver) = start(&config)?;
        signals.next().await;
        stop(started, config.server.shutdown_grace.get(), signals).await;
        resolver.flush().await;
        Ok(())
    });
    // A disk or a name server that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn start(config: &Config) -> Result<(Started, Arc<Resolver>), Failure> {
    let metrics = Arc::new(Metrics::new().map_err(Failure::failed)?);
    let upstream = settings::upstream(config, Arc::clone(&metrics))?;
    let webhook_token = settings::webhook_token(config)?;
    let registry = Bound::bind(config.server.listen).map_err(Failure::usage)?;
    let admin = Bound::bind(config.server.admin).map_err(Failure::usage)?;
    let disk = config.cache.data_dir.as_deref().map(DiskStore::open).transpose().map_err(Failure::usage)?;
    let disk = disk.map(|disk| Arc::new(disk) as Arc<dyn Store>);
    if disk.is_none() {
        tracing::warn!("no --data-dir: the digests of merged indexes will not outlive this process");
    }
    // Only once the store is open: it keeps a second process out of the data directory.
    let blobs = blobs(config, &metrics)?;
    let resolver = Arc::new(Resolver::new(upstream, config, disk, blobs, Arc::clone(&metrics)));
    let (public, private) = (registry.address(), admin.address());
    let max_connections = descriptors::connections(config.server.max_connections.get());
    let limits = Limits {
        max_connections,
        max_connections_per_peer: max_connections,
        header_timeout: config.server.header_timeout.get(),
        stall_timeout: config.server.stall_timeout.get(),
    };
    tokio::spawn(Arc::clone(&resolver).prune());
    for warm in &config.warm {
        tokio::spawn(Arc::clone(&resolver).keep_warm(warm.clone()));
    }
    let running = Running {
        registry,
        admin,
        tls: None,
        limits,
        resolver: Arc::clone(&resolver),
        webhook_token,
        metrics,
    };
    let started = running.start();
    print(&format!("registry listening on http://{public}\nadmin listening on http://{private}\n"))?;
    Ok((started, resolver))
}

/// The cache of blobs, where there is a data directory.
fn blobs(config: &Config, metrics: &Arc<Metrics>) -> Result<Option<Arc<Blobs>>, Failure> {
    let Some(directory) = config.cache.data_dir.as_ref().filter(|_| config.blobs.cache) else {
        return Ok(None);
    };
    let settings = BlobSettings { max_bytes: config.blobs.max_bytes.bytes(), finish: config.blobs.finish };
    let blobs =
        Blobs::open(&directory.join("blobs"), settings, Arc::clone(metrics)).map_err(Failure::usage)?;
    Ok(Some(Arc::new(blobs)))
}

async fn stop(started: Started, grace: Duration, mut signals: Signals) {
    tracing::info!(?grace, "stopping; running pulls may end");
    tokio::select! {
        in_time = started.stop(grace) => if !in_time {
            tracing::warn!("some pulls did not end in time");
        },
        () = signals.next() => tracing::warn!("told twice: stopped at once"),
    }
}

/// SIGTERM and SIGINT.
struct Signals(Signal, Signal);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => (),
            _ = self.1.recv() => (),
        }
    }
}
