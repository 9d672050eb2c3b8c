//! `onetag warm`: has a running onetag fetch what pulls will need, and shows how far it is.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write, stderr};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use onetag_oci::Reference;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::args::WarmArguments;
use super::exit::{Failure, print};
use super::healthcheck::reachable;
use super::target::Target;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long nothing may be heard: a large layer is one step.
const STEP_TIMEOUT: Duration = Duration::from_hours(1);

/// As much of one line as is looked at.
const MAX_LINE: u64 = 64 << 10;

/// One line of the answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Step {
    Done { warmth: Warmth },
    Failed { error: String },
    Under(Warmth),
}

#[derive(Debug, Deserialize)]
struct Warmth {
    manifests: u64,
    blobs: u64,
    blobs_wanted: u64,
    #[serde(default)]
    blobs_not_kept: u64,
    fetched_bytes: u64,
}

pub(super) fn warm(arguments: &WarmArguments) -> Result<(), Failure> {
    let targets: Result<Vec<Target>, String> =
        arguments.references.iter().map(|text| Target::parse(text)).collect();
    let targets = targets.map_err(Failure::usage)?;
    if let Some(registry) = targets.iter().find_map(|target| target.registry.as_ref()) {
        let message =
            format!("{registry}: write REPOSITORY:TAG; the registry is the one behind the running onetag");
        return Err(Failure::usage(message));
    }
    let address = reachable(arguments.admin);
    let mut failed = 0;
    for target in &targets {
        let name = name(target);
        match ask(address, &name, &arguments.platforms) {
            Ok(warmth) => print(&format!("{name}: {}\n", told(&warmth)))?,
            Err(error) => {
                failed += 1;
                // Nobody is left to tell when standard error is closed.
                let _ = writeln!(stderr(), "onetag: {name}: {error}");
            }
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::failed(format!("{failed} of {} are not warm", targets.len())))
    }
}

fn name(target: &Target) -> String {
    match &target.reference {
        Reference::Tag(tag) => format!("{}:{tag}", target.repository),
        Reference::Digest(digest) => format!("{}@{digest}", target.repository),
    }
}

fn told(warmth: &Warmth) -> String {
    let Warmth { manifests, blobs, blobs_wanted, blobs_not_kept, fetched_bytes } = warmth;
    let mebibytes = fetched_bytes / (1 << 20);
    let not_kept = match blobs_not_kept {
        0 => String::new(),
        _ => format!("; {blobs_not_kept} not kept: the cache of blobs is too small, or cannot be used"),
    };
    match blobs_wanted {
        0 => format!("{manifests} manifests"),
        _ => format!(
            "{manifests} manifests, {blobs} of {blobs_wanted} blobs, {mebibytes} MiB fetched{not_kept}"
        ),
    }
}

/// Asks for one reference, and shows each step on a terminal.
fn ask(address: SocketAddr, name: &str, platforms: &[String]) -> Result<Warmth, String> {
    let lost = |error: std::io::Error| format!("no onetag answers at {address} (--admin): {error}");
    let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).map_err(lost)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT)).map_err(lost)?;
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let platforms = platforms.iter().flat_map(|platform| ["&platform=".to_owned(), encoded(platform)]);
    let platforms: String = platforms.collect();
    // HTTP/1.0: the answer ends with the connection, and is in no chunks.
    let request = format!("POST /warm?ref={}{platforms} HTTP/1.0\r\nHost: {address}\r\n\r\n", encoded(name));
    (&stream).write_all(request.as_bytes()).map_err(lost)?;
    let mut answer = BufReader::new(stream);
    let mut is_body = false;
    loop {
        let mut line = String::new();
        let read = answer.by_ref().take(MAX_LINE).read_line(&mut line).map_err(lost)?;
        match line.trim_end() {
            _ if read == 0 => return Err(format!("{address} ended the answer before its end")),
            "" => is_body = true,
            line if is_body => match serde_json::from_str(line) {
                Ok(Step::Done { warmth }) => return Ok(cleared(warmth)),
                Ok(Step::Failed { error }) => return Err(cleared(error)),
                Ok(Step::Under(warmth)) => show(name, &warmth),
                Err(_) => return Err(format!("what answers at {address} is no onetag's admin listener")),
            },
            _ => {}
        }
    }
}

/// Shows a step in the place of the one before.
fn show(name: &str, warmth: &Warmth) {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K{name}: {} ...", told(warmth));
    }
}

fn cleared<T>(result: T) -> T {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K");
    }
    result
}
