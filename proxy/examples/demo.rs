//! The demo: needs nothing but a Rust toolchain.
//!
//! An in-memory registry holds a legacy dual-tag repository; onetag stands in front of it; a first pull is
//! shown step by step; then both keep serving until Ctrl-C. `--once` ends after the first pull.

#![expect(clippy::print_stdout, reason = "it is what a demo does")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use onetag::access::Access;
use onetag::registry::{External, Routes};
use onetag::resolve::Resolver;
use onetag::server::{Bound, Limits, Running, Started};
use onetag::telemetry::Metrics;
use onetag::upstream::{Credentials, Upstream};
use onetag_config::Config;
use serde_json::Value;
use testkit::client;
use testkit::image::hello;
use testkit::registry::{Kind, Registry};

const REPOSITORY: &str = "team/app";
const INDEX_TYPES: &str =
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let upstream = Registry::start().await;
    upstream.push(REPOSITORY, "latest", &hello("linux/amd64"));
    upstream.push(REPOSITORY, "latest-arm", &hello("linux/arm64/v8"));
    let (started, address) = start_onetag(&upstream.url())?;

    println!("A registry in memory, {}, holds two tags, one for each architecture:", upstream.url());
    for tag in ["latest", "latest-arm"] {
        show_upstream_tag(&upstream, tag).await?;
    }
    println!(
        "\nonetag stands in front of it, http://{address}. A client asks onetag for {REPOSITORY}:latest:"
    );
    let index = pull_index(address).await?;
    for architecture in ["amd64", "arm64"] {
        pull_platform(address, &index, architecture).await?;
    }
    show_cost(&upstream, address).await?;
    if std::env::args().any(|argument| argument == "--once") {
        started.stop(Duration::from_secs(1)).await;
        return Ok(());
    }
    println!("\nNow try it yourself; this keeps serving until Ctrl-C:\n");
    println!("  docker pull {address}/{REPOSITORY}:latest");
    println!("  docker pull --platform linux/arm64 {address}/{REPOSITORY}:latest");
    println!("  docker run --rm {address}/{REPOSITORY}:latest");
    println!("  cargo run --release -- inspect {address}/{REPOSITORY}:latest\n");
    tokio::signal::ctrl_c().await?;
    started.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// The same parts as `onetag serve` with no configuration, on free ports.
fn start_onetag(upstream: &str) -> Result<(Started, SocketAddr)> {
    let mut config = Config::default();
    config.upstream.url = Some(upstream.parse()?);
    let metrics = Arc::new(Metrics::new()?);
    let upstream = Upstream::new(&config.upstream, Credentials::anonymous(), Arc::clone(&metrics))?;
    let resolver = Resolver::new(upstream, &config, None, None, Arc::clone(&metrics));
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (registry, admin) = (Bound::bind(any_port)?, Bound::bind(any_port)?);
    let address = registry.address();
    let limits = Limits {
        max_connections: config.server.max_connections.get(),
        max_connections_per_peer: config.server.max_connections.get(),
        header_timeout: config.server.header_timeout.get(),
        stall_timeout: Duration::from_mins(1),
    };
    let access = Arc::new(ArcSwap::from_pointee(Access::load(&config, false)?));
    let (routes, external) = (Arc::new(Routes::only(Arc::new(resolver))), External::default());
    let running = Running {
        registry,
        admin,
        tls: None,
        limits,
        routes,
        access,
        external,
        webhook_token: None,
        metrics,
    };
    Ok((running.start()?, address))
}

/// What a client sees that goes to the registry itself.
async fn show_upstream_tag(upstream: &Registry, tag: &str) -> Result<()> {
    let base = format!("{}/v2/{REPOSITORY}", upstream.url());
    let manifest = client::get(&format!("{base}/manifests/{tag}"), &[]).await?.json();
    let config = text(&manifest["config"]["digest"]);
    let config = client::get(&format!("{base}/blobs/{config}"), &[]).await?.json();
    let platform = format!("{}/{}", text(&config["os"]), text(&config["architecture"]));
    println!("  {REPOSITORY}:{tag:<11} one image, {platform}");
    Ok(())
}

/// The first pull: the tag's answer is an index that the registry does not have.
async fn pull_index(address: SocketAddr) -> Result<Value> {
    let url = format!("http://{address}/v2/{REPOSITORY}/manifests/latest");
    let response = client::get(&url, &[("accept", INDEX_TYPES)]).await?;
    println!("  {} {}", response.status, response.header("content-type").unwrap_or_default());
    println!("  digest {}", response.header("docker-content-digest").unwrap_or_default());
    let index = response.json();
    for entry in index["manifests"].as_array().into_iter().flatten() {
        let platform = &entry["platform"];
        let name = format!("{}/{}", text(&platform["os"]), text(&platform["architecture"]));
        println!("    {name:<12} {}", text(&entry["digest"]));
    }
    Ok(index)
}

/// What a machine of this architecture goes on to fetch.
async fn pull_platform(address: SocketAddr, index: &Value, architecture: &str) -> Result<()> {
    let entries = index["manifests"].as_array().into_iter().flatten();
    let mut own = entries.filter(|entry| entry["platform"]["architecture"] == architecture);
    let digest = text(&own.next().ok_or("the index lacks the architecture")?["digest"]);
    let base = format!("http://{address}/v2/{REPOSITORY}");
    let manifest = client::get(&format!("{base}/manifests/{digest}"), &[]).await?.json();
    let mut bytes = 0;
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        bytes += client::get(&format!("{base}/blobs/{}", text(&layer["digest"])), &[]).await?.body.len();
    }
    println!("  a machine with {architecture} takes its own image: {bytes} bytes of layers");
    Ok(())
}

/// A second pull of the tag costs the registry nothing.
async fn show_cost(upstream: &Registry, address: SocketAddr) -> Result<()> {
    let by_tag = || upstream.count(|request| request.kind == Kind::ManifestByTag);
    let before = by_tag();
    let url = format!("http://{address}/v2/{REPOSITORY}/manifests/latest");
    for _ in 0..1_000 {
        client::get(&url, &[("accept", INDEX_TYPES)]).await?;
    }
    println!("  1000 more pulls of the tag: {} requests to the registry for it", by_tag() - before);
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
