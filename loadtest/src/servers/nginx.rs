//! nginx as people would tune it for this: cached answers from memory and disk, `sendfile`, connections kept.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::machine::{free_port, loopback, program};
use crate::certificates::Certificates;
use crate::error::Error;
use crate::process::Server;

/// A running nginx: a cache in front of others.
pub(crate) struct Nginx {
    pub(crate) server: Server,
    pub(crate) ports: Ports,
}

/// Where it listens.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// Plain HTTP, cached.
    pub(crate) plain: SocketAddr,
    /// TLS with HTTP/1.1 and HTTP/2, cached.
    pub(crate) tls: SocketAddr,
    /// Plain HTTP to the upstream itself, not cached.
    pub(crate) uncached: SocketAddr,
}

impl Nginx {
    /// Starts it in a folder of its own, with one worker for each core: manifests from `manifests` (a onetag, so that
    /// the bytes are the same), blobs from `blobs`.
    pub(crate) fn start(
        folder: &Path,
        tls: &Certificates,
        (manifests, blobs): (SocketAddr, SocketAddr),
        cores: &[usize],
    ) -> Result<Self, Error> {
        let program = program("nginx")?;
        let ports = Ports {
            plain: loopback(free_port()?),
            tls: loopback(free_port()?),
            uncached: loopback(free_port()?),
        };
        let file = folder.join("nginx.conf");
        let text = configuration(folder, tls, (manifests, blobs), ports, cores.len().max(1));
        fs::create_dir_all(folder).map_err(Error::io(folder.display().to_string()))?;
        fs::write(&file, text).map_err(Error::io(file.display().to_string()))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(&file);
        let server = Server::start(command, cores, |line| line.contains("start worker process "))?;
        Ok(Self { server, ports })
    }
}

fn configuration(
    folder: &Path,
    tls: &Certificates,
    (manifests, blobs): (SocketAddr, SocketAddr),
    ports: Ports,
    workers: usize,
) -> String {
    let folder = folder.display();
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    let Ports { plain, tls, uncached } = ports;
    // Workers of a root's nginx would be another user's, who may not read a private folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        r#"
{user}
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 4096; multi_accept on; }}
http {{
    access_log off;
    sendfile on;
    sendfile_max_chunk 2m;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    http2_max_requests 1000000000;
    http2_max_concurrent_streams 1000;
    open_file_cache max=10000 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache levels=1:2 keys_zone=onetag:64m max_size=8g inactive=1d use_temp_path=off;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_max_temp_file_size 0;
    proxy_buffers 16 64k;
    proxy_buffer_size 64k;
    proxy_busy_buffers_size 256k;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:tls:8m;
    ssl_buffer_size 16k;
    upstream manifests {{ server {manifests}; keepalive 64; }}
    upstream blobs {{ server {blobs}; keepalive 64; }}
    server {{
        listen {plain} backlog=4096;
        listen {tls} ssl http2 backlog=4096;
        proxy_cache onetag;
        proxy_cache_valid 200 1h;
        proxy_cache_key $uri$http_accept;
        proxy_cache_lock on;
        proxy_ignore_headers Cache-Control Expires Vary;
        location / {{ proxy_pass http://manifests; }}
        location ~ /blobs/ {{ proxy_pass http://blobs; }}
    }}
    server {{
        listen {uncached} backlog=4096;
        location / {{ proxy_pass http://blobs; }}
    }}
}}
"#
    )
}
