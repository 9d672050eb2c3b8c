//! `onetag healthcheck`: for containers, which hold no other program that could ask.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::args::HealthcheckArguments;
use super::exit::Failure;

const TIMEOUT: Duration = Duration::from_secs(3);
/// As much of the answer as is looked at.
const MAX_ANSWER: u64 = 1024;

pub(super) fn healthcheck(arguments: &HealthcheckArguments) -> Result<(), Failure> {
    let address = reachable(arguments.admin);
    let answer = ask(address).map_err(|error| Failure::failed(format!("{address}: {error}")))?;
    match answer.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(Failure::failed(format!("{address} is not healthy"))),
    }
}

/// A listener on all addresses is asked over loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
