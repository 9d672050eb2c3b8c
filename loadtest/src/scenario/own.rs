//! A onetag and an upstream that are started for a run, and end with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::certificates::{self, Certificates};
use crate::engine::{Address, Ask, Connection, Protocol};
use crate::error::Error;
use crate::leftovers;
use crate::servers::{Onetag, Settings};
use crate::upstream::{Blob, Upstream};

/// How long an answer before a run may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was started.
pub(crate) struct Own {
    // Stopped before the folder goes.
    pub(crate) onetag: Onetag,
    pub(crate) upstream: Upstream,
    pub(crate) folder: TempDir,
    pub(crate) certificates: Certificates,
}

/// What to start.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a Path,
    /// Of every image.
    pub(crate) layers: &'a [Blob],
    pub(crate) tls: bool,
    /// Further arguments of onetag.
    pub(crate) more: Vec<String>,
    pub(crate) server_cores: &'a [usize],
    /// The upstream's core.
    pub(crate) load_core: Option<usize>,
}

impl Own {
    pub(crate) fn start(plan: Plan<'_>) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("onetag-load.")
            .tempdir()
            .map_err(Error::io("a folder for temporary files"))?;
        leftovers::made(folder.path());
        let certificates = Certificates::write(folder.path())?;
        let upstream = Upstream::start(plan.load_core, plan.layers)?;
        // As many connections as there may be.
        let config = folder.path().join("onetag.toml");
        let limits = "[server]\nmax_connections = 30000\nmax_connections_per_peer = 30000\n";
        fs::write(&config, limits).map_err(Error::io(config.display().to_string()))?;
        let mut more = plan.more;
        more.extend(["--config".to_owned(), config.display().to_string()]);
        let onetag = Onetag::start(
            plan.program,
            &Settings {
                upstream: upstream.url(),
                data_dir: Some(&data_dir(folder.path())),
                tls: plan.tls.then_some(&certificates),
                more,
                cores: plan.server_cores,
                counts: None,
            },
        )?;
        Ok(Self { onetag, upstream, folder, certificates })
    }

    /// How onetag is spoken to.
    pub(crate) fn address(&self, protocol: Protocol, tls: bool) -> Result<Address, Error> {
        let plain = Address { protocol, ..Address::plain(self.onetag.address) };
        if !tls {
            return Ok(plain);
        }
        Ok(Address { tls: Some(certificates::client(&self.certificates.certificate, protocol)?), ..plain })
    }
}

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// Asks for things before a run, one after another, and wants them right; their bodies.
pub(crate) fn fetch(address: &Address, asks: &[Ask]) -> Result<Vec<Vec<u8>>, Error> {
    fetch_over(address, asks, 1)
}

/// The same over so many connections at once; the bodies are in the order of what was asked.
pub(super) fn fetch_over(address: &Address, asks: &[Ask], connections: usize) -> Result<Vec<Vec<u8>>, Error> {
    let about = "requests before the run";
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io(about))?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let each = asks.len().div_ceil(connections).max(1);
        let begin = |asks: &[Ask]| tokio::task::spawn_local(fetch_in_turn(address.clone(), asks.to_vec()));
        let tasks: Vec<_> = asks.chunks(each).map(begin).collect();
        let mut bodies = Vec::with_capacity(asks.len());
        for task in tasks {
            bodies.extend(task.await.map_err(|error| Error::prepare(about, error))??);
        }
        Ok(bodies)
    })
}

async fn fetch_in_turn(address: Address, asks: Vec<Ask>) -> Result<Vec<Vec<u8>>, Error> {
    let mut connection = Connection::new(address);
    let mut bodies = Vec::with_capacity(asks.len());
    for ask in asks {
        let mut body = Vec::new();
        let answer = tokio::time::timeout(PATIENCE, connection.ask(&ask, Some(&mut body))).await;
        let late = |_| Error::prepare(&*ask.path, format!("no whole answer within {PATIENCE:?}"));
        let status = answer.map_err(late)?.map_err(|failure| Error::prepare(&*ask.path, failure))?.status;
        if status != ask.status {
            let said = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            return Err(Error::prepare(&*ask.path, format!("status {status}: {said}")));
        }
        bodies.push(body);
    }
    Ok(bodies)
}
