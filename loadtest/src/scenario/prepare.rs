//! From a scenario to a load, and what it is aimed at.

use std::sync::Arc;
use std::time::Duration;

use super::own::{Own, Plan, fetch, fetch_over};
use super::{Scenario, Target};
use crate::cli::Options;
use crate::engine::{Address, Ask, Source};
use crate::error::Error;
use crate::plan::{Zipf, cycle, numbered, once, scatter};
use crate::servers::Onetag;
use crate::upstream::{ARCHITECTURES, Blob, Image, REPOSITORY, digest, tag};

/// Layers of the image that a rollout pulls.
const ROLLOUT_LAYERS: u64 = 10;

/// Connections over which tags are made warm.
const WARMING: usize = 16;

/// A load that is ready to begin.
pub(crate) struct Prepared {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) address: Address,
    /// The server's process, where it is known.
    pub(crate) pid: Option<u32>,
    /// What was started for the run.
    pub(crate) own: Option<Own>,
}

/// The path of a manifest.
fn manifest(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

fn blob(repository: &str, digest: &str) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// Starts what a scenario needs, and makes what is to be cached so.
pub(crate) fn prepare(scenario: Scenario, options: &Options) -> Result<Prepared, Error> {
    if let Some(address) = options.target.address(options.protocol)? {
        if !scenario.fits_a_target() {
            let name = scenario.name();
            return Err(Error::Usage(format!("{name} needs an upstream of its own, and takes no --target")));
        }
        let source = of_target(scenario, options, &options.target, &address)?;
        return Ok(Prepared { source, address, pid: options.target.pid, own: None });
    }
    let program = Onetag::find(options.onetag.as_deref())?;
    let count = if scenario == Scenario::Rollout { ROLLOUT_LAYERS } else { 1 };
    let size = match scenario {
        Scenario::Rollout => options.blob_size.map_or(1 << 20, crate::size::Size::as_u64),
        _ => 1 << 10,
    };
    let layers: Vec<_> = (0..count).map(|number| Blob { number, size }).collect();
    let own = Own::start(Plan {
        program: &program,
        layers: &layers,
        tls: options.tls,
        more: arguments(scenario, options.tags),
        server_cores: &options.server_cores,
        load_core: options.load_cores.last().copied(),
    })?;
    let address = own.address(options.protocol, options.tls)?;
    let source = of_own(scenario, options, &own, &address, &layers)?;
    own.upstream.set_latency(options.latency.map_or(scenario.usual_latency(), Into::into));
    Ok(Prepared { source, address, pid: Some(own.onetag.server.pid()), own: Some(own) })
}

/// What onetag is told for a scenario.
fn arguments(scenario: Scenario, tags: u32) -> Vec<String> {
    // Hits stay hits, however many tags there are.
    let memory = format!("{} KiB", (u64::from(tags) * 8).max(256 << 10));
    let arguments: &[&str] = match scenario {
        Scenario::TagHit | Scenario::HeadHit | Scenario::DigestHit => {
            &["--tag-ttl", "1d", "--memory", &memory]
        }
        Scenario::Revalidate => &["--tag-ttl", "0s", "--stale-while-revalidate", "0s"],
        Scenario::SlowUpstream => &["--tag-ttl", "1s"],
        Scenario::Keyflood => &["--memory", "64 MiB"],
        _ => &[],
    };
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

/// Cached tags, and what they answer.
fn warm(address: &Address, paths: &[String]) -> Result<Vec<Vec<u8>>, Error> {
    let asks: Vec<_> = paths.iter().map(|path| Ask::get(path.as_str())).collect();
    fetch_over(address, &asks, WARMING)
}

fn of_own(
    scenario: Scenario,
    options: &Options,
    own: &Own,
    address: &Address,
    layers: &[Blob],
) -> Result<Arc<dyn Source>, Error> {
    let paths = |count: u32| -> Vec<String> { (0..count).map(|n| manifest(REPOSITORY, &tag(n))).collect() };
    let known = paths(options.tags.max(1));
    Ok(match scenario {
        Scenario::TagHit | Scenario::HeadHit | Scenario::DigestHit | Scenario::Revalidate => {
            let bodies = warm(address, &known)?;
            hits(scenario, REPOSITORY, &known, &bodies)
        }
        Scenario::ColdMerge => {
            // The first pull of a repository teaches onetag which members there are.
            warm(address, &known)?;
            std::thread::sleep(Duration::from_millis(100));
            let first = options.tags.max(1);
            numbered(&["tag"], move |number| {
                let number = first.checked_add(u32::try_from(number).ok()?)?;
                Some(Ask::get(manifest(REPOSITORY, &tag(number))).merged())
            })
        }
        Scenario::Stampede => {
            warm(address, &known)?;
            std::thread::sleep(Duration::from_millis(100));
            let (first, clients) = (options.tags.max(1), options.concurrency(scenario) as u64);
            numbered(&["tag"], move |number| {
                let number = first.checked_add(u32::try_from(number / clients).ok()?)?;
                Some(Ask::get(manifest(REPOSITORY, &tag(number))).merged())
            })
        }
        Scenario::BlobHit => {
            let wanted = Blob { number: 1 << 40, size: options.blob_bytes() };
            let path = blob(REPOSITORY, &own.upstream.add(wanted));
            let ask = Ask::get(path).with_length(wanted.size);
            fetch(address, std::slice::from_ref(&ask))?;
            // It is kept a moment after it was sent.
            std::thread::sleep(Duration::from_millis(500));
            cycle("blob", vec![ask])
        }
        Scenario::BlobCold => {
            let asks = (0..options.blobs).map(|number| {
                let wanted = Blob { number: (1 << 41) + u64::from(number), size: options.blob_bytes() };
                Ask::get(blob(REPOSITORY, &own.upstream.add(wanted))).with_length(wanted.size)
            });
            once(&["blob"], asks.collect())
        }
        Scenario::Rollout => {
            own.upstream.announce(1);
            rollout(options.concurrency(scenario), layers)
        }
        Scenario::Morning => {
            warm(address, &known[..1])?;
            let tags = options.tags.max(1_000);
            own.upstream.announce(tags);
            morning(tags, layers)
        }
        Scenario::SlowUpstream => {
            let bodies = warm(address, &known)?;
            let hits = hits(scenario, REPOSITORY, &known, &bodies);
            let first = options.tags.max(1);
            numbered(&["hit", "cold"], move |number| {
                if number % 100 != 99 {
                    return hits.ask(number);
                }
                let number = first.checked_add(u32::try_from(number / 100).ok()?)?;
                Some(Ask::get(manifest(REPOSITORY, &tag(number))).merged().of_class(1))
            })
        }
        Scenario::Keyflood => {
            let bodies = warm(address, &known)?;
            flood(REPOSITORY, hits(scenario, REPOSITORY, &known, &bodies))
        }
    })
}

fn of_target(
    scenario: Scenario,
    options: &Options,
    target: &Target,
    address: &Address,
) -> Result<Arc<dyn Source>, Error> {
    let references = target.references()?;
    let paths: Vec<_> = references.iter().map(|(name, tag)| manifest(name, tag)).collect();
    let bodies = warm(address, &paths)?;
    let repository = &references[0].0;
    Ok(match scenario {
        Scenario::BlobHit => {
            let layer = largest_layer(address, repository, &bodies[0])?;
            cycle("blob", vec![layer])
        }
        Scenario::Morning => {
            let (zipf, count) = (Zipf::new(u32::try_from(paths.len()).unwrap_or(u32::MAX)), paths.len());
            debug_assert!(count > 0, "references are not empty");
            numbered(&["tag"], move |number| Some(Ask::get(paths[zipf.place(scatter(number))].as_str())))
        }
        Scenario::Keyflood => flood(repository, hits(scenario, repository, &paths, &bodies)),
        _ => {
            debug_assert!(options.target.url.is_some(), "this is for targets");
            hits(scenario, repository, &paths, &bodies)
        }
    })
}

/// The same few over and over, by tag or by digest.
fn hits(scenario: Scenario, repository: &str, paths: &[String], bodies: &[Vec<u8>]) -> Arc<dyn Source> {
    let asks = paths.iter().zip(bodies).map(|(path, body)| {
        let length = body.len() as u64;
        match scenario {
            Scenario::HeadHit => Ask::head(path.as_str()).with_length(0),
            Scenario::DigestHit => Ask::get(manifest(repository, &digest(body))).with_length(length),
            _ => Ask::get(path.as_str()).with_length(length),
        }
    });
    let class = match scenario {
        Scenario::SlowUpstream | Scenario::Keyflood => "hit",
        Scenario::DigestHit => "digest",
        _ => "tag",
    };
    cycle(class, asks.collect())
}

/// Ten names that do not exist for each that does.
fn flood(repository: &str, hits: Arc<dyn Source>) -> Arc<dyn Source> {
    let repository = repository.to_owned();
    numbered(&["hit", "absent"], move |number| {
        if number.is_multiple_of(11) {
            return hits.ask(number / 11);
        }
        let absent = format!("absent-{:016x}", scatter(number));
        Some(Ask::get(manifest(&repository, &absent)).of_class(1).with_status(404))
    })
}

/// All nodes take the same step at about the same time: the tag, the image of their platform, its config, its layers.
/// Every second node is of the other platform.
fn rollout(nodes: usize, layers: &[Blob]) -> Arc<dyn Source> {
    let named: Vec<_> = layers.iter().map(|blob| (*blob, blob.digest())).collect();
    let images = [0, 1].map(|architecture| Image::new(0, architecture, &named));
    let paths = [0, 1].map(|architecture| {
        let image: &Image = &images[architecture];
        let mut steps = vec![
            Ask::get(manifest(REPOSITORY, &tag(0))).merged(),
            Ask::get(manifest(REPOSITORY, &image.manifest_digest)).with_length(image.manifest.len() as u64),
            Ask::get(blob(REPOSITORY, &image.config_digest)).with_length(image.config.len() as u64),
        ];
        steps.extend(
            named.iter().map(|(layer, digest)| Ask::get(blob(REPOSITORY, digest)).with_length(layer.size)),
        );
        for (place, step) in steps.iter_mut().enumerate() {
            step.class = place.min(3);
        }
        steps
    });
    let nodes = nodes.max(1) as u64;
    numbered(&["tag", "manifest", "config", "layer"], move |number| {
        let step = usize::try_from(number / nodes).ok()?;
        let architecture = usize::from(!(number % nodes).is_multiple_of(2));
        paths[architecture % ARCHITECTURES.len()].get(step).cloned()
    })
}

/// A tag by Zipf's law, and then the image of one platform that it names.
fn morning(tags: u32, layers: &[Blob]) -> Arc<dyn Source> {
    let named: Vec<_> = layers.iter().map(|blob| (*blob, blob.digest())).collect();
    let zipf = Zipf::new(tags);
    numbered(&["tag", "manifest"], move |number| {
        let random = scatter(number / 2);
        let place = u32::try_from(zipf.place(random)).ok()?;
        if number.is_multiple_of(2) {
            return Some(Ask::get(manifest(REPOSITORY, &tag(place))).merged());
        }
        let image = Image::new(place, usize::from(scatter(random).is_multiple_of(3)), &named);
        let ask = Ask::get(manifest(REPOSITORY, &image.manifest_digest));
        Some(ask.of_class(1).with_length(image.manifest.len() as u64))
    })
}

/// The largest layer of the first image that an index names, or of an image.
fn largest_layer(address: &Address, repository: &str, body: &[u8]) -> Result<Ask, Error> {
    let none = || Error::prepare(repository, "the reference names no image with a layer");
    let parse = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
    let mut document = parse(body);
    if let Some(child) = document["manifests"][0]["digest"].as_str() {
        let child = warm(address, &[manifest(repository, child)])?;
        document = parse(&child[0]);
    }
    let layers = document["layers"].as_array().ok_or_else(none)?;
    let layer = layers.iter().max_by_key(|layer| layer["size"].as_u64()).ok_or_else(none)?;
    let (digest, size) =
        (layer["digest"].as_str().ok_or_else(none)?, layer["size"].as_u64().ok_or_else(none)?);
    let ask = Ask::get(blob(repository, digest)).with_length(size);
    fetch(address, std::slice::from_ref(&ask))?;
    Ok(ask)
}
