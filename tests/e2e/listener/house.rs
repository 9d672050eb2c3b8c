use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use onetag::access::Access;
use onetag::registry::{External, Routes};
use onetag::resolve::Resolver;
use onetag::server::{Bound, Limits, ListenerTls, Running, Started};
use onetag::telemetry::Metrics;
use onetag::upstream::{Credentials, Upstream};
use onetag_config::Config;
use testkit::Registry;

/// The parts of `onetag serve` within this process, with bounds and TLS of the test's choice.
pub(super) struct House {
    pub(super) registry: Registry,
    pub(super) address: SocketAddr,
    pub(super) metrics: Arc<Metrics>,
    _started: Started,
}

pub(super) const LIMITS: Limits = Limits {
    max_connections: 1_000,
    max_connections_per_peer: 1_000,
    header_timeout: Duration::from_secs(10),
    stall_timeout: Duration::from_mins(1),
};

impl House {
    pub(super) async fn start(limits: Limits, tls: Option<ListenerTls>) -> Self {
        let registry = Registry::start().await;
        let mut config = Config::default();
        config.upstream.url = Some(registry.url().parse().expect("an address"));
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let upstream = Upstream::new(&config.upstream, Credentials::anonymous(), Arc::clone(&metrics))
            .expect("an upstream");
        let resolver = Arc::new(Resolver::new(upstream, &config, None, None, Arc::clone(&metrics)));
        let bind = || Bound::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let (public, admin) = (bind(), bind());
        let address = public.address();
        let counted = Arc::clone(&metrics);
        let access = Access::load(&config, false).expect("no files");
        let running = Running {
            registry: public,
            admin,
            tls,
            limits,
            routes: Arc::new(Routes::only(resolver)),
            access: Arc::new(ArcSwap::from_pointee(access)),
            external: External::default(),
            webhook_token: None,
            metrics,
        };
        let started = running.start().expect("randomness");
        Self { registry, address, metrics: counted, _started: started }
    }

    /// Whether the metrics hold this line, without `onetag_`.
    pub(super) fn counts(&self, line: &str) -> bool {
        let text = self.metrics.render().expect("text");
        text.lines().any(|found| found.strip_prefix("onetag_") == Some(line))
    }
}
