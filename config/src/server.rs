use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::value::{Age, Limit, Timeout, text};

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
    /// How many client connections may be open at once.
    pub max_connections: Limit,
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
            max_connections: Limit::new(10_000),
            header_timeout: Timeout::secs(10),
            stall_timeout: Timeout::secs(60),
            shutdown_grace: Age::secs(30),
        }
    }
}
