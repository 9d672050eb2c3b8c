//! What a hit costs by itself, without a connection: `cargo bench -p onetag --bench hit` (time and allocations of
//! each).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher, black_box};
use http::header::{ACCEPT, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use onetag::access::Access;
use onetag::cache::{Content, Manifests, Records};
use onetag::registry::{Body, Endpoint, External, Peer, Registry, Routes};
use onetag::resolve::Resolver;
use onetag::telemetry::Metrics;
use onetag::upstream::{Credentials, Upstream};
use onetag_config::Config;
use onetag_oci::{Digest, MediaType, Repository};
use testkit::Image;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const TAG: &str = "/v2/team/app/manifests/latest";

fn main() {
    divan::main();
}

#[divan::bench]
fn parse_the_path_of_a_tag(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Endpoint::parse(black_box(TAG)).expect("a path"));
}

#[divan::bench]
fn parse_the_path_of_a_digest(bencher: Bencher<'_, '_>) {
    let path = format!("/v2/team/app/manifests/{}", Digest::sha256(b""));
    bencher.bench(|| Endpoint::parse(black_box(&path)).expect("a path"));
}

/// A manifest among ten thousand.
#[divan::bench]
fn look_up_a_digest(bencher: Bencher<'_, '_>) {
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let manifests = Manifests::new(64 << 20, Arc::new(Records::new(None, &metrics)));
    let repository: Repository = "team/app".parse().expect("a name");
    for number in 0..10_000_u32 {
        let bytes = number.to_string();
        let digest = Digest::sha256(bytes.as_bytes());
        let content = Content::new(bytes.as_bytes(), MediaType::OciManifest, digest);
        manifests.put(&repository, &Arc::new(content));
    }
    let digest = Digest::sha256(b"5000");
    assert!(manifests.get(&repository, &digest).is_some());
    bencher.bench(|| manifests.get(&repository, black_box(&digest)));
}

#[divan::bench(args = [1 << 10, 64 << 10, 1 << 20])]
fn hash(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = vec![7_u8; size];
    bencher.counter(BytesCount::new(size)).bench(|| Digest::sha256(black_box(&bytes)));
}

/// From a request to the whole response: routes, access, cache and headers.
#[divan::bench]
fn answer_a_tag(bencher: Bencher<'_, '_>) {
    let site = Site::start();
    let digest = site.answer(TAG).headers()["docker-content-digest"].clone();
    assert_eq!(site.answer(TAG).headers()["onetag-source"], "merged");
    assert!(!digest.is_empty());
    bencher.bench_local(|| site.answer(black_box(TAG)));
}

/// The same for the merged index by its digest.
#[divan::bench]
fn answer_a_digest(bencher: Bencher<'_, '_>) {
    let site = Site::start();
    let digest = site.answer(TAG).headers()["docker-content-digest"].to_str().expect("text").to_owned();
    let path = format!("/v2/team/app/manifests/{digest}");
    bencher.bench_local(|| site.answer(black_box(&path)));
}

/// A registry in front of another that has one image under two tags.
struct Site {
    runtime: Runtime,
    registry: Registry,
    _upstream: testkit::Registry,
}

impl Site {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (registry, upstream) = runtime.block_on(async {
            let upstream = testkit::Registry::start().await;
            for (tag, platform) in [("latest", "linux/amd64"), ("latest-arm64", "linux/arm64")] {
                upstream.push("team/app", tag, &Image::builder(platform).build());
            }
            let mut config = Config::default();
            config.upstream.url = Some(upstream.url().parse().expect("a URL"));
            config.cache.data_dir = None;
            let metrics = Arc::new(Metrics::new().expect("metrics"));
            let credentials = Credentials::resolve(&config.upstream).expect("none");
            let client = Upstream::new(&config.upstream, credentials, Arc::clone(&metrics));
            let client = client.expect("an upstream");
            let resolver = Arc::new(Resolver::new(client, &config, None, None, Arc::clone(&metrics)));
            let access = Access::load(&config, false).expect("no access rules");
            let external = External { url: None, trusted: Vec::new() };
            let routes = Arc::new(Routes::only(resolver));
            let access = Arc::new(ArcSwap::from_pointee(access));
            (Registry::new(routes, access, external, metrics).expect("randomness"), upstream)
        });
        Self { runtime, registry, _upstream: upstream }
    }

    fn answer(&self, path: &str) -> Response<Body> {
        let request = Request::get(path)
            .header(HOST, "127.0.0.1:5000")
            .header(ACCEPT, "application/vnd.oci.image.index.v1+json")
            .body(Empty::<Bytes>::new());
        let request = request.expect("a request");
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), is_tls: false, identity: None };
        let response = self.runtime.block_on(self.registry.answer_request(request, &peer));
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response
    }
}
