//! Docker's registry as a pull-through cache.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::machine::{free_port, loopback, program};
use crate::error::Error;
use crate::process::Server;

/// A running docker-registry.
pub(crate) struct DockerRegistry {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl DockerRegistry {
    /// Starts it with its storage in a folder.
    pub(crate) fn start(folder: &Path, upstream: &str, cores: &[usize]) -> Result<Self, Error> {
        let program = program("docker-registry")?;
        let address = loopback(free_port()?);
        let (file, storage) = (folder.join("registry.yml"), folder.join("storage"));
        fs::create_dir_all(&storage).map_err(Error::io(storage.display().to_string()))?;
        let text = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: \"{}\"}}, cache: {{blobdescriptor: inmemory}}}}\n\
             http: {{addr: \"{address}\"}}\nproxy: {{remoteurl: \"{upstream}\"}}\n",
            storage.display()
        );
        fs::write(&file, text).map_err(Error::io(file.display().to_string()))?;
        let mut command = Command::new(program);
        command.arg("serve").arg(&file).env("OTEL_TRACES_EXPORTER", "none");
        let server = Server::start(command, cores, |line| line.contains("listening on"))?;
        Ok(Self { server, address })
    }
}
