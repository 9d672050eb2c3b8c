//! Calling a client program: bounded in time, with its output in the failure message.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

/// Seconds that one client call may take: generous, since all tests may run at once on a small machine.
const LIMIT: &str = "180";

/// A port of the loopback interface that nothing listens on.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Whether the tests of `programs` can run here; they all need root as well, for mounts and daemons.
///
/// # Panics
/// Where `CI` is set and something is missing, so that a skipped test is never taken for a passed one.
pub(crate) fn available(programs: &[&str]) -> bool {
    programs.iter().all(|program| testkit::process::require(program)) && is_root()
}

fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    root || skip("container daemons and mounts need root")
}

/// Skips a test visibly: always false.
///
/// # Panics
/// Where `CI` is set.
fn skip(reason: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    // Not `eprintln!`: the test harness would capture it.
    writeln!(std::io::stderr(), "SKIPPED: {reason}").is_err()
}

/// Whether something can listen on `::1`.
///
/// # Panics
/// Where `CI` is set and nothing can.
pub(crate) fn has_ipv6_loopback() -> bool {
    TcpListener::bind("[::1]:0").is_ok() || skip("there is no ::1 here")
}

/// Whether the docker client `program` can drive BuildKit (newer ones need the buildx plugin for it).
///
/// # Panics
/// Where `CI` is set and it cannot.
pub(crate) fn has_buildkit(program: &str) -> bool {
    let mut command = client(program);
    let output = command.env("DOCKER_BUILDKIT", "1").args(["build", "--help"]).output();
    output.is_ok_and(|output| output.status.success()) || skip("this docker client has no BuildKit")
}

/// A call of `program` that ends after [`LIMIT`] and reaches nothing but the loopback interface.
pub(crate) fn client(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", LIMIT, program]).stdin(Stdio::null());
    loopback_only(&mut command);
    command
}

/// Sends what is not for the loopback interface nowhere: a client that falls back from a mirror to the
/// origin, or from one registry to another, must fail its test instead of asking the network.
pub(super) fn loopback_only(command: &mut Command) {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env(name, NOWHERE);
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
}

/// Runs a command to its end: what it printed on stdout, without white space around it.
///
/// # Panics
/// With all that it printed, if it fails.
pub(crate) fn run<A: AsRef<OsStr>>(command: &mut Command, args: &[A]) -> String {
    try_run(command, args).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Runs a command to its end: what it printed on stdout, without white space around it.
///
/// # Errors
/// All that it printed, if it fails.
pub(crate) fn try_run<A: AsRef<OsStr>>(command: &mut Command, args: &[A]) -> Result<String, String> {
    let output = command.args(args).output().expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(stdout.trim().to_owned())
    } else {
        Err(format!("{command:?}: {}\n{stdout}\n{stderr}", output.status))
    }
}
