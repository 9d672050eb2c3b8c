//! All servers of a comparison, and the works that each of them takes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::CompareArgs;
use crate::certificates;
use crate::engine::{Address, Ask, Protocol, Source};
use crate::error::Error;
use crate::plan::{cycle, once};
use crate::scenario::{Own, OwnPlan, fetch};
use crate::servers::{Bare, DockerRegistry, Nginx, Onetag, Settings};
use crate::upstream::{Blob, REPOSITORY, tag};

/// Blobs that a server pulls in a round of `blob cold`.
const COLD_BLOBS: u32 = 8;
/// Tells the blobs that nginx keeps from those that others pull.
const INTO_CACHE: u32 = 100;
const CONNECTIONS: usize = 64;
const STREAMS: usize = 16;

/// All that takes part.
pub(super) struct Field {
    tls: Onetag,
    before: Option<Onetag>,
    nginx: Nginx,
    registry: DockerRegistry,
    bare: Bare,
    bare_tls: Bare,
    tag: String,
    blob: String,
    blob_size: u64,
    // Last, since all of them have their files in its folder.
    pub(super) own: Own,
}

/// A server that takes part in a work.
pub(super) struct Runner<'a> {
    pub(super) name: &'static str,
    pub(super) pid: u32,
    pub(super) address: Address,
    /// Whether it asks the upstream, on the load's cores, even for what it has.
    pub(super) asks_upstream: bool,
    /// The requests of a round.
    pub(super) source: Box<dyn Fn(u32) -> Arc<dyn Source> + 'a>,
}

/// A work: the same requests for several servers, onetag first.
pub(super) struct Contest<'a> {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) concurrency: usize,
    pub(super) streams: usize,
    /// Whether all of it is new in each round, so that nothing can be warmed up.
    pub(super) is_cold: bool,
    pub(super) runners: Vec<Runner<'a>>,
}

impl Field {
    /// Starts everything, and makes what is to be cached so.
    pub(super) fn start(args: &CompareArgs) -> Result<Self, Error> {
        let program = Onetag::find(args.onetag.as_deref())?;
        let cores = &args.server_cores;
        let fresh = || vec!["--tag-ttl".to_owned(), "1d".to_owned()];
        let own = Own::start(OwnPlan {
            program: &program,
            layers: &[Blob { number: 0, size: 1 << 10 }],
            tls: false,
            more: fresh(),
            server_cores: cores,
            load_core: args.load_cores.last().copied(),
        })?;
        let folder = own.folder.path().to_owned();
        let another = |program: &Path, name: &str, tls: bool| {
            let data_dir = folder.join(name);
            let tls = tls.then_some(&own.certificates);
            let upstream = own.upstream.url();
            Onetag::start(
                program,
                &Settings { upstream, data_dir: Some(&data_dir), tls, more: fresh(), cores, counts: None },
            )
        };
        let tls = another(&program, "data-tls", true)?;
        let before =
            args.before.as_deref().map(|program| another(program, "data-before", false)).transpose()?;
        let blob_size = args.blob_size.as_u64();
        let blob = blob_path(&own.upstream.add(Blob { number: 1 << 40, size: blob_size }));
        let tag = format!("/v2/{REPOSITORY}/manifests/{}", tag(0));
        // nginx and the bare server have their manifests from onetag, so that the bytes are the same.
        let asks = [Ask::get(tag.as_str()), Ask::get(blob.as_str()).with_length(blob_size)];
        fetch(&own.address(Protocol::Http1, false)?, &asks)?;
        let from = (own.onetag.address, own.upstream.address());
        let nginx = Nginx::start(&folder.join("nginx"), &own.certificates, from, cores)?;
        let registry = DockerRegistry::start(&folder.join("registry"), &own.upstream.url(), cores)?;
        let paths = [tag.clone()];
        let bare = Bare::start(own.onetag.address, &paths, None, cores, None)?;
        let bare_tls = Bare::start(own.onetag.address, &paths, Some(&own.certificates), cores, None)?;
        let field = Self { tls, before, nginx, registry, bare, bare_tls, tag, blob, blob_size, own };
        let mut others = vec![
            field.over_tls(field.tls.address, Protocol::Http1)?,
            Address::plain(field.nginx.ports.plain),
        ];
        others.extend(field.before.as_ref().map(|before| Address::plain(before.address)));
        for address in others {
            fetch(&address, &asks)?;
        }
        fetch(&Address::plain(field.registry.address), &asks[..1])?;
        // Blobs are kept a moment after they were sent.
        std::thread::sleep(Duration::from_secs(1));
        Ok(field)
    }

    fn over_tls(&self, socket: SocketAddr, protocol: Protocol) -> Result<Address, Error> {
        let tls = certificates::client(&self.own.certificates.certificate, protocol)?;
        Ok(Address { protocol, tls: Some(tls), ..Address::plain(socket) })
    }

    fn get_tag(&self) -> Arc<dyn Source> {
        cycle("tag", vec![Ask::get(self.tag.as_str())])
    }

    fn head_tag(&self) -> Arc<dyn Source> {
        cycle("tag", vec![Ask::head(self.tag.as_str()).with_length(0)])
    }

    fn get_blob(&self) -> Arc<dyn Source> {
        cycle("blob", vec![Ask::get(self.blob.as_str()).with_length(self.blob_size)])
    }

    /// Blobs that nobody has asked for: others in each round, and for each `kind` of server.
    fn cold_blobs(&self, round: u32, kind: u32) -> Arc<dyn Source> {
        let first = (u64::from(kind) << 48) + u64::from(round * COLD_BLOBS);
        let asks = (first..first + u64::from(COLD_BLOBS)).map(|number| {
            let digest = self.own.upstream.add(Blob { number: (1 << 50) + number, size: self.blob_size });
            Ask::get(blob_path(&digest)).with_length(self.blob_size)
        });
        once(&["blob"], asks.collect())
    }

    /// The plain servers that answer from a cache.
    fn plain<'a>(&'a self, make: impl Fn() -> Arc<dyn Source> + Copy + 'a) -> Vec<Runner<'a>> {
        let runner = |name, pid, socket| Runner {
            name,
            pid,
            address: Address::plain(socket),
            asks_upstream: false,
            source: Box::new(move |_| make()),
        };
        let onetag = &self.own.onetag;
        let mut runners = vec![
            runner("onetag", onetag.server.pid(), onetag.address),
            runner("nginx", self.nginx.server.pid(), self.nginx.ports.plain),
        ];
        runners
            .extend(self.before.as_ref().map(|before| runner("before", before.server.pid(), before.address)));
        runners
    }

    fn bare<'a>(&'a self, make: impl Fn() -> Arc<dyn Source> + 'a) -> Runner<'a> {
        let (pid, address) = (self.bare.server.pid(), Address::plain(self.bare.address));
        Runner { name: "bare hyper", pid, address, asks_upstream: false, source: Box::new(move |_| make()) }
    }

    fn secure<'a>(
        &'a self,
        protocol: Protocol,
        make: impl Fn() -> Arc<dyn Source> + Copy + 'a,
    ) -> Result<Vec<Runner<'a>>, Error> {
        let runner = |name, pid, socket| {
            let address = self.over_tls(socket, protocol)?;
            Ok(Runner {
                name,
                pid,
                address,
                asks_upstream: false,
                source: Box::new(move |_| make()) as Box<_>,
            })
        };
        Ok(vec![
            runner("onetag", self.tls.server.pid(), self.tls.address)?,
            runner("nginx", self.nginx.server.pid(), self.nginx.ports.tls)?,
            runner("bare hyper", self.bare_tls.server.pid(), self.bare_tls.address)?,
        ])
    }

    /// Tag hits of onetag and of the bare server alone, for what depends on the rate.
    pub(super) fn paced(&self) -> Contest<'_> {
        let mut runners = self.plain(|| self.get_tag());
        runners.truncate(1);
        runners.push(self.bare(|| self.get_tag()));
        contest("tag hit at 70 %", "request", CONNECTIONS, 1, runners)
    }

    /// All works at their maximum rate.
    pub(super) fn contests(&self) -> Result<Vec<Contest<'_>>, Error> {
        let mut tags = self.plain(|| self.get_tag());
        tags.push(self.bare(|| self.get_tag()));
        tags.push(Runner {
            name: "docker-registry",
            pid: self.registry.server.pid(),
            address: Address::plain(self.registry.address),
            asks_upstream: true,
            source: Box::new(|_| self.get_tag()),
        });
        let mut heads = self.plain(|| self.head_tag());
        heads.push(self.bare(|| self.head_tag()));
        let mut secure_blobs = self.secure(Protocol::Http1, || self.get_blob())?;
        // It has no blobs.
        secure_blobs.truncate(2);
        let mut cold = self.plain(|| self.get_blob());
        for (kind, runner) in (0..).zip(&mut cold) {
            runner.source = Box::new(move |round| self.cold_blobs(round, kind));
            if runner.name == "nginx" {
                (runner.name, runner.address) =
                    ("nginx, uncached", Address::plain(self.nginx.ports.uncached));
            }
        }
        let mut into_cache = self.plain(|| self.get_blob()).swap_remove(1);
        into_cache.name = "nginx, into its cache";
        into_cache.source = Box::new(move |round| self.cold_blobs(round, INTO_CACHE));
        cold.push(into_cache);
        let cold = Contest { is_cold: true, ..contest("blob cold", "MiB", 2, 1, cold) };
        Ok(vec![
            contest("tag hit", "request", CONNECTIONS, 1, tags),
            contest("HEAD hit", "request", CONNECTIONS, 1, heads),
            contest(
                "tag hit, TLS, HTTP/1.1",
                "request",
                CONNECTIONS,
                1,
                self.secure(Protocol::Http1, || self.get_tag())?,
            ),
            contest(
                "tag hit, TLS, HTTP/2",
                "request",
                CONNECTIONS,
                STREAMS,
                self.secure(Protocol::Http2, || self.get_tag())?,
            ),
            contest("blob hit", "MiB", 4, 1, self.plain(|| self.get_blob())),
            contest("blob hit, TLS", "MiB", 4, 1, secure_blobs),
            cold,
        ])
    }
}

fn contest<'a>(
    name: &'static str,
    unit: &'static str,
    concurrency: usize,
    streams: usize,
    runners: Vec<Runner<'a>>,
) -> Contest<'a> {
    Contest { name, unit, concurrency, streams, is_cold: false, runners }
}

fn blob_path(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/blobs/{digest}")
}
