//! The upstream room against a scripted registry.

mod auth;
mod blobs;
mod callers;
mod credentials;
mod documents;
mod heads;
mod limits;
mod log;
mod names;
mod outages;
mod paces;
mod realms;
mod redirects;
mod resumes;
mod retries;
mod server;
mod times;
mod tls;
mod trials;
mod uploads;
mod writes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onetag_config::Timeout;
use onetag_oci::{Digest, Reference, Repository};
use testkit::{Fault, Image, Registry};

use super::names::{LookUp, system};
use super::{Credentials, Manifest, Upstream, UpstreamError};
use crate::telemetry::Metrics;

const APP: &str = "team/app";

/// An upstream and what it counts.
struct Site {
    upstream: Upstream,
    metrics: Arc<Metrics>,
}

fn settings(url: &str) -> onetag_config::Upstream {
    onetag_config::Upstream {
        url: Some(url.parse().unwrap()),
        connect_timeout: millis(2_000),
        header_timeout: millis(2_000),
        idle_body_timeout: millis(2_000),
        ..onetag_config::Upstream::default()
    }
}

fn with_account(url: &str, username: &str, password: &str) -> onetag_config::Upstream {
    onetag_config::Upstream {
        username: Some(username.into()),
        password: Some(password.into()),
        ..settings(url)
    }
}

fn millis(millis: u64) -> Timeout {
    Duration::from_millis(millis).try_into().unwrap()
}

impl Site {
    fn new(settings: &onetag_config::Upstream) -> Self {
        Self::with(settings, None, system())
    }

    /// With a certificate and its key, and with another way to find addresses.
    fn with(settings: &onetag_config::Upstream, identity: Option<(&Path, &Path)>, look_up: LookUp) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let credentials = Credentials::resolve(settings).unwrap();
        let upstream =
            Upstream::with(settings, credentials, Arc::clone(&metrics), identity, look_up).unwrap();
        Self { upstream, metrics }
    }

    fn of(registry: &Registry) -> Self {
        Self::new(&settings(&registry.url()))
    }

    async fn manifest(&self, reference: &str) -> Result<Option<Manifest>, UpstreamError> {
        self.upstream.manifest(&app(), &reference.parse::<Reference>().unwrap()).await
    }

    /// How often requests of this kind came to this.
    fn counted(&self, kind: &str, outcome: &str) -> u64 {
        self.value(&format!("upstream_requests_total{{kind=\"{kind}\",outcome=\"{outcome}\"}}"))
    }

    /// The value of a metric.
    fn value(&self, name: &str) -> u64 {
        let line = format!("onetag_{name} ");
        let text = self.metrics.render().unwrap();
        text.lines().find_map(|l| l.strip_prefix(&line)).unwrap().parse().unwrap()
    }
}

fn app() -> Repository {
    APP.parse().unwrap()
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

fn image() -> Image {
    Image::builder("linux/arm64").build()
}

fn status(code: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::Status { code, headers, body: body.into() }
}

/// A 401 that names a realm.
fn bearer_challenge(realm: &str) -> Fault {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"testkit-registry\"");
    status(401, &[("www-authenticate", &challenge)], "")
}

/// How many requests for manifests, and for tokens, the registry has seen.
fn seen(registry: &Registry) -> (usize, usize) {
    let manifests = registry.count(|request| request.path.contains("/manifests/"));
    (manifests, registry.count(|request| request.kind == testkit::Kind::Token))
}
