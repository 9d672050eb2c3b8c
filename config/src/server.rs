use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::UpstreamUrl;
use crate::value::{Age, HostName, Limit, Network, Timeout, text};

/// The section `[server]`: the listeners and what they grant their clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where clients pull. Port 0 takes any free port.
    #[serde(deserialize_with = "text::deserialize")]
    pub listen: SocketAddr,
    /// Where metrics, health and status are served.
    #[serde(deserialize_with = "text::deserialize")]
    pub admin: SocketAddr,
    /// Where clients reach onetag, if another proxy stands in front: what they are told begins with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_url: Option<UpstreamUrl>,
    /// The proxies in front whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// The names that onetag answers to, with or without a port; any where there are none.
    pub hosts: Vec<HostName>,
    /// How many client connections may be open at once.
    pub max_connections: Limit,
    /// How many of them one address may have.
    pub max_connections_per_peer: Limit,
    /// How long a client may take to send the headers of a request.
    pub header_timeout: Timeout,
    /// How long a client may take no byte of an answer before its connection is closed.
    pub stall_timeout: Timeout,
    /// How long requests under way may still run once the process was asked to stop.
    pub shutdown_grace: Age,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 5080).into(),
            admin: (Ipv4Addr::LOCALHOST, 5081).into(),
            external_url: None,
            trusted_proxies: Vec::new(),
            hosts: Vec::new(),
            max_connections: Limit::new(10_000),
            max_connections_per_peer: Limit::new(2_000),
            header_timeout: Timeout::secs(10),
            stall_timeout: Timeout::secs(60),
            shutdown_grace: Age::secs(30),
        }
    }
}
