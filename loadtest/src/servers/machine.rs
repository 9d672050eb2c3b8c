//! What this machine has for them: programs and ports.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::error::Error;

/// A port of loopback that nothing listens on now.
pub(super) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::io("a free port"))?;
    Ok(listener.local_addr().map_err(Error::io("a free port"))?.port())
}

/// A program on the search path.
pub(super) fn program(name: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| Error::Missing(format!("{name} is missing; on Debian: apt-get install {name}")))
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
