//! The onetag under test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::callgrind::counted;
use crate::certificates::Certificates;
use crate::error::Error;
use crate::process::Server;

/// How a onetag is started.
#[derive(Default)]
pub(crate) struct Settings<'a> {
    /// The upstream's URL.
    pub(crate) upstream: String,
    /// None: in memory only.
    pub(crate) data_dir: Option<&'a Path>,
    pub(crate) tls: Option<&'a Certificates>,
    /// Further arguments of `onetag serve`.
    pub(crate) more: Vec<String>,
    pub(crate) cores: &'a [usize],
    /// Where the instructions that it takes are written when it ends; none: they are not counted.
    pub(crate) counts: Option<&'a Path>,
}

/// A running onetag.
pub(crate) struct Onetag {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl Onetag {
    pub(crate) fn start(program: &Path, settings: &Settings<'_>) -> Result<Self, Error> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ONETAG_"))
        {
            command.env_remove(name);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "text"]);
        command.args(["--upstream", &settings.upstream]);
        if let Some(data_dir) = settings.data_dir {
            command.arg("--data-dir").arg(data_dir);
        }
        if let Some(tls) = settings.tls {
            command.arg("--tls-certificate").arg(&tls.certificate).arg("--tls-key").arg(&tls.key);
        }
        command.args(&settings.more);
        if let Some(counts) = settings.counts {
            command = counted(&command, counts)?;
        }
        let (mut address, mut admin) = (None, false);
        let server = Server::start(command, settings.cores, |line| {
            if let Some(url) = line.strip_prefix("registry listening on ") {
                address = url.trim().rsplit_once('/').and_then(|(_, address)| address.parse().ok());
            }
            admin |= line.starts_with("admin listening on ");
            address.is_some() && admin
        })?;
        let address = address.ok_or_else(|| Error::Start("onetag".into(), "no address".into()))?;
        Ok(Self { server, address })
    }

    /// The program: the one that is named, else the neighbour of this one.
    pub(crate) fn find(named: Option<&Path>) -> Result<PathBuf, Error> {
        if let Some(named) = named {
            return if named.is_file() {
                Ok(named.to_owned())
            } else {
                Err(Error::Missing(format!("{} is no file", named.display())))
            };
        }
        let own = std::env::current_exe().map_err(Error::io("this program"))?;
        let folder = own.parent().unwrap_or(Path::new("."));
        // A test is one folder deeper.
        [folder.join("onetag"), folder.join("../onetag")].into_iter().find(|file| file.is_file()).ok_or_else(
            || {
                let build = if cfg!(debug_assertions) { "cargo build" } else { "cargo build --release" };
                let wanted = folder.join("onetag");
                Error::Missing(format!(
                    "{} is missing: `{build} -p onetag`, or --onetag FILE",
                    wanted.display()
                ))
            },
        )
    }
}
