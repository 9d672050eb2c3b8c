//! The upstreams of a configuration, each with its caches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use onetag_config::{Config, CredentialSource, Size, UpstreamUrl, Warm, WarmReference};
use onetag_oci::Repository;

use crate::cache::{BlobSettings, Blobs, DiskStore, Store};
use crate::registry::{Routes, Site};
use crate::resolve::Resolver;
use crate::telemetry::Metrics;

use super::exit::Failure;
use super::settings;

/// Where the data of further upstreams is, below the data directory.
const FURTHER: &str = "registries";

/// The upstreams, and the names that onetag answers to.
pub(super) fn routes(config: &Config, metrics: &Arc<Metrics>) -> Result<Routes, Failure> {
    let mut sites = Vec::new();
    if config.upstream.url.is_some() {
        // Docker Hub's registry has another address than the name that clients send.
        let namespaces = |url: &UpstreamUrl| [url.authority().into(), url.registry_name().into()];
        let namespaces = config.upstream.url.iter().flat_map(namespaces).collect();
        let resolver = resolver(config, share(config), config.cache.data_dir.clone(), metrics)?;
        let asks_upstream = config.upstream.credentials == CredentialSource::Client;
        let (name, prefix, hosts, has_library) = ("".into(), None, Vec::new(), false);
        let takes_logins_by_host = false;
        sites.push(Site {
            name,
            resolver,
            asks_upstream,
            prefix,
            hosts,
            namespaces,
            has_library,
            takes_logins_by_host,
        });
    }
    for registry in &config.registry {
        let own = Config { upstream: registry.upstream(), ..config.clone() };
        let directory = config.cache.data_dir.as_ref().map(|all| all.join(FURTHER).join(registry.name()));
        if let Some(directory) = &directory {
            let failed = |error| Failure::usage(format!("cache.data_dir: {}: {error}", directory.display()));
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        sites.push(Site {
            name: registry.name().into(),
            resolver: resolver(&own, share(config), directory, metrics)?,
            asks_upstream: own.upstream.credentials == CredentialSource::Client,
            prefix: registry.prefix().map(Into::into),
            hosts: registry.hosts().map(Into::into).collect(),
            namespaces: registry.namespaces().map(Into::into).collect(),
            has_library: registry.has_library(),
            takes_logins_by_host: config.has_several_logins(),
        });
    }
    Ok(Routes::new(sites, config.server.hosts.iter().map(|host| host.as_str().into()).collect()))
}

/// What one upstream has of memory and disk: the same as each other.
#[derive(Clone, Copy)]
struct Share {
    memory: Size,
    blobs: u64,
}

fn share(config: &Config) -> Share {
    let sites = (config.registry.len() + usize::from(config.upstream.url.is_some())).max(1) as u64;
    Share { memory: config.cache.memory.divided(sites), blobs: config.blobs.max_bytes.bytes() / sites }
}

fn resolver(
    config: &Config,
    share: Share,
    directory: Option<PathBuf>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Resolver>, Failure> {
    let upstream = settings::upstream(config, Arc::clone(metrics))?;
    let mut config = config.clone();
    config.cache.memory = share.memory;
    let disk = directory.as_deref().map(DiskStore::open).transpose().map_err(Failure::usage)?;
    let disk = disk.map(|disk| Arc::new(disk) as Arc<dyn Store>);
    // Only once the store is open: it keeps a second process out of the data directory.
    let blobs = directory.filter(|_| config.blobs.cache);
    let blobs = blobs.map(|directory| blobs_in(&directory, &config, share, metrics)).transpose()?;
    Ok(Arc::new(Resolver::new(upstream, &config, disk, blobs, Arc::clone(metrics))))
}

fn blobs_in(
    directory: &Path,
    config: &Config,
    share: Share,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Blobs>, Failure> {
    let settings = BlobSettings { max_bytes: share.blobs, finish: config.blobs.finish };
    let blobs =
        Blobs::open(&directory.join("blobs"), settings, Arc::clone(metrics)).map_err(Failure::usage)?;
    Ok(Arc::new(blobs))
}

/// Keeps what one `[[warm]]` lists at hand, at each upstream what is its own.
pub(super) fn keep_warm(routes: &Routes, warm: &Warm) -> Result<(), Failure> {
    let mut lists: Vec<(Arc<Resolver>, Vec<WarmReference>)> = Vec::new();
    for reference in &warm.references {
        let unknown =
            || Failure::usage(format!("warm.references: no registry is configured for {reference}"));
        let outer: Repository = reference.repository().parse().map_err(|_| unknown())?;
        let (site, inner) = routes.of_repository(&outer).ok_or_else(unknown)?;
        if site.asks_upstream {
            let why = "its registry is asked with callers' credentials, and this has none";
            return Err(Failure::usage(format!("warm.references: {reference}: {why}")));
        }
        let inner: WarmReference = format!("{inner}:{}", reference.tag()).parse().map_err(|_| unknown())?;
        match lists.iter_mut().find(|(resolver, _)| Arc::ptr_eq(resolver, &site.resolver)) {
            Some((_, list)) => list.push(inner),
            None => lists.push((Arc::clone(&site.resolver), vec![inner])),
        }
    }
    for (resolver, references) in lists {
        tokio::spawn(resolver.keep_warm(Warm { references, ..warm.clone() }));
    }
    Ok(())
}
